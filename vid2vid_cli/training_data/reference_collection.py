"""Collects the reference frames of a training: training frames that cover the different annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import Annotation, Conditioner, View, view_image
from vid2vid_cli.conditioning.annotation_json import (
    annotation_from_json,
    annotation_to_json,
    array_to_json,
    count_array_bytes,
)
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.core.checkpoint_header import damaged_error
from vid2vid_cli.core.errors import NotAVideoError
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.data.encoded_frames import EncodedFrames
from vid2vid_cli.data.linear_motion import LinearMotion
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.reference_descriptors import (
    Annotations,
    describe_annotations,
    farthest_points,
    with_points_of,
)
from vid2vid_cli.data.subject_masks import masks_from_json
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, ReferenceRecord
from vid2vid_cli.engine.weight_files import load_reference_frames
from vid2vid_cli.media.image_header import open_image
from vid2vid_cli.media.images import encode_jpeg

MAX_RECORD_BYTES = 20_000_000
"""Limit of the annotations in a `.ckpt`, whose header has at most 32 MB; two motion models and masks have 4 MB each."""
MAX_FRAMES_BYTES = 64_000_000
"""Limit of the images in a `.ckpt`."""
MAX_ANNOTATION_BYTES = 1 << 28
"""Limit of the annotations of all reference frames in memory."""
MAX_CANDIDATES = 3000
"""Largest number of training frames that are compared, spread over all of them."""
MAX_RESOLUTION_RATIO = 2.0
"""Resolution of the stored frames relative to the generated ones, if the dataset has it. At 1.4, where area averaging
and bilinear sampling average over one output pixel together, one reference is as sharp as a real frame, and the blend
of two is softer; at 2 the blend is as sharp."""


def collect_references(
    dataset: Dataset,
    conditioners: Sequence[Conditioner],
    view: View,
    ranges: Sequence[FrameRange],
    *,
    bank_size: int,
    num_per_frame: int,
    max_ratio: float = MAX_RESOLUTION_RATIO,
) -> ReferenceBank:
    """The bank of up to `bank_size` frames of `ranges`; `view` is the view of the generated frames.

    `max_ratio` limits the resolution of the stored frames relative to the generated ones.

    It has fewer frames if no more have different annotations, or if they would exceed the limits above.
    """
    frame_ids = [(r.clip_index, index) for r in ranges for index in range(r.start, r.stop)]
    candidates = [frame_ids[index] for index in evenly_spaced(len(frame_ids), MAX_CANDIDATES)]
    views = (view,) * len(conditioners)

    def load_annotations(frame_id: tuple[int, int]) -> Annotations:
        return tuple(dataset.load_annotation(*frame_id, c.spec.name) for c in conditioners)

    first_annotations = load_annotations(candidates[0])  # the points of other videos of the dataset can differ

    def describe(frame_id: tuple[int, int]) -> FloatArray:
        matched = map(with_points_of, load_annotations(frame_id), first_annotations)
        return describe_annotations(conditioners, tuple(matched), views)

    descriptors = np.stack([describe(frame_id) for frame_id in candidates])
    bank_view = enlarge_view(view, max_ratio)
    ranked_ids = [candidates[index] for index in farthest_points(descriptors, bank_size)]
    selected: dict[tuple[int, int], tuple[bytes, Annotations]] = {}
    num_image_bytes = num_record_bytes = num_array_bytes = 0
    for frame_id in ranked_ids:
        file = encode_jpeg(view_image(dataset.load_frame(*frame_id), bank_view))
        annotations = load_annotations(frame_id)
        num_image_bytes += len(file)
        num_record_bytes += sum(len(json.dumps(annotation_to_json(annotation))) for annotation in annotations)
        num_array_bytes += sum(map(count_array_bytes, annotations))
        is_full = (
            num_image_bytes > MAX_FRAMES_BYTES
            or num_record_bytes > MAX_RECORD_BYTES
            or num_array_bytes > MAX_ANNOTATION_BYTES
        )
        if is_full and len(selected) >= num_per_frame:
            break
        selected[frame_id] = file, annotations
    selected_ids = sorted(selected)
    return ReferenceBank(
        EncodedFrames([selected[frame_id][0] for frame_id in selected_ids]),
        tuple(selected[frame_id][1] for frame_id in selected_ids),
        tuple(conditioners),
        bank_view,
        view,
        num_per_frame,
        tuple(selected_ids),
        num_left_out=len(ranked_ids) - len(selected),
    )


def resolution_ratio(view: View) -> float:
    """Resolution of the dataset's frames relative to that of the view, from 1 to MAX_RESOLUTION_RATIO."""
    return min(max(1.0, 1.0 / view.scale), MAX_RESOLUTION_RATIO)


