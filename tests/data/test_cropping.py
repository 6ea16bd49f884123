"""Crop views stay inside the frame and have square pixels."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.core.geometry import View
from vid2vid_cli.data.cropping import crop_view

FRAME_SIZES = [(40, 56), (56, 40), (61, 97), (480, 480), (1080, 1920), (1920, 1080), (2, 300)]
OUTPUT_SIZES = [(24, 24), (24, 48), (64, 48), (61, 17)]
SUBJECT_BOXES = [
    None,
    (0, 0, 5, 5),
    (-50, -50, 10, 10),
    (10, 5, 30, 35),
    (-9, -9, 9999, 9999),
    (0.2, 0.2, 0.9, 0.9),
    (39, 39, 40, 40),
]


def view_box(view: View) -> tuple[float, float, float, float]:
    """The box of the frame that a view covers, in edge coordinates."""
    (sx, _, tx), (_, sy, ty) = view.matrix
    x0, y0 = (-0.5 - tx) / sx + 0.5, (-0.5 - ty) / sy + 0.5
    return x0, y0, x0 + view.width / sx, y0 + view.height / sy


@pytest.mark.parametrize(("height", "width"), FRAME_SIZES)
@pytest.mark.parametrize("output_size", OUTPUT_SIZES)
@pytest.mark.parametrize("subject_box", SUBJECT_BOXES)
@pytest.mark.parametrize("crop", ["subject", "center"])
def test_crop_view_is_inside_the_frame(
    height: int, width: int, output_size: tuple[int, int], subject_box: object, crop: object
) -> None:
    view = crop_view(height, width, output_size, crop, {"subject_box": subject_box})  # type: ignore[arg-type]
    x0, y0, x1, y1 = view_box(view)
    assert (view.height, view.width) == output_size
    assert x0 >= -1e-6
    assert y0 >= -1e-6
    assert x1 <= width + 1e-6
    assert y1 <= height + 1e-6
    assert np.isclose(view.matrix[0][0], view.matrix[1][1])


@pytest.mark.parametrize(
    ("output_size", "subject_box", "box"),
    [
        ((24, 24), (20, 30, 60, 50), (20, 20, 60, 60)),
        ((24, 24), (150, 70, 190, 100), (150, 60, 190, 100)),
        ((24, 24), (0, 0, 20, 10), (0, 0, 20, 20)),
        # Twice as wide as high: a square subject box is widened, a wide one is made higher.
        ((24, 48), (80, 40, 100, 60), (70, 40, 110, 60)),
        ((24, 48), (60, 45, 120, 55), (60, 35, 120, 65)),
        # Higher than wide: shifted down from the upper edge, and reduced if the frame is too low.
        ((48, 24), (100, 0, 130, 20), (100, 0, 130, 60)),
        ((48, 24), (80, 10, 160, 90), (95, 0, 145, 100)),
    ],
)
def test_crop_view_is_the_smallest_box_around_the_subject(
    output_size: tuple[int, int], subject_box: tuple[int, ...], box: tuple[int, ...]
) -> None:
    assert np.allclose(view_box(crop_view(100, 200, output_size, "subject", {"subject_box": subject_box})), box)


@pytest.mark.parametrize(
    ("output_size", "box"),
    [((24, 24), (50, 0, 150, 100)), ((24, 48), (0, 0, 200, 100)), ((24, 72), (0, 100 / 6, 200, 500 / 6))],
)
def test_crop_view_is_centred_without_subject(output_size: tuple[int, int], box: tuple[float, ...]) -> None:
    for crop, statistics in (
        ("subject", {}),
        ("center", {}),
        ("center", {"subject_box": (0, 0, 9, 9)}),
        ("subject", {"subject_box": None}),
    ):
        view = crop_view(100, 200, output_size, crop, statistics)  # type: ignore[arg-type]
        assert np.allclose(view_box(view), box)
