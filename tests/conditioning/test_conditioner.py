"""Subsampling of annotations for statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation, subsample
from vid2vid_cli.conditioning.registry import load_conditioner


class LazyClip(Sequence[Annotation]):
    """Annotations created on access; `height` is the index, and only `detected_indices` have a detection."""

    def __init__(self, detected_indices: Sequence[int], count: int) -> None:
        self.detected_indices, self.count, self.num_reads = set(detected_indices), count, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.count:
            raise IndexError(index)
        self.num_reads += 1
        return Annotation(index, 1, float(index in self.detected_indices))


def subsampled_indices(clip: LazyClip, max_samples: int) -> list[int]:
    return [annotation.height for annotation in subsample(clip, max_samples)]


def test_subsample_returns_all_of_a_short_clip() -> None:
    assert subsampled_indices(LazyClip(range(5), 5), 5) == [0, 1, 2, 3, 4]
    assert subsampled_indices(LazyClip([], 0), 5) == []


def test_subsample_is_evenly_spaced() -> None:
    clip = LazyClip(range(1001), 1001)
    assert subsampled_indices(clip, 5) == [0, 250, 500, 750, 1000]
    assert clip.num_reads == 5


def test_subsample_skips_missing_and_finds_rare_detections() -> None:
    assert subsampled_indices(LazyClip([2, 4], 5), 5) == [2, 4]
    assert subsampled_indices(LazyClip([250], 1001), 5) == [250]
    assert subsampled_indices(LazyClip([3, 700], 1001), 5) == [3, 700]
    assert subsampled_indices(LazyClip([], 1001), 5) == []


class LazyLabelMaps(Sequence[Annotation]):
    """A long clip of label maps: class 0, and class 1 at the right, which is a column wider on every tenth frame."""

    def __init__(self) -> None:
        self.num_reads = 0

    def __len__(self) -> int:
        return 5000

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        self.num_reads += 1
        labels = np.zeros((8, 20), np.uint8)
        labels[:, -5 - (index % 10 == 0) :] = 1
        return Annotation(8, 20, 1.0, images={"labels": labels, "edges": labels * 255, "iuv": labels[..., None]})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("labels", {"classes": "2", "format": "ids"}),
        ("segmentation", {"backend": "selfie"}),
        ("edges", {}),
        ("densepose", {}),
    ],
)
def test_statistics_of_long_clip_read_few_annotations(name: str, options: dict[str, str]) -> None:
    clip = LazyLabelMaps()
    statistics = load_conditioner(name, options).statistics(clip)
    assert clip.num_reads < 200
    share = statistics.get("edge_share") or list(statistics.get("class_shares", {1: 0.255}).values())[-1]
    if name == "segmentation":
        share = 1 - statistics["class_shares"]["background"]
    assert share == pytest.approx(0.255, abs=0.006)
    assert (statistics["height"], statistics["width"]) == (8, 20)
