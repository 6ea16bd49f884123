"""What a model sees lies inside the frame, whatever the shape of either, and its pixels are square."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.core.geometry import View
from vid2vid_cli.data.cropping import frame_view

FRAMES = [(40, 56), (56, 40), (61, 97), (480, 480), (1080, 1920), (1920, 1080), (2, 300)]
PICTURES = [(24, 24), (24, 48), (64, 48), (61, 17)]
FOCI = [
    None,
    (0, 0, 5, 5),
    (-50, -50, 10, 10),
    (10, 5, 30, 35),
    (-9, -9, 9999, 9999),
    (0.2, 0.2, 0.9, 0.9),
    (39, 39, 40, 40),
]


def corners(view: View) -> tuple[float, float, float, float]:
    """The box of the frame that a view shows, in edge coordinates."""
    (sx, _, tx), (_, sy, ty) = view.matrix
    x0, y0 = (-0.5 - tx) / sx + 0.5, (-0.5 - ty) / sy + 0.5
    return x0, y0, x0 + view.width / sx, y0 + view.height / sy


@pytest.mark.parametrize(("height", "width"), FRAMES)
@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("focus", FOCI)
@pytest.mark.parametrize("crop", ["focus", "whole"])
def test_no_part_lies_outside(height: int, width: int, picture: tuple[int, int], focus: object, crop: object) -> None:
    view = frame_view(height, width, picture, crop, {"focus": focus})  # type: ignore[arg-type]
    x0, y0, x1, y1 = corners(view)
    assert (view.height, view.width) == picture
    assert x0 >= -1e-6
    assert y0 >= -1e-6
    assert x1 <= width + 1e-6
    assert y1 <= height + 1e-6
    assert np.isclose(view.matrix[0][0], view.matrix[1][1])


@pytest.mark.parametrize(
    ("picture", "focus", "box"),
    [
        ((24, 24), (20, 30, 60, 50), (20, 20, 60, 60)),
        ((24, 24), (150, 70, 190, 100), (150, 60, 190, 100)),
        ((24, 24), (0, 0, 20, 10), (0, 0, 20, 20)),
        # Twice as wide as high: around a square focus it grows to both sides, around a wide one up and down.
        ((24, 48), (80, 40, 100, 60), (70, 40, 110, 60)),
        ((24, 48), (60, 45, 120, 55), (60, 35, 120, 65)),
        # Higher than wide, shifted down from the edge above, and shrunk where the frame is not that high.
        ((48, 24), (100, 0, 130, 20), (100, 0, 130, 60)),
        ((48, 24), (80, 10, 160, 90), (95, 0, 145, 100)),
    ],
)
def test_the_smallest_box_around_the_focus(
    picture: tuple[int, int], focus: tuple[int, ...], box: tuple[int, ...]
) -> None:
    assert np.allclose(corners(frame_view(100, 200, picture, "focus", {"focus": focus})), box)


@pytest.mark.parametrize(
    ("picture", "box"),
    [((24, 24), (50, 0, 150, 100)), ((24, 48), (0, 0, 200, 100)), ((24, 72), (0, 100 / 6, 200, 500 / 6))],
)
def test_the_middle_without_a_focus_or_where_it_is_not_wanted(picture: tuple[int, int], box: tuple[float, ...]) -> None:
    for crop, statistics in (
        ("focus", {}),
        ("whole", {}),
        ("whole", {"focus": (0, 0, 9, 9)}),
        ("focus", {"focus": None}),
    ):
        view = frame_view(100, 200, picture, crop, statistics)  # type: ignore[arg-type]
        assert np.allclose(corners(view), box)
