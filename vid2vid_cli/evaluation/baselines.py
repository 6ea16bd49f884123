"""Baselines that a model must surpass: real frames in place of generated ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vid2vid_cli.conditioning import Annotation, view_image
from vid2vid_cli.data.dataset import FrameRange, Split, valid_ranges
from vid2vid_cli.data.encoded_frames import EncodedFrames
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.reference_descriptors import describe_annotations, descriptor_distances
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.events import EventHandler, FrameProgress, InfoEvent
from vid2vid_cli.networks.reference_blend import upsample_positions
from vid2vid_cli.training_data.reference_collection import enlarge_view
from vid2vid_cli.training_data.training_data import TrainingData

NEAREST: Final = "nearest"
NEAREST_ALIGNED: Final = "nearest_aligned"
COPY_LAST: Final = "copy_last"
ALIGNED_RESOLUTION_RATIO = 1.4
"""Resolution of the frames that are aligned: bilinear samples of larger ones skip pixels, which counts as sharpness."""
FrameId = tuple[int, int]
"""Clip and index in the dataset."""


def list_frames(frame_ranges: Sequence[FrameRange]) -> list[FrameId]:
    """All frames of the ranges."""
    return [(clip_index, index) for clip_index, start, stop in frame_ranges for index in range(start, stop)]


def list_training_frames(training_data: TrainingData) -> list[FrameId]:
    """The training frames of the dataset that have a detection of every conditioner."""
    names = [conditioner.spec.name for conditioner in training_data.conditioners]
    return list_frames(valid_ranges(training_data.dataset, names, "train"))


def find_nearest_frames(
    training_data: TrainingData,
    frames: Sequence[FrameId],
    candidates: Sequence[FrameId],
    on_frame: Callable[[], None] = lambda: None,
) -> dict[FrameId, FrameId]:
    """For each of `frames` the candidate with the nearest annotations, see `Conditioner.describe`.

    Annotations are read one by one, and no image is loaded. `on_frame` is called for each of `frames` and `candidates`.
    """

    def describe(frame_id: FrameId) -> np.ndarray:
        on_frame()
        return describe_annotations(
            training_data.conditioners, _load_annotations(training_data, frame_id), training_data.views
        )

    descriptors = np.stack([describe(frame_id) for frame_id in frames])
    smallest_distances = np.full(len(frames), np.inf)
    nearest = np.zeros(len(frames), dtype=np.int64)
    for index, candidate in enumerate(candidates):
        distances = descriptor_distances(descriptors, describe(candidate))
        is_nearer = distances < smallest_distances
        nearest[is_nearer], smallest_distances[is_nearer] = index, distances[is_nearer]
    return {frame_id: candidates[index] for frame_id, index in zip(frames, nearest.tolist(), strict=True)}


def find_baselines(
    training_data: TrainingData, frame_ranges: Sequence[FrameRange], *, split: Split, emit: EventHandler
) -> Baselines:
    """The baselines for ranges of a split. An InfoEvent names what is left out, and why."""
    left_out = f"the baselines {NEAREST} and {NEAREST_ALIGNED} are left out"
    if split != "val":
        emit(InfoEvent(f"{left_out}: the measured frames are training frames themselves (--split {split})"))
        return Baselines(training_data, {})
    candidates = list_training_frames(training_data)
    if not candidates:
        emit(InfoEvent(f"{left_out}: {training_data.dataset.folder} has no training frames"))
        return Baselines(training_data, {})
    frames = list_frames(frame_ranges)
    progress = FrameProgress("nearest frames", len(frames) + len(candidates), emit)
    return Baselines(training_data, find_nearest_frames(training_data, frames, candidates, progress.advance))


class Baselines:
    """The images of the baselines for the clips of a dataset. Frames are loaded when they are needed."""

    def __init__(self, training_data: TrainingData, nearest: Mapping[FrameId, FrameId]) -> None:
        """`nearest`: the result of `find_nearest_frames`; {} leaves out both baselines of training frames."""
        self._training_data, self._nearest = training_data, nearest
        self.has_nearest = bool(nearest)
        self.can_align = any(
            annotation.points
            for frame_id in list(nearest)[:1]
            for annotation in _load_annotations(training_data, frame_id)
        )
        """Whether the annotations contain points."""

    def iterate_images(self, frame_range: FrameRange, real_frames: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield name and images (t, 3, h, w) of each baseline, for the real frames (t, 3, h, w) of a range.

        NEAREST: the training frame with the nearest annotations. NEAREST_ALIGNED: that frame, moved by the points of
        the annotations (see `align_points`) and sampled once; left out for annotations without points. COPY_LAST: the
        real frame before each frame; the first frame of a clip has none and is left out.
        """
        if self.has_nearest:
            yield NEAREST, self.nearest_images(frame_range)
        if self.can_align:
            aligned_frames = [self._load_aligned_frame(i, self._nearest[i]) for i in list_frames([frame_range])]
            yield NEAREST_ALIGNED, torch.stack(aligned_frames)
        last_frames = real_frames[:-1]
        if frame_range.start > 0:
            frame_before = self._load_frame((frame_range.clip_index, frame_range.start - 1))
            last_frames = torch.cat([frame_before[None], last_frames])
        if len(last_frames):
            yield COPY_LAST, last_frames

    def nearest_images(self, frame_range: FrameRange) -> Tensor:
        """The images (t, 3, h, w) of NEAREST."""
        return torch.stack([self._load_frame(self._nearest[frame_id]) for frame_id in list_frames([frame_range])])

    @property
    def num_training_rows(self) -> int:
        """Number of baselines whose images are training frames."""
        return self.has_nearest + self.can_align

    def count_images(self, frame_range: FrameRange) -> int:
        """Number of images that `iterate_images` yields for a range."""
        num_copied_frames = frame_range.num_frames - (frame_range.start == 0)
        return self.num_training_rows * frame_range.num_frames + num_copied_frames

    def _load_frame(self, frame_id: FrameId) -> Tensor:
        frame = self._training_data.dataset.load_frame(*frame_id)
        return frame_to_tensor(view_image(frame, self._training_data.view))

    def _load_aligned_frame(self, frame_id: FrameId, nearest_id: FrameId) -> Tensor:
        """The frame `nearest_id`, aligned with the annotations of `frame_id`."""
        data, view = self._training_data, self._training_data.view
        bank_view = enlarge_view(view, ALIGNED_RESOLUTION_RATIO)
        frame = view_image(data.dataset.load_frame(*nearest_id), bank_view)
        annotations = _load_annotations(data, nearest_id)
        bank = ReferenceBank(EncodedFrames([]), (annotations,), data.conditioners, bank_view, view, num_per_frame=1)
        positions = bank.align([0], _load_annotations(data, frame_id), data.views, view)[0].positions
        grid = upsample_positions(torch.from_numpy(positions)[None], view.height, view.width)
        image = frame_to_tensor(frame)[None]
        return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=True)[0]


def _load_annotations(training_data: TrainingData, frame_id: FrameId) -> tuple[Annotation, ...]:
    """The annotations of all conditioners for a frame."""
    return tuple(training_data.dataset.load_annotation(*frame_id, c.spec.name) for c in training_data.conditioners)


def report_baselines(
    baselines: Baselines, training_data: TrainingData, metadata: CheckpointMetadata, emit: EventHandler
) -> None:
    """An InfoEvent if the training frames are not those of the checkpoint, or cannot be aligned."""
    if not baselines.has_nearest:
        return
    manifest = training_data.dataset.manifest
    name, height, width = metadata.training.get("dataset", "unknown"), metadata.height, metadata.width
    if (name, height, width) != (manifest.name, manifest.height, manifest.width):
        emit(
            InfoEvent(
                f"the checkpoint was trained on another dataset ({name}, {width}x{height}): the baseline {NEAREST} "
                f"uses the training frames of {training_data.dataset.folder}"
            )
        )
    if not baselines.can_align:
        emit(InfoEvent(f"the baseline {NEAREST_ALIGNED} is left out: the annotations contain no points"))
