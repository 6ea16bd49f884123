"""The options `--style`, `--style-seed`, `--style-from` and `--style-labels`, and the styles that they select."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.combine import label_conditioner_index
from vid2vid_cli.conditioning.instances import InstanceReader, instance_class
from vid2vid_cli.config.config import ATTRIBUTE_MODELS
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.suggest import suggest_names
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.events import EventHandler, InfoEvent, ignore_events
from vid2vid_cli.engine.onnx_generator import OnnxGenerator
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.style_bank import ClassStyles, StyleAssigner, StyleBank, StyleChoice, Vectors
from vid2vid_cli.engine.styles import pool_styles
from vid2vid_cli.networks.generators import Generator
from vid2vid_cli.rendering.latent_options import check_latent_options, parse_attributes
from vid2vid_cli.rendering.retargeter import Retargeter
from vid2vid_cli.rendering.source_conditioners import load_source_conditioners
from vid2vid_cli.rendering.source_reader import open_source_reader
from vid2vid_cli.rendering.source_video import SourceVideo
from vid2vid_cli.requests.render import StyleOptions

_STYLE_PATTERN = re.compile(r"\s*(.+?)(?:#(\d{1,9}))?\s*=\s*(\d{1,9})\s*")
SHOW_STYLES_HINT = "`vid2vid styles show CKPT` renders all styles."


def parse_styles(style_options: StyleOptions, metadata: CheckpointMetadata) -> StyleChoice:
    """The seed and the assignments; the reference image is encoded later.

    Raises ConfigError for a model without styles, an unknown class or an unknown style.
    """
    bank = metadata.style_bank
    if metadata.model in ATTRIBUTE_MODELS:
        parse_attributes(style_options, metadata)
        return StyleChoice()
    if style_options.attributes:
        raise ConfigError(
            f"--attribute {style_options.attributes[0]}: {metadata.name} (model={metadata.model}) has no attributes.",
            "Remove it, or train with --preset vaegan or fader.",
        )
    if metadata.has_latent:
        check_latent_options(style_options, metadata)
        return StyleChoice()
    if bank is None:
        if style_options.first_option:
            _raise_no_styles(style_options, metadata)
        return StyleChoice()
    if style_options.reference_labels and style_options.reference_image is None:
        raise ConfigError("--style-labels needs --style-from.", "Set the photo: --style-from photo.png")
    if style_options.last_style is not None:
        raise ConfigError(
            f"--style-to: {metadata.name} has a style per object, not one per video.", "Remove --style-to."
        )
    object_clusters: dict[tuple[int, int], int] = {}
    class_clusters: dict[int, int] = {}
    for text in style_options.assignments:
        match = _STYLE_PATTERN.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"--style {text} is not CLASS=N or CLASS#OBJECT=N.", "Example: --style car=3; one car: --style car#2=3."
            )
        class_styles = _find_class(text, match[1], bank)
        cluster, num_clusters = int(match[3]), len(class_styles.centres)
        if not 1 <= cluster <= num_clusters:
            raise ConfigError(
                f"--style {text}: style {cluster} of {class_styles.name} does not exist; valid: 1 to {num_clusters}.",
                SHOW_STYLES_HINT,
            )
        if match[2] is None:
            class_clusters[class_styles.id] = cluster - 1
        else:
            object_clusters[class_styles.id, int(match[2])] = cluster - 1
    return StyleChoice(object_clusters=object_clusters, class_clusters=class_clusters, seed=style_options.seed)


def build_style_assigner(
    style_options: StyleOptions,
    metadata: CheckpointMetadata,
    generator: Generator | OnnxGenerator,
    *,
    runtime: Runtime,
    emit: EventHandler,
) -> StyleAssigner | None:
    """The style of each object; None for a model without styles.

    Raises the errors of `parse_styles`, of reading the reference image and of annotating it.
    """
    choice = parse_styles(style_options, metadata)
    if metadata.style_bank is None:
        return None
    if style_options.reference_image is not None:
        if isinstance(generator, OnnxGenerator):
            raise ConfigError(
                f"--style-from: {generator.path} has no style encoder; exported files have none.",
                "Use the .ckpt, or select styles with --style or --style-seed.",
            )
        files = reference_label_files(style_options, metadata)
        class_vectors = encode_reference_styles(
            style_options.reference_image, files, metadata, generator, runtime=runtime
        )
        class_names = {class_styles.id: class_styles.name for class_styles in metadata.style_bank.classes}
        matched_names = [class_names[class_id] for class_id in class_vectors if class_id in class_names]
        if not matched_names:
            raise ConfigError(
                f"--style-from {style_options.reference_image} shows none of the classes with styles in "
                f"{metadata.name}.",
                f"Use an image that shows one of {', '.join(class_names.values())}.",
            )
        emit(InfoEvent(f"styles of {', '.join(matched_names)} as in {style_options.reference_image}"))
        choice = replace(choice, class_vectors=class_vectors)
    return StyleAssigner(metadata.style_bank, choice)


def reference_label_files(style_options: StyleOptions, metadata: CheckpointMetadata) -> dict[str, dict[str, str]]:
    """Conditioner -> option -> file: the labels of the reference image.

    Raises ConfigError if they are missing, or given for a model that reads no labels.
    """
    conditioners = load_source_conditioners(metadata, {})
    index = label_conditioner_index(conditioners)
    label_conditioner = None if index is None else conditioners[index]
    files: dict[str, dict[str, str]] = {}
    for text in style_options.reference_labels:
        key, has_equals, value = text.partition("=")
        name, has_dot, option = key.partition(".")
        if has_equals and has_dot and "/" not in key:
            files.setdefault(name, {})[option] = value
        elif label_conditioner is not None and label_conditioner.input_option:
            files.setdefault(label_conditioner.spec.name, {})[label_conditioner.input_option] = text
        else:
            raise ConfigError(f"--style-labels {text}: {metadata.name} reads no labels.", "Remove --style-labels.")
    if label_conditioner is None or label_conditioner.has_detector:
        return files
    name = label_conditioner.spec.name
    if label_conditioner.input_option not in files.get(name, {}):
        raise ConfigError(
            f"--style-from {style_options.reference_image}: {metadata.name} needs the {name} of the image.",
            "Add --style-labels FILE with the label map of the image, in the format of the training labels.",
        )
    return files


@torch.inference_mode()
def encode_reference_styles(
    image_path: Path,
    files: Mapping[str, Mapping[str, str]],
    metadata: CheckpointMetadata,
    generator: Generator,
    *,
    runtime: Runtime,
) -> dict[int, Vectors]:
    """Class -> features (f,) of its largest object in an image, which is cropped like a source's frames."""
    encoder = generator.style_encoder
    if encoder is None or metadata.style_bank is None:
        return {}
    conditioners: Sequence[Conditioner] = load_source_conditioners(metadata, files)
    conditioner_index = label_conditioner_index(conditioners)
    if conditioner_index is not None:  # the other conditioners do not contribute to the objects
        conditioners = [conditioners[conditioner_index]]
        label_config = metadata.conditioners[conditioner_index]
        metadata = CheckpointMetadata.model_validate({**dict(metadata), "conditioners": (label_config,)})
    source = SourceVideo(image_path, open_source_reader(image_path, metadata), tuple(conditioners))
    retargeter = Retargeter(source, source.scan(ignore_events), metadata, retarget=False)
    annotated_frame = next(retargeter.retarget_shot(source.annotate()))
    if annotated_frame.cropped_frame is None or metadata.style_bank is None:
        return {}
    instance_reader = InstanceReader(conditioners, retargeter.views, metadata.style_bank.thing_class_ids)
    instances = torch.from_numpy(instance_reader(annotated_frame.annotations))[None, None]
    frames = frame_to_tensor(annotated_frame.cropped_frame)[None, None]
    with runtime.autocast():
        instance_features = pool_styles(
            encoder, ClipBatch(frames[:, :, :1], frames, instances=instances).to(runtime.device)
        )
    class_vectors: dict[int, Vectors] = {}
    class_ids = instance_class(instance_features.instance_ids.cpu().numpy()).tolist()
    for row in torch.argsort(instance_features.num_pixels).tolist():
        if class_ids[row] >= 0:
            class_vectors[class_ids[row]] = instance_features.means[row].cpu().numpy().astype(np.float64)
    return class_vectors


def _find_class(text: str, name: str, bank: StyleBank) -> ClassStyles:
    classes_by_name = {class_styles.name.casefold(): class_styles for class_styles in bank.classes}
    class_styles = classes_by_name.get(name.casefold())
    if class_styles is None:
        names = [class_styles.name for class_styles in bank.classes]
        raise ConfigError(
            f"--style {text}: no class {name!r} with styles.",
            suggest_names(name, names) or f"Classes with styles: {', '.join(names)}.",
        )
    return class_styles


def _raise_no_styles(style_options: StyleOptions, metadata: CheckpointMetadata) -> NoReturn:
    raise ConfigError(
        f"{style_options.first_option}: {metadata.name} was trained without styles.",
        f"Remove {style_options.first_option}, or train with --set style.feature_channels=3 (styles of objects) or "
        "--set model=bicyclegan (a style of the video).",
    )
