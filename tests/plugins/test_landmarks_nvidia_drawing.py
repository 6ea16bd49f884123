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
    conditioner = Landmarks(LandmarkOptions(drawing="vid2vid"))
    nvidia_channels = conditioner.render(Annotation(SIDE, SIDE, 1.0, {"face": face()}), FULL_VIEW)
    antialiased_channels = Landmarks().render(Annotation(SIDE, SIDE, 1.0, {"face": face()}), FULL_VIEW)
    assert nvidia_channels.shape == antialiased_channels.shape == (15, SIDE, SIDE)
    for nvidia_map, antialiased_map in zip(nvidia_channels[1:], antialiased_channels[1:], strict=True):
        # Pixels on the curve in one map are near it in the other.
        assert antialiased_map[nvidia_map < -0.999].max() < -0.8
    empty_channels = conditioner.render(
        Annotation(SIDE, SIDE, 0.0, {"face": np.full((68, 2), np.nan, np.float32)}), FULL_VIEW
    )
    assert (empty_channels[0] == -1).all()
    assert (empty_channels[1:] == 1).all()


def test_condition_is_drawn_on_the_frame_then_resized() -> None:
    """At half size the lines are half as wide and the distance levels those of the frame."""
    full_channels = render_nvidia_condition(face(), None, FULL_VIEW, SIDE, SIDE)
    half_channels = render_nvidia_condition(
        face(), None, View.from_box((0, 0, SIDE, SIDE), SIDE // 2, SIDE // 2), SIDE, SIDE
    )
    averaged = full_channels.reshape(15, SIDE // 2, 2, SIDE // 2, 2).mean((2, 4))
    assert np.abs(half_channels - averaged).max() < 2.1 / 255


def test_background_edges_are_drawn_if_enabled() -> None:
    edges = np.zeros((SIDE, SIDE), np.uint8)
    edges[3] = 255
    annotation = Annotation(SIDE, SIDE, 1.0, {"face": face()}, {"background": edges})
    for is_enabled, value in ((True, 1.0), (False, -1.0)):
        options = LandmarkOptions(drawing="vid2vid", background_edges=is_enabled, distance_maps=False)
        assert (Landmarks(options).render(annotation, FULL_VIEW)[0, 3] == value).all()
