"""The edges plugin: the contract, adaptive thresholds and their smoothing."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from vid2vid_edges.edge_detection import ThresholdSmoother

from vid2vid_cli.conditioning import Annotation, View, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.media.synthetic import synthetic_clip, synthetic_face
from vid2vid_cli.testing import ConditionerContract

METHODS = ("canny", "scharr", "sobel", "log", "xdog")


class TestCannyContract(ConditionerContract):
    name = "edges"
    alternative_options: ClassVar = {"method": "xdog"}


class TestScharrContract(ConditionerContract):
    name = "edges"
    options: ClassVar = {"method": "scharr", "sigma": "2"}
    alternative_options: ClassVar = {"smoothing": "0"}


def annotate(frames: list[Any], **options: object) -> list[Annotation]:
    return list(load_conditioner("edges", options).annotate(detect_cuts(frames)))


def square_frame(contrast: int, shift: int = 0) -> Any:
    frame = np.full((64, 96, 3), 128 - contrast // 2, np.uint8)
    frame[16:48, 20 + shift : 70 + shift] = 128 + (contrast + 1) // 2
    return frame


@pytest.mark.parametrize("method", METHODS)
def test_annotate_edges_lie_on_the_outline(method: str) -> None:
    (annotation,) = annotate([square_frame(120)], method=method)
    is_edge = annotation.images["edges"] >= 128
    near_outline = np.zeros((64, 96), bool)
    near_outline[12:52, 16:74] = True
    near_outline[20:44, 24:66] = False
    assert is_edge.any()
    assert not (is_edge & ~near_outline).any()


@pytest.mark.parametrize("method", METHODS)
def test_annotate_thresholds_adapt_to_contrast(method: str) -> None:
    low_contrast_edges, high_contrast_edges = (
        annotate([square_frame(contrast)], method=method)[0].images["edges"] for contrast in (40, 200)
    )
    assert (low_contrast_edges >= 128).sum() > 0.8 * (high_contrast_edges >= 128).sum() > 0


@pytest.mark.parametrize("auto_threshold", ["otsu", "median"])
def test_canny_lines_are_binary_and_thin(auto_threshold: str) -> None:
    (annotation,) = annotate([synthetic_face(240, 320)], auto_threshold=auto_threshold)
    edges = annotation.images["edges"]
    assert set(np.unique(edges)) == {0, 255}
    assert 0.005 < (edges > 0).mean() < 0.15
    assert annotation.quality > 0.5


def test_higher_sensitivity_gives_more_edges() -> None:
    frame = synthetic_clip(1)[0]
    few, many = (annotate([frame], sensitivity=sensitivity)[0] for sensitivity in (0.5, 2.0))
    assert (many.images["edges"] > 0).sum() > 1.2 * (few.images["edges"] > 0).sum()


def test_threshold_smoother_clamps_flash_and_resets_at_cut() -> None:
    smoother = ThresholdSmoother(0.8)
    levels = [smoother(level) for level in (20, 20, 200, 20, 20)]
    assert levels[0] == 20
    assert max(levels) < 24
    assert smoother(200) < 30
    assert smoother(200) == 200, "the second outlier resets the smoother"
    assert smoother(50, is_cut=True) == 50


def test_threshold_smoother_reduces_flicker() -> None:
    levels = [20 * (1 + 0.05 * (-1) ** i) for i in range(40)]
    smoother, no_smoother = ThresholdSmoother(0.9), ThresholdSmoother(0.0)
    smoothed = [smoother(level) for level in levels]
    assert np.ptp(smoothed[20:]) < 0.2 * np.ptp([no_smoother(level) for level in levels])


def test_render_keeps_thin_lines_when_downscaling() -> None:
    edges = np.zeros((256, 256), np.uint8)
    edges[:, 100] = 255
    annotation = Annotation(256, 256, 1.0, images={"edges": edges})
    channels = load_conditioner("edges").render(annotation, View.from_box((0, 0, 256, 256), 64, 64))
    assert channels[0, :, 25].min() > 0.9
    assert channels[0, :, :24].max() == -1
