"""`styles show`: renders one frame of a checkpoint with every style of every class, as a contact sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from vid2vid_cli.conditioning import Annotation, Conditioner, View
from vid2vid_cli.conditioning.annotation_json import annotations_from_json
from vid2vid_cli.conditioning.combine import condition_image, load_conditioners
from vid2vid_cli.conditioning.instances import InstanceIds, InstanceReader, instance_class
from vid2vid_cli.core.checkpoint_header import damaged_error
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.core.paths import shorten_name
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.core.types import ClipReferences
from vid2vid_cli.data.clip_sampler import render_conditions
from vid2vid_cli.data.reference_selection import repeat_references
from vid2vid_cli.engine.events import EventHandler, ProgressEvent, WarningEvent
from vid2vid_cli.engine.inference import generate_clip, to_uint8_image
from vid2vid_cli.engine.style_bank import ClassStyles, StyleAssigner, StyleBank, StyleChoice
from vid2vid_cli.media.contact_sheet import contact_sheet
from vid2vid_cli.media.images import save_png
from vid2vid_cli.rendering.checkpoint_file import CheckpointFile, open_checkpoint
from vid2vid_cli.rendering.loaded_model import LoadedModel, load_model
from vid2vid_cli.rendering.output_path import choose_output_path
from vid2vid_cli.requests.measure import ShowStylesRequest
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint

NUM_CANDIDATE_FRAMES = 64
"""Frames of a dataset that are searched for the one with the most classes."""


@dataclass(frozen=True)
class ShowStylesResult:
    """The contact sheet, and for each class the number of training objects per style."""

    path: Path
    cluster_sizes: dict[str, tuple[int, ...]]


def show_styles(request: ShowStylesRequest, on_event: EventHandler) -> ShowStylesResult:
    """Write the contact sheet: a row for each class in the frame, a column for each of its styles.

    Raises ConfigError (a model without styles), DeviceError, DiskFullError, PermissionDeniedError and the errors of
    opening a dataset and a checkpoint.
    """
    checkpoint = open_checkpoint(request.checkpoint, "frames")
    bank = checkpoint.metadata.style_bank
    if bank is None:
        raise ConfigError(
            f"{checkpoint.metadata.name} was trained without styles.", "Train with --set style.feature_channels=3."
        )
    model = load_model(checkpoint, request.device, request.precision)
    conditioners, views, annotations = _choose_frame(request, checkpoint, bank)
    conditions = torch.from_numpy(render_conditions(conditioners, annotations, views))
    instance_ids = InstanceReader(conditioners, views, bank.thing_class_ids)(annotations)
    # A still clip: the first frames have no past.
    num_repeats = model.generator.past_frames + 1
    references = (
        None
        if model.reference_bank is None
        else repeat_references(model.reference_bank, annotations, views, num_repeats)
    )
    present_ids = set(np.unique(instance_class(instance_ids)).tolist())
    present_classes = [class_styles for class_styles in bank.classes if class_styles.id in present_ids]
    rows: list[list[ImageArray]] = [[condition_image(conditioners, annotations, views)]]
    labels = ["labels"]
    num_images, num_done = sum(len(class_styles.centres) for class_styles in present_classes), 0
    with closing(prefetch(_generate_images(model, conditions, instance_ids, present_classes, references))) as images:
        for class_styles in present_classes:
            rows.append([])
            for image in islice(images, len(class_styles.centres)):
                rows[-1].append(image)
                num_done += 1
                on_event(ProgressEvent("styles", num_done, num_images, "images"))
            sizes = ", ".join(map(str, class_styles.sizes))
            labels.append(f"{class_styles.name}: {sum(class_styles.sizes)} objects in training, {sizes}")
    absent_names = [class_styles.name for class_styles in bank.classes if class_styles not in present_classes]
    if absent_names:
        on_event(
            WarningEvent(f"the frame does not contain {', '.join(absent_names)}. Use other frames: --data DATASET")
        )
    titles = [str(1 + index) for index in range(max((len(row) for row in rows), default=1))]
    out = choose_output_path(
        request.out, Path(f"{shorten_name(model.metadata.name)}_styles.png"), overwrite=request.overwrite
    )
    save_png(out, contact_sheet(rows, labels=labels, titles=titles))
    return ShowStylesResult(out, {class_styles.name: class_styles.sizes for class_styles in bank.classes})


def _generate_images(
    model: LoadedModel,
    conditions: torch.Tensor,
    instance_ids: InstanceIds,
    classes: Sequence[ClassStyles],
    references: ClipReferences | None,
) -> Iterator[ImageArray]:
    """Yield one image (h, w, 3) per style of each class. To be iterated in a thread, as in `FrameRenderer`.

    In the main thread on a CPU whose cores other processes use, OpenMP's threads wait for each other in busy loops:
    an image took four times as long. With the main thread's pool beside that of the generator's thread, they sleep.
    """
    bank, num_repeats = model.metadata.style_bank, model.generator.past_frames + 1
    assert bank is not None
    for class_styles in classes:
        for cluster in range(len(class_styles.centres)):
            assigner = StyleAssigner(bank, StyleChoice(class_clusters={class_styles.id: cluster}))
            styled_conditions = torch.cat([conditions.float(), torch.from_numpy(assigner(instance_ids))])
            clip = styled_conditions.expand(1, num_repeats, -1, -1, -1)
            outputs = generate_clip(model.generator, clip, model.runtime, references=references)
            yield to_uint8_image(outputs[-1].image[0])


def _read_example_annotations(checkpoint: CheckpointFile, bank: StyleBank) -> list[Annotation]:
    """The annotations in the checkpoint. Raises TruncatedCheckpointError unless there is one for each conditioner."""
    if len(bank.example_annotations) != len(checkpoint.metadata.conditioners):
        raise damaged_error(checkpoint.path, f"it contains {len(bank.example_annotations)} example annotations")
    try:
        return annotations_from_json(bank.example_annotations)
    except ValueError as error:
        raise damaged_error(checkpoint.path, f"an example annotation cannot be read: {error}") from None


def _choose_frame(
    request: ShowStylesRequest, checkpoint: CheckpointFile, bank: StyleBank
) -> tuple[Sequence[Conditioner], tuple[View, ...], list[Annotation]]:
    """Conditioners, their views and the annotations of the frame: the one in the checkpoint, or one of the dataset."""
    metadata = checkpoint.metadata
    if request.data is None:
        conditioners = load_conditioners([(config.name, config.options) for config in metadata.conditioners])
        return (
            conditioners,
            (metadata.crop_view(),) * len(conditioners),
            _read_example_annotations(checkpoint, bank),
        )
    training_data = open_data_for_checkpoint(request.data, metadata, checkpoint.path)
    dataset = training_data.dataset
    frame_positions = [
        (frame_range.clip_index, index)
        for frame_range in dataset.frame_ranges()
        for index in range(frame_range.start, frame_range.stop)
    ]
    known_ids = {class_styles.id for class_styles in bank.classes}
    instance_reader = InstanceReader(training_data.conditioners, training_data.views, ())
    best_count, best_annotations = -1, list[Annotation]()
    for position in evenly_spaced(len(frame_positions), NUM_CANDIDATE_FRAMES):
        clip_index, index = frame_positions[position]
        annotations = [
            dataset.load_annotation(clip_index, index, conditioner.spec.name)
            for conditioner in training_data.conditioners
        ]
        num_classes = len(known_ids & set(np.unique(instance_class(instance_reader(annotations))).tolist()))
        if num_classes > best_count:
            best_count, best_annotations = num_classes, annotations
    return training_data.conditioners, training_data.views, best_annotations
