"""Views: pixel centres, boxes, composition and mirroring."""

from __future__ import annotations

import numpy as np

from vid2vid_cli.core.geometry import View


def test_from_box_fills_output() -> None:
    view = View.from_box((10, 20, 30, 60), 80, 20)
    # The centre of the first pixel is half a pixel inside the box, and the scale is (1, 2).
    assert np.allclose(view.transform_points(np.array([[10.0, 20.0], [29.0, 59.0]])), [[0, 0.5], [19, 78.5]])
    assert np.isclose(view.scale, np.sqrt(2.0))


def test_full_frame_at_same_size_is_identity() -> None:
    view = View.from_box((0, 0, 97, 61), 61, 97)
    points = np.array([[0.0, 0.0], [96.0, 60.0], [3.5, 7.25]])
    assert np.allclose(view.transform_points(points), points)


def test_transform_points_keeps_nan() -> None:
    points = View.from_box((0, 0, 10, 10), 20, 20).transform_points(np.array([[np.nan, np.nan], [1.0, 1.0]]))
    assert np.isnan(points[0]).all()
    assert np.isfinite(points[1]).all()


def test_compose_applies_matrix_after_view() -> None:
    view = View.from_box((0, 0, 10, 10), 20, 20)
    composed = view.compose(np.array([[0.0, -1.0, 19.0], [1.0, 0.0, 0.0]]))
    points = np.array([[2.0, 3.0], [7.0, 1.0]])
    x, y = view.transform_points(points).T
    assert np.allclose(composed.transform_points(points), np.stack([19 - y, x], 1), atol=1e-5)
    assert (composed.height, composed.width) == (20, 20)


def test_view_of_an_image_continues_the_view_of_that_image() -> None:
    """Through both views in turn, a point of the frame is where the view itself has it."""
    view = View.from_box((10, 20, 74, 84), 32, 32)
    image_view = View.from_box((0, 5, 100, 95), 120, 150)
    points = np.array([(11.0, 21.0), (70.0, 33.5)])
    through_image = view.of_image(image_view).transform_points(image_view.transform_points(points))
    assert np.allclose(through_image, view.transform_points(points), atol=1e-4)
    assert view.of_image(image_view).height == 32


def test_view_json_round_trip() -> None:
    view = View.from_box((1.25, 2, 30.5, 40), 64, 48)
    assert View.from_json(view.to_json()) == view


def test_hflip_maps_mirrored_frame_to_mirrored_output() -> None:
    """For a frame 97 pixels wide and an output 40 pixels wide, also for a rotated view."""
    rotated = View(((0.5, 0.2, 3.0), (-0.1, 0.7, -2.0)), 30, 40)
    points = np.array([[0.0, 0.0], [96.0, 60.0], [3.5, 7.25]])
    for view in (rotated, View.from_box((10, 5, 70, 50), 30, 40)):
        flipped = view.hflip(97).transform_points(points * (-1, 1) + (96, 0))
        assert np.allclose(flipped, view.transform_points(points) * (-1, 1) + (39, 0), atol=1e-4)
        assert np.allclose(view.hflip(97).hflip(97).array, view.array)
    assert view.hflip(97).matrix[0][0] > 0  # the scale keeps its sign
