"""The edges plugin: the contract, and thresholds that follow the footage without flickering."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from vid2vid_edges.edge_detection import Steady

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.media.synthetic import drawn_clip, drawn_face
from vid2vid_cli.testing import ConditionerContract

METHODS = ("canny", "scharr", "sobel", "log", "xdog")


class TestCanny(ConditionerContract):
    name = "edges"
    other_options: ClassVar = {"method": "xdog"}


class TestSoft(ConditionerContract):
    name = "edges"
    options: ClassVar = {"method": "scharr", "sigma": "2"}
    other_options: ClassVar = {"steady": "0"}


def annotate(frames: list[Any], **options: object) -> list[Annotation]:
    return list(load_conditioner("edges", options).annotate(frames))


def square(contrast: int, shift: int = 0) -> Any:
    frame = np.full((64, 96, 3), 128 - contrast // 2, np.uint8)
    frame[16:48, 20 + shift : 70 + shift] = 128 + (contrast + 1) // 2
    return frame


@pytest.mark.parametrize("method", METHODS)
def test_edges_lie_on_the_outline(method: str) -> None:
    (one,) = annotate([square(120)], method=method)
    strong = one.images["edges"] >= 128
    near = np.zeros((64, 96), bool)
    near[12:52, 16:74] = True
    near[20:44, 24:66] = False
    assert strong.any()
    assert not (strong & ~near).any()


@pytest.mark.parametrize("method", METHODS)
def test_thresholds_adapt_to_contrast(method: str) -> None:
    faint, clear = (annotate([square(contrast)], method=method)[0].images["edges"] for contrast in (40, 200))
    assert (faint >= 128).sum() > 0.8 * (clear >= 128).sum() > 0


@pytest.mark.parametrize("threshold", ["otsu", "median"])
def test_canny_lines_are_binary_and_thin(threshold: str) -> None:
    (one,) = annotate([drawn_face(240, 320)], threshold=threshold)
    edges = one.images["edges"]
    assert set(np.unique(edges)) == {0, 255}
    assert 0.005 < (edges > 0).mean() < 0.15
    assert one.quality > 0.5


def test_strength_gives_more_lines() -> None:
    frame = drawn_clip(1)[0]
    few, many = (annotate([frame], strength=strength)[0] for strength in (0.5, 2.0))
    assert (many.images["edges"] > 0).sum() > 1.2 * (few.images["edges"] > 0).sum()


def test_a_flash_does_not_flip_the_threshold_and_a_cut_does() -> None:
    steady = Steady(0.8)
    levels = [steady(value) for value in (20, 20, 200, 20, 20)]
    assert levels[0] == 20
    assert max(levels) < 24
    assert steady(200) < 30
    assert steady(200) == 200, "the second frame of a new level is a new scene"
    assert steady(50, cut=True) == 50


def test_flicker_is_damped() -> None:
    flicker = [20 * (1 + 0.05 * (-1) ** i) for i in range(40)]
    steady, own = Steady(0.9), Steady(0.0)
    assert np.ptp([steady(value) for value in flicker][20:]) < 0.2 * np.ptp([own(value) for value in flicker])


def test_thin_lines_survive_shrinking() -> None:
    edges = np.zeros((256, 256), np.uint8)
    edges[:, 100] = 255
    one = Annotation(256, 256, 1.0, images={"edges": edges})
    channels = load_conditioner("edges").render(one, View.of_box((0, 0, 256, 256), 64, 64))
    assert channels[0, :, 25].min() > 0.9
    assert channels[0, :, :24].max() == -1
