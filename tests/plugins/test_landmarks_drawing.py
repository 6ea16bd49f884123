"""How the landmarks plugin draws: curves, distance maps and background edges, on schematic faces."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from helpers.synthetic_faces import annotation, place, schematic
from vid2vid_landmarks.drawing import background_edges, face_mask
from vid2vid_landmarks.topology import CURVES, MESH, with_forehead

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.registry import load_conditioner

FACE = place(schematic(), 60, 128, 110)
LANDMARKS = load_conditioner("landmarks")


def view(size: int, box: tuple[float, float, float, float] = (0, 0, 256, 256)) -> View:
    return View.of_box(box, size, size)


def render(points: Any = FACE, size: int = 256, **options: object) -> Any:
    return load_conditioner("landmarks", options).render(annotation(points, 256, 256), view(size))


def at(channel: Any, point: Any) -> float:
    return float(channel[round(float(point[1])), round(float(point[0]))])


def test_fourteen_curves_and_sixty_eight_points() -> None:
    assert len(CURVES) == 14
    assert len(MESH) == 68
    assert len(set(MESH)) == 68
    assert all(0 <= vertex < 468 for pair in MESH for vertex in pair)


def test_every_curve_runs_through_its_points() -> None:
    channels = render()
    points = with_forehead(FACE)
    for index, (part, members) in enumerate(CURVES):
        for member in members:
            assert at(channels[0], points[member]) > 0, f"{part}: point {member} is not drawn"
            assert at(channels[1 + index], points[member]) < -0.96


def test_the_forehead_mirrors_the_jaw() -> None:
    points = with_forehead(FACE)
    assert points.shape == (83, 2)
    chin, crown = points[8], points[75]
    middle = (points[0] + points[16]) / 2
    np.testing.assert_allclose(crown - middle, -2 / 3 * (chin - middle), atol=1e-3)


def test_distances_rise_evenly_to_half_the_picture() -> None:
    far = render()[2]  # the left brow
    x, y = FACE[19]
    for distance in (16, 32, 64):
        assert at(far, (x, y - distance)) == pytest.approx(-1 + 2 * distance / 128, abs=0.04)
    assert far.max() == 1
    assert far[-1, -1] == 1


@pytest.mark.parametrize("size", [64, 128, 512])
def test_the_same_picture_at_every_size(size: int) -> None:
    small = cv2.resize(render(size=size).transpose(1, 2, 0), (64, 64), interpolation=cv2.INTER_AREA)
    large = cv2.resize(render(size=256).transpose(1, 2, 0), (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(small[..., 1:] - large[..., 1:]).mean() < 0.02
    ink, reference = (small[..., 0] + 1).mean(), (large[..., 0] + 1).mean()
    assert ink == pytest.approx(reference, rel=0.25 if size < 128 else 0.12)


def test_the_drawing_follows_fractions_of_a_pixel() -> None:
    still, moved = render()[0], render(FACE + np.float32(0.25))[0]
    assert not np.array_equal(still, moved)
    rows, columns = np.mgrid[:256, :256]

    def centre(image: Any) -> Any:
        weight = image + 1
        return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()

    np.testing.assert_allclose(centre(moved) - centre(still), 0.25, atol=0.06)


def test_a_picture_for_people_is_simpler_and_looks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = LANDMARKS.picture(annotation(FACE, 256, 256), view(256)).astype(int)
    monkeypatch.setattr("vid2vid_landmarks.drawing.EXACT", 0.0)
    exact = LANDMARKS.picture(annotation(FACE, 256, 256), view(256)).astype(int)
    assert drawn.any()
    assert np.abs(cv2.blur((drawn - exact).astype(np.float32), (3, 3))).max() < 64
    assert drawn.sum() == pytest.approx(exact.sum(), rel=0.03)


def test_an_empty_annotation_is_blank() -> None:
    channels = render(None)
    assert (channels[0] == -1).all()
    assert (channels[1:] == 1).all()
    assert not LANDMARKS.picture(annotation(None, 256, 256), view(64)).any()


def test_a_face_outside_the_view_is_blank() -> None:
    channels = LANDMARKS.render(annotation(FACE + np.float32(5000), 256, 256), view(64))
    assert (channels[0] == -1).all()
    assert (channels[1:] == 1).all()


def test_missing_points_take_only_their_curves_away() -> None:
    points = FACE.copy()
    points[37] = np.nan
    channels, whole = render(points), render()
    left_lid = [members for _, members in CURVES].index((36, 37, 38, 39))
    assert (channels[1 + left_lid] == 1).all()
    others = [index for index in range(14) if index != left_lid]
    np.testing.assert_array_equal(channels[1:][others], whole[1:][others])


def test_without_distance_maps_there_is_one_channel() -> None:
    assert load_conditioner("landmarks", {"distance_maps": "no"}).channels == 1
    np.testing.assert_array_equal(render(distance_maps=False), render()[:1])


def test_background_edges_are_outside_the_face() -> None:
    rng = np.random.default_rng(0)
    gray = cv2.GaussianBlur(rng.integers(0, 256, (256, 256), dtype=np.uint8), (0, 0), 2)
    edges = background_edges(gray, FACE)
    inside = face_mask(FACE, 256, 256) > 0
    assert 0.1 < inside.mean() < 0.4
    assert inside[110, 128]
    assert not edges[inside].any()
    assert edges[~inside].any()
    assert background_edges(gray, None)[inside].any()
    one = Annotation(256, 256, 1.0, {"face": FACE}, {"background": edges})
    with_edges = load_conditioner("landmarks", {"background_edges": True}).render(one, view(256))
    assert with_edges[0][edges > 0].min() == 1
    np.testing.assert_array_equal(LANDMARKS.render(one, view(256))[0], render()[0])


def test_a_part_is_drawn_as_in_the_whole_picture() -> None:
    """Lines keep their width, and distances their slope, where a picture is cut from a larger one."""
    whole, part = view(256), View(((1.0, 0.0, -64.0), (0.0, 1.0, -50.0)), 128, 160, part_of=(256, 256))
    found = annotation(FACE, 256, 256)
    wanted = LANDMARKS.render(found, whole)[:, 50:178, 64:224]
    drawn = LANDMARKS.render(found, part)
    assert np.abs(drawn[0] - wanted[0]).mean() < 0.002  # 1/16 of a pixel
    near = wanted[1:] < -0.5  # the coarser grid of the distances is another one
    assert np.abs(drawn[1:] - wanted[1:])[near].mean() < 0.03
    alone = LANDMARKS.render(found, View(part.matrix, 128, 160))
    assert np.abs(alone[0] - wanted[0]).mean() > 0.02
