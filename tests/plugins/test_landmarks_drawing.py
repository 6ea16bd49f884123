"""Rendering of the landmarks plugin: curves, distance maps and background edges, on schematic faces."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from helpers.synthetic_faces import face_annotation, place_face, schematic_face
from vid2vid_landmarks.drawing import background_edges, face_mask
from vid2vid_landmarks.topology import FACE_CURVES, MESH_VERTICES, append_forehead

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.registry import load_conditioner

FACE = place_face(schematic_face(), 60, 128, 110)
LANDMARKS = load_conditioner("landmarks", {"iris": False})


def view(size: int, box: tuple[float, float, float, float] = (0, 0, 256, 256)) -> View:
    return View.from_box(box, size, size)


def render(points: Any = FACE, size: int = 256, **options: object) -> Any:
    conditioner = load_conditioner("landmarks", {"iris": False, **options})
    return conditioner.render(face_annotation(points, 256, 256), view(size))


def value_at(channel: Any, point: Any) -> float:
    return float(channel[round(float(point[1])), round(float(point[0]))])


def test_topology_has_fourteen_curves_and_68_mesh_vertices() -> None:
    assert len(FACE_CURVES) == 14
    assert len(MESH_VERTICES) == 68
    assert len(set(MESH_VERTICES)) == 68
    assert all(0 <= vertex < 468 for pair in MESH_VERTICES for vertex in pair)


def test_curves_pass_through_their_points() -> None:
    channels = render()
    points = append_forehead(FACE)
    for index, (part, members) in enumerate(FACE_CURVES):
        for member in members:
            assert value_at(channels[0], points[member]) > 0, f"{part}: point {member} is not drawn"
            assert value_at(channels[1 + index], points[member]) < -0.96


def test_append_forehead_mirrors_the_jaw() -> None:
    points = append_forehead(FACE)
    assert points.shape == (83, 2)
    chin, crown = points[8], points[75]
    middle = (points[0] + points[16]) / 2
    np.testing.assert_allclose(crown - middle, -2 / 3 * (chin - middle), atol=1e-3)


def test_distance_maps_rise_linearly_to_half_the_image() -> None:
    brow_distances = render()[2]  # the left brow
    x, y = FACE[19]
    for distance in (16, 32, 64):
        assert value_at(brow_distances, (x, y - distance)) == pytest.approx(-1 + 2 * distance / 128, abs=0.04)
    assert brow_distances.max() == 1
    assert brow_distances[-1, -1] == 1


@pytest.mark.parametrize("size", [64, 128, 512])
def test_render_is_consistent_across_sizes(size: int) -> None:
    small = cv2.resize(render(size=size).transpose(1, 2, 0), (64, 64), interpolation=cv2.INTER_AREA)
    large = cv2.resize(render(size=256).transpose(1, 2, 0), (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(small[..., 1:] - large[..., 1:]).mean() < 0.02
    ink, reference = (small[..., 0] + 1).mean(), (large[..., 0] + 1).mean()
    assert ink == pytest.approx(reference, rel=0.25 if size < 128 else 0.12)


def test_drawing_is_subpixel_accurate() -> None:
    original, shifted = render()[0], render(FACE + np.float32(0.25))[0]
    assert not np.array_equal(original, shifted)
    rows, columns = np.mgrid[:256, :256]

    def centre(image: Any) -> Any:
        weight = image + 1
        return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()

    np.testing.assert_allclose(centre(shifted) - centre(original), 0.25, atol=0.06)


def test_visualize_with_simplified_curves_matches_exact_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    simplified = LANDMARKS.visualize(face_annotation(FACE, 256, 256), view(256)).astype(int)
    monkeypatch.setattr("vid2vid_landmarks.drawing.APPROXIMATION_TOLERANCE", 0.0)
    exact = LANDMARKS.visualize(face_annotation(FACE, 256, 256), view(256)).astype(int)
    assert simplified.any()
    assert np.abs(cv2.blur((simplified - exact).astype(np.float32), (3, 3))).max() < 64
    assert simplified.sum() == pytest.approx(exact.sum(), rel=0.03)


def test_render_of_empty_annotation_is_blank() -> None:
    channels = render(None)
    assert (channels[0] == -1).all()
    assert (channels[1:] == 1).all()
    assert not LANDMARKS.visualize(face_annotation(None, 256, 256), view(64)).any()


def test_render_of_face_outside_the_view_is_blank() -> None:
    channels = LANDMARKS.render(face_annotation(FACE + np.float32(5000), 256, 256), view(64))
    assert (channels[0] == -1).all()
    assert (channels[1:] == 1).all()


def test_missing_points_remove_only_their_curves() -> None:
    points = FACE.copy()
    points[37] = np.nan
    channels, complete_channels = render(points), render()
    left_lid = [members for _, members in FACE_CURVES].index((36, 37, 38, 39))
    assert (channels[1 + left_lid] == 1).all()
    other_indices = [index for index in range(14) if index != left_lid]
    np.testing.assert_array_equal(channels[1:][other_indices], complete_channels[1:][other_indices])


def test_render_without_distance_maps_has_one_channel() -> None:
    assert load_conditioner("landmarks", {"distance_maps": "no", "iris": "no"}).num_channels == 1
    np.testing.assert_array_equal(render(distance_maps=False), render()[:1])


def test_background_edges_exclude_the_face() -> None:
    rng = np.random.default_rng(0)
    gray = cv2.GaussianBlur(rng.integers(0, 256, (256, 256), dtype=np.uint8), (0, 0), 2)
    edges = background_edges(np.repeat(gray[:, :, None], 3, axis=2), FACE)
    inside = face_mask(FACE, 256, 256) > 0
    assert 0.1 < inside.mean() < 0.4
    assert inside[110, 128]
    assert not edges[inside].any()
    assert edges[~inside].any()
    assert background_edges(np.repeat(gray[:, :, None], 3, axis=2), None)[inside].any()
    annotation = Annotation(256, 256, 1.0, {"face": FACE}, {"background": edges})
    with_edges = load_conditioner("landmarks", {"background_edges": True}).render(annotation, view(256))
    assert with_edges[0][edges > 0].min() == 1
    np.testing.assert_array_equal(LANDMARKS.render(annotation, view(256))[0], render()[0])


def test_render_of_crop_matches_crop_of_render() -> None:
    """The view's `cropped_from` keeps line widths and the slope of the distances."""
    full_view, crop_view = view(256), View(((1.0, 0.0, -64.0), (0.0, 1.0, -50.0)), 128, 160, cropped_from=(256, 256))
    annotation = face_annotation(FACE, 256, 256)
    expected = LANDMARKS.render(annotation, full_view)[:, 50:178, 64:224]
    rendered = LANDMARKS.render(annotation, crop_view)
    assert np.abs(rendered[0] - expected[0]).mean() < 0.002  # 1/16 of a pixel
    near = expected[1:] < -0.5  # the coarse distance grids of both views differ
    assert np.abs(rendered[1:] - expected[1:])[near].mean() < 0.03
    rendered_alone = LANDMARKS.render(annotation, View(crop_view.matrix, 128, 160))
    assert np.abs(rendered_alone[0] - expected[0]).mean() > 0.02
