"""The face drawn as in NVIDIA/vid2vid: whole pixels of the frame, three city blocks per level."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.synthetic_faces import place_face, schematic_face
from vid2vid_landmarks.conditioner import LandmarkOptions, Landmarks
from vid2vid_landmarks.nvidia_drawing import _parabola_pixels, render_nvidia_condition
from vid2vid_landmarks.topology import FACE_CURVES

from vid2vid_cli.conditioning import Annotation, View

SIDE = 128
FULL_VIEW = View.from_box((0, 0, SIDE, SIDE), SIDE, SIDE)


def face() -> np.ndarray:
    return np.round(place_face(schematic_face(), SIDE / 4, SIDE / 2, SIDE / 2)).astype(np.float32)


def test_parabola_pixels_follow_the_parabola_in_whole_pixels() -> None:
    xs, ys = _parabola_pixels(np.array([[10.0, 20.0], [14.0, 24.0], [18.0, 20.0]]))
    assert (xs[0], xs[-1], len(xs)) == (10, 18, 8)
    expected = 24 - (np.linspace(10, 18, 8) - 14) ** 2 / 4
    assert np.array_equal(ys, (expected + 1e-6).astype(int))
    flat = _parabola_pixels(np.array([[10.0, 20.0], [14.0, 22.0], [18.0, 20.0]]))
    tall = _parabola_pixels(np.array([[20.0, 18.0], [22.0, 14.0], [20.0, 10.0]]))  # along y, in reverse order
    assert np.array_equal(tall, flat[::-1])
    assert _parabola_pixels(np.array([[0.0, 0.0], [5.0, 4.0], [4.0, -1.0]])) is None


def test_lines_are_two_pixels_wide_and_maps_count_city_blocks() -> None:
    points = np.full((68, 2), 60.0, dtype=np.float32)
    points[17:22] = np.column_stack([np.linspace(30, 70, 5), np.full(5, 40.0)])
    channels = render_nvidia_condition(points, None, FULL_VIEW, SIDE, SIDE)
    rows = np.flatnonzero((channels[0, :, 50] > 0) & (np.arange(SIDE) < 50))
    assert rows.tolist() == [39, 40]
    brow_channel = 1 + next(index for index, (part, _) in enumerate(FACE_CURVES) if part == "left_brow")
    for distance in (0, 1, 3, 8, 30):
        assert channels[brow_channel, 40 + distance, 50] == pytest.approx(2 * (distance // 3) / 255 - 1, abs=1e-6)
    corner_value = channels[brow_channel, 40 + 9, 70 + 9]  # 9 down and 9 right of its end: about 18 city blocks
    assert corner_value == pytest.approx(2 * 6 / 255 - 1, abs=2 * 1.01 / 255)


def test_distance_maps_are_ordered_by_curve_and_blank_without_face() -> None:
    conditioner = Landmarks(LandmarkOptions(drawing="published"))
    nvidia_channels = conditioner.render(Annotation(SIDE, SIDE, 1.0, {"face": face()}), FULL_VIEW)
    antialiased_channels = Landmarks(LandmarkOptions(iris=False)).render(
        Annotation(SIDE, SIDE, 1.0, {"face": face()}), FULL_VIEW
    )
    assert nvidia_channels.shape == antialiased_channels.shape == (15, SIDE, SIDE)
    for nvidia_map, antialiased_map in zip(nvidia_channels[1:], antialiased_channels[1:], strict=True):
        # Pixels on the curve in one map are near it in the other.
        assert antialiased_map[nvidia_map < -0.999].max() < -0.8
    empty_channels = conditioner.render(
        Annotation(SIDE, SIDE, 0.0, {"face": np.full((68, 2), np.nan, np.float32)}), FULL_VIEW
    )
    assert (empty_channels[0] == -1).all()
    assert (empty_channels[1:] == 1).all()


def triangle_filter(old_length: int, new_length: int) -> np.ndarray:
    """The matrix (new, old) of antialiased bilinear resampling: a triangle of at least one new pixel to each side."""
    scale = old_length / new_length
    centres = (np.arange(new_length)[:, None] + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(np.arange(old_length) + 0.5 - centres) / max(scale, 1))
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("box", "height", "width"),
    [
        ((0, 0, SIDE, SIDE), SIDE // 2, SIDE // 2),
        ((16, 8, 112, 104), 40, 56),
        ((16, 8, 112, 104), 150, 170),
        ((-8, 8, 112, 128), 60, 60),
        ((15.8, 8.3, 112.2, 103.9), 40, 56),
    ],
)
def test_condition_is_drawn_on_the_frame_then_cropped_and_resized(box: tuple, height: int, width: int) -> None:
    """The distance levels are those of the frame; a box is rounded to whole pixels, as the published boxes are."""
    full_image = (render_nvidia_condition(face(), None, FULL_VIEW, SIDE, SIDE) + 1) * 127.5
    channels = render_nvidia_condition(face(), None, View.from_box(box, height, width), SIDE, SIDE)
    x0, y0, x1, y1 = (round(edge) for edge in box)
    crop = np.pad(full_image, ((0, 0), (8, 8), (8, 8)), mode="edge")[:, y0 + 8 : y1 + 8, x0 + 8 : x1 + 8]
    expected = triangle_filter(y1 - y0, height) @ crop @ triangle_filter(x1 - x0, width).T
    assert channels.shape == (15, height, width)
    assert np.abs((channels + 1) * 127.5 - expected).max() < 1.5  # Pillow rounds after each axis


def test_condition_of_a_rotated_view_is_resampled() -> None:
    rotation = np.array([[0.96, -0.28, 10.0], [0.28, 0.96, -5.0]])
    channels = render_nvidia_condition(face(), None, FULL_VIEW.compose(rotation), SIDE, SIDE)
    assert (channels[0] > 0).any()


def test_background_edges_are_drawn_if_enabled() -> None:
    edges = np.zeros((SIDE, SIDE), np.uint8)
    edges[3] = 255
    annotation = Annotation(SIDE, SIDE, 1.0, {"face": face()}, {"background": edges})
    for is_enabled, value in ((True, 1.0), (False, -1.0)):
        options = LandmarkOptions(drawing="published", background_edges=is_enabled, distance_maps=False)
        assert (Landmarks(options).render(annotation, FULL_VIEW)[0, 3] == value).all()
