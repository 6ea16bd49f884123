"""Which poses a dataset covers: where its footage is thin, a model has few frames to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Conditioner, View
from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.data.dataset import Dataset, valid_ranges
from vid2vid_cli.data.reference_descriptors import describe_annotations, descriptor_distances, with_points_of

MAX_FRAMES = 600
"""Evenly spaced frames that are compared with each other."""
MIN_GAP_SECONDS = 0.5
"""Frames that are nearer in time are not counted as another view of the same pose."""


@dataclass(frozen=True)
class PoseCoverage:
    """The poses of evenly spaced frames with a detection."""

    frames: tuple[tuple[int, int], ...]
    """Clip and index."""
    is_val: NDArray[np.bool_]
    distances: FloatArray
    """From the nearest other training frame, in the unit of `descriptor_distances`; infinite if there is none."""
    positions: FloatArray
    """(n, 2) the two main components of the descriptors."""


def measure_coverage(dataset: Dataset, conditioners: Sequence[Conditioner], view: View) -> PoseCoverage | None:
    """The coverage; None for fewer than three frames with a detection. `view` of the frames that are described."""
    names = [conditioner.spec.name for conditioner in conditioners]
    frames = [
        (clip_index, index, split == "val")
        for split in ("train", "val")
        for clip_index, start, stop in valid_ranges(dataset, names, "train" if split == "train" else "val")
        for index in range(start, stop)
    ]
    frames = frames[:: -(-len(frames) // MAX_FRAMES) or 1]
    if len(frames) < 3:
        return None
    descriptors = _describe(dataset, conditioners, [(clip, index) for clip, index, _ in frames], view)
    is_val = np.array([is_val for *_, is_val in frames])
    clips, indices = (np.array([frame[axis] for frame in frames]) for axis in (0, 1))
    min_gap = MIN_GAP_SECONDS * float(dataset.fps)
    distances = []
    for clip, index, descriptor in zip(clips, indices, descriptors, strict=True):
        is_other = ~is_val & ((clips != clip) | (np.abs(indices - index) >= min_gap))
        others = descriptor_distances(descriptors[is_other], descriptor)
        distances.append(float(others.min()) if len(others) else np.inf)
    return PoseCoverage(
        tuple((clip, index) for clip, index, _ in frames),
        is_val,
        np.array(distances, np.float32),
        _main_components(descriptors),
    )


def _describe(
    dataset: Dataset, conditioners: Sequence[Conditioner], frames: Sequence[tuple[int, int]], view: View
) -> FloatArray:
    """(n, d) descriptors; all have the points of the first frame."""
    views = (view,) * len(conditioners)
    rows, first = [], None
    for clip, index in frames:
        annotations = [dataset.load_annotation(clip, index, c.spec.name) for c in conditioners]
        first = annotations if first is None else first
        matched = [with_points_of(*pair) for pair in zip(annotations, first, strict=True)]
        rows.append(describe_annotations(conditioners, matched, views))
    return np.stack(rows)


def _main_components(descriptors: FloatArray) -> FloatArray:
    """(n, d) -> (n, 2) by principal component analysis; unknown values are replaced by the mean."""
    is_known = np.isfinite(descriptors)
    means = np.where(is_known, descriptors, 0).sum(0) / np.maximum(is_known.sum(0), 1)
    centred = np.where(is_known, descriptors - means, 0)
    left, scales, _ = np.linalg.svd(centred, full_matrices=False)
    components: FloatArray = np.zeros((len(descriptors), 2), np.float32)
    count = min(2, len(scales))
    components[:, :count] = left[:, :count] * scales[:count]
    return components
