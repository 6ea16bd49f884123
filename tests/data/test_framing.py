"""The square a model sees lies inside the frame, whatever the shape of either."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.core.geometry import View
from vid2vid_cli.data.framing import frame_view

FRAMES = [(40, 56), (56, 40), (61, 97), (480, 480), (1080, 1920), (1920, 1080), (2, 300)]
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
@pytest.mark.parametrize("focus", FOCI)
@pytest.mark.parametrize("crop", ["focus", "whole"])
def test_no_part_lies_outside(height: int, width: int, focus: object, crop: object) -> None:
    view = frame_view(height, width, 24, crop, {"focus": focus})  # type: ignore[arg-type]
    x0, y0, x1, y1 = corners(view)
    assert (view.height, view.width) == (24, 24)
    assert x0 >= -1e-6
    assert y0 >= -1e-6
    assert x1 <= width + 1e-6
    assert y1 <= height + 1e-6
    assert np.isclose(x1 - x0, y1 - y0)


def test_the_focus_is_inside_where_it_fits() -> None:
    assert np.allclose(corners(frame_view(100, 200, 24, "focus", {"focus": (20, 30, 60, 50)})), (20, 20, 60, 60))
    assert np.allclose(corners(frame_view(100, 200, 24, "focus", {"focus": (150, 70, 190, 100)})), (150, 60, 190, 100))
    assert np.allclose(corners(frame_view(100, 200, 24, "focus", {"focus": (0, 0, 20, 10)})), (0, 0, 20, 20))


def test_the_centre_without_a_focus_or_where_it_is_not_wanted() -> None:
    for crop, statistics in (
        ("focus", {}),
        ("whole", {}),
        ("whole", {"focus": (0, 0, 9, 9)}),
        ("focus", {"focus": None}),
    ):
        view = frame_view(100, 200, 24, crop, statistics)  # type: ignore[arg-type]
        assert np.allclose(corners(view), (50, 0, 150, 100))