def enlarge_view(view: View, max_ratio: float = MAX_RESOLUTION_RATIO) -> View:
    """The same part of the dataset's frames at their resolution, but at most `max_ratio` times as large."""
    ratio = min(resolution_ratio(view), max_ratio)
    return view.resize(round(ratio * view.height), round(ratio * view.width))


def record_references(bank: ReferenceBank) -> ReferenceRecord:
    """The metadata of a bank in a checkpoint."""
    return ReferenceRecord(
        annotations=tuple(tuple(map(annotation_to_json, annotations)) for annotations in bank.annotations),
        file_sizes=bank.frames.file_sizes,
        view=bank.view.to_json(),
        motion=None if bank.motion is None else bank.motion.to_json(),
        common_motion=None if bank.common_motion is None else bank.common_motion.to_json(),
        subject_masks=None if bank.subject_masks is None else array_to_json(bank.subject_masks),
    )


def load_reference_bank(path: Path, metadata: CheckpointMetadata) -> ReferenceBank | None:
    """The bank of the checkpoint at `path`, or None if it has none. Raises TruncatedCheckpointError, PluginError."""
    if metadata.references is None:
        return None
    content = load_reference_frames(path)
    try:
        annotations = _load_annotations(metadata.references, (metadata.height, metadata.width))
        view = View.from_json(metadata.references.view)
        motion_data = metadata.references.motion
        motion = None if motion_data is None else LinearMotion.from_json(motion_data)
        frames = EncodedFrames.unpack(content, metadata.references.file_sizes)
        if len(frames) != len(annotations):
            raise ValueError(f"{len(annotations)} annotations of {len(frames)} frames")
        mask_data = metadata.references.subject_masks
        output_view = metadata.crop_view()
        masks = None if mask_data is None else masks_from_json(mask_data, len(frames), output_view)
    except ValueError as error:
        raise damaged_error(path, f"invalid metadata, references: {error}") from None
    for file in frames.files:  # before a frame is decoded, whose size memory depends on
        try:
            size = open_image(path, file).size
        except NotAVideoError as error:
            raise damaged_error(path, f"a reference frame is not an image ({error.message})") from None
        if size != (view.width, view.height):
            raise damaged_error(
                path, f"a reference frame has {size[0]}x{size[1]} pixels, not {view.width}x{view.height}"
            )
    return ReferenceBank(
        frames,
        annotations,
        load_conditioners([(conditioner.name, conditioner.options) for conditioner in metadata.conditioners]),
        view,
        output_view,
        metadata.generator.num_references,
        motion=motion,
        subject_masks=masks,
    )


def _load_annotations(record: ReferenceRecord, frame_size: tuple[int, int]) -> tuple[Annotations, ...]:
    """The annotations of all reference frames, which are in pixels of frames of `frame_size`. Raises ValueError."""
    num_bytes = 0

    def load(item: dict[str, Any]) -> Annotation:
        nonlocal num_bytes
        annotation = annotation_from_json(item, MAX_ANNOTATION_BYTES - num_bytes)
        if (annotation.height, annotation.width) != frame_size:
            raise ValueError(f"the annotation is for {annotation.width}x{annotation.height} pixels")
        num_bytes += count_array_bytes(annotation)
        return annotation

    return tuple(tuple(map(load, items)) for items in record.annotations)
