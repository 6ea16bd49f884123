"""The conditioner `none`: the contract, and the frame as its own condition."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import Annotation, View, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.data.dataset import Dataset, FrameRange, valid_ranges
from vid2vid_cli.testing import ConditionerContract


class TestNoneContract(ConditionerContract):
    name = "none"


def test_render_returns_the_frame_exactly() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    (annotation,) = load_conditioner("none").annotate(detect_cuts([frame]))
    channels = load_conditioner("none").render(annotation, View.from_box((0, 0, 20, 12), 12, 20))
    assert channels.shape == (3, 12, 20)
    assert np.abs((channels.transpose(1, 2, 0) + 1) * 127.5 - frame).max() < 1e-3


def test_render_of_an_empty_annotation_is_grey() -> None:
    channels = load_conditioner("none").render(Annotation(12, 20, 0.0), View.from_box((0, 0, 20, 12), 12, 20))
    assert np.abs(channels).max() < 0.01


def test_every_dataset_provides_its_frames_as_annotations(dataset: Path) -> None:
    """Also one that was prepared with another conditioner."""
    opened = Dataset(dataset)
    annotation = opened.load_annotation(0, 3, "none")
    assert np.array_equal(annotation.images["frame"], opened.load_frame(0, 3))
    assert annotation.quality == 1
    spans = opened.frame_ranges("train")
    assert valid_ranges(opened, ["none"], "train") == [FrameRange(*span) for span in spans]
