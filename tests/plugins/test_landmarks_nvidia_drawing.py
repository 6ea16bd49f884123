"""The face drawn as vid2vid's own networks saw it: whole pixels of the frame, three city blocks to a level."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.synthetic_faces import place, schematic
from vid2vid_landmarks.conditioner import LandmarkOptions, Landmarks
from vid2vid_landmarks.nvidia_drawing import _piece, channels
from vid2vid_landmarks.topology import CURVES

from vid2vid_cli.conditioning import Annotation, View

SIDE = 128
WHOLE = View.of_box((0, 0, SIDE, SIDE), SIDE, SIDE)


def face() -> np.ndarray:
    return np.round(place(schematic(), SIDE / 4, SIDE / 2, SIDE / 2)).astype(np.float32)


def test_a_piece_is_a_parabola_through_its_points_in_whole_pixels() -> None:
    xs, ys = _piece(np.array([[10.0, 20.0], [14.0, 24.0], [18.0, 20.0]]))
    assert (xs[0], xs[-1], len(xs)) == (10, 18, 8)
    wanted = 24 - (np.linspace(10, 18, 8) - 14) ** 2 / 4
    assert np.array_equal(ys, (wanted + 1e-6).astype(int))
    flat = _piece(np.array([[10.0, 20.0], [14.0, 22.0], [18.0, 20.0]]))
    tall = _piece(np.array([[20.0, 18.0], [22.0, 14.0], [20.0, 10.0]]))  # along y, and whichever way round
    assert np.array_equal(tall, flat[::-1])
    assert _piece(np.array([[0.0, 0.0], [5.0, 4.0], [4.0, -1.0]])) is None


def test_lines_are_two_pixels_wide_and_maps_count_city_blocks() -> None:
    points = np.full((68, 2), 60.0, dtype=np.float32)
    points[17:22] = np.column_stack([np.linspace(30, 70, 5), np.full(5, 40.0)])
    found = channels(points, None, WHOLE, SIDE, SIDE)
    rows = np.flatnonzero((found[0, :, 50] > 0) & (np.arange(SIDE) < 50))
    assert rows.tolist() == [39, 40]
    brow = 1 + next(index for index, (part, _) in enumerate(CURVES) if part == "left_brow")
    for below in (0, 1, 3, 8, 30):
        assert found[brow, 40 + below, 50] == pytest.approx(2 * (below // 3) / 255 - 1, abs=1e-6)
    corner = found[brow, 40 + 9, 70 + 9]  # nine down and nine to the right of its end: eighteen blocks or so
    assert corner == pytest.approx(2 * 6 / 255 - 1, abs=2 * 1.01 / 255)


def test_every_curve_has_its_map_in_order_and_without_a_face_there_is_none() -> None:
    conditioner = Landmarks(LandmarkOptions(drawing="vid2vid"))
    made = conditioner.render(Annotation(SIDE, SIDE, 1.0, {"face": face()}), WHOLE)
    smooth = Landmarks().render(Annotation(SIDE, SIDE, 1.0, {"face": face()}), WHOLE)
    assert made.shape == smooth.shape == (15, SIDE, SIDE)
    for mine, other in zip(made[1:], smooth[1:], strict=True):
        assert other[mine < -0.999].max() < -0.8  # where one lies on the curve the other lies near it
    nobody = conditioner.render(Annotation(SIDE, SIDE, 0.0, {"face": np.full((68, 2), np.nan, np.float32)}), WHOLE)
    assert (nobody[0] == -1).all()
    assert (nobody[1:] == 1).all()


def test_it_is_drawn_on_the_frame_and_then_resized() -> None:
    """At half the size lines are half as wide, and distances as many levels as on the frame."""
    whole = channels(face(), None, WHOLE, SIDE, SIDE)
    half = channels(face(), None, View.of_box((0, 0, SIDE, SIDE), SIDE // 2, SIDE // 2), SIDE, SIDE)
    mean = whole.reshape(15, SIDE // 2, 2, SIDE // 2, 2).mean((2, 4))
    assert np.abs(half - mean).max() < 2.1 / 255


def test_background_edges_are_drawn_where_they_are_wanted() -> None:
    edges = np.zeros((SIDE, SIDE), np.uint8)
    edges[3] = 255
    annotation = Annotation(SIDE, SIDE, 1.0, {"face": face()}, {"background": edges})
    for wanted, value in ((True, 1.0), (False, -1.0)):
        options = LandmarkOptions(drawing="vid2vid", background_edges=wanted, distance_maps=False)
        assert (Landmarks(options).render(annotation, WHOLE)[0, 3] == value).all()
