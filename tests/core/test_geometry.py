"""A view maps pixel centres, and boxes by their edges."""

from __future__ import annotations

import numpy as np

from vid2vid_cli.core.geometry import View


def test_a_box_fills_the_picture() -> None:
    view = View.of_box((10, 20, 30, 60), 80, 20)
    # The centre of the box's first pixel is half a pixel inside its edge, and scale is (1, 2).
    assert np.allclose(view.points(np.array([[10.0, 20.0], [29.0, 59.0]])), [[0, 0.5], [19, 78.5]])
    assert np.isclose(view.scale, np.sqrt(2.0))


def test_the_whole_frame_at_its_own_size_is_the_identity() -> None:
    view = View.of_box((0, 0, 97, 61), 61, 97)
    points = np.array([[0.0, 0.0], [96.0, 60.0], [3.5, 7.25]])
    assert np.allclose(view.points(points), points)


def test_lost_points_stay_lost() -> None:
    seen = View.of_box((0, 0, 10, 10), 20, 20).points(np.array([[np.nan, np.nan], [1.0, 1.0]]))
    assert np.isnan(seen[0]).all()
    assert np.isfinite(seen[1]).all()


def test_then_is_applied_after() -> None:
    view = View.of_box((0, 0, 10, 10), 20, 20)
    turned = view.then(np.array([[0.0, -1.0, 19.0], [1.0, 0.0, 0.0]]))
    points = np.array([[2.0, 3.0], [7.0, 1.0]])
    x, y = view.points(points).T
    assert np.allclose(turned.points(points), np.stack([19 - y, x], 1), atol=1e-5)
    assert (turned.height, turned.width) == (20, 20)


def test_json_round_trip() -> None:
    view = View.of_box((1.25, 2, 30.5, 40), 64, 48)
    assert View.from_json(view.to_json()) == view


def test_the_mirrored_view_shows_the_mirrored_picture() -> None:
    """Of a turned and shifted view of a frame 97 pixels wide, as of an upright one: x becomes 39 - x of 40."""
    turned = View(((0.5, 0.2, 3.0), (-0.1, 0.7, -2.0)), 30, 40)
    points = np.array([[0.0, 0.0], [96.0, 60.0], [3.5, 7.25]])
    for view in (turned, View.of_box((10, 5, 70, 50), 30, 40)):
        seen = view.mirrored(97).points(points * (-1, 1) + (96, 0))
        assert np.allclose(seen, view.points(points) * (-1, 1) + (39, 0), atol=1e-4)
        assert np.allclose(view.mirrored(97).mirrored(97).array, view.array)
    assert view.mirrored(97).matrix[0][0] > 0  # nothing is drawn backwards
