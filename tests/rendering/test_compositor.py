"""Backgrounds, placing, blending and colour match of composited frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.core.errors import ConfigError, MissingFileError, NotAVideoError
from vid2vid_cli.core.geometry import View
from vid2vid_cli.media.images import save_png
from vid2vid_cli.rendering.background import parse_background, subject_index
from vid2vid_cli.rendering.colour_match import match_colours
from vid2vid_cli.rendering.pasting import blend, fit_similarity, matrix_view, warp_mask


@pytest.mark.parametrize(("text", "kind"), [("target", "target"), ("source", "source"), ("alpha", "alpha")])
def test_parse_background_names(text: str, kind: str) -> None:
    assert parse_background(text, keep_size=False).kind == kind


def test_parse_background_defaults_and_colours() -> None:
    assert parse_background(None, keep_size=False).kind == "target"
    assert parse_background(None, keep_size=True).kind == "source"
    for text in ("#0f0", "#00ff00", "#00FF00"):
        assert parse_background(text, keep_size=True).fill(2, 3).tolist() == [[[0, 255, 0]] * 3] * 2


def test_parse_background_picture_covers_the_frame(tmp_path: Path) -> None:
    picture = np.zeros((40, 100, 3), np.uint8)
    picture[:, 30:70] = 200  # the central square
    save_png(tmp_path / "p.png", picture)
    filled = parse_background(str(tmp_path / "p.png"), keep_size=False).fill(20, 20)
    assert filled.shape == (20, 20, 3)
    assert (filled[:, 1:-1] == 200).all()


def test_parse_background_rejects_bad_input(tmp_path: Path) -> None:
    for text in ("#12", "#gggggg"):
        with pytest.raises(ConfigError):
            parse_background(text, keep_size=False)
    with pytest.raises(ConfigError, match="keep-size"):
        parse_background("target", keep_size=True)
    with pytest.raises(MissingFileError):
        parse_background(str(tmp_path / "no.png"), keep_size=False)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(NotAVideoError):
        parse_background(str(tmp_path / "text.png"), keep_size=False)


def test_subject_index_needs_a_subject() -> None:
    edges, pose, landmarks = load_conditioners([("edges", {}), ("pose", {}), ("landmarks", {})])
    assert subject_index([edges, pose], "--background") == 1
    assert (pose.subject, landmarks.subject) == ("person", "face")
    with pytest.raises(ConfigError, match="edges"):
        subject_index([edges], "--background alpha")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_blend_keeps_pixels_outside_the_mask(dtype: type) -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    factor = 257 if dtype is np.uint16 else 1
    image = np.full((30, 40, 3), 90 * factor, dtype)
    mask = np.zeros((30, 40), np.float32)
    mask[10:20, 15:30], mask[10, 15:30] = 1, 0.5
    result = blend(base, image, mask)
    assert result.dtype == dtype
    assert np.array_equal(result[mask == 0], base[mask == 0].astype(dtype) * factor)
    assert (result[11:20, 15:30] == 90 * factor).all()
    assert np.abs(result[10, 15:30] / factor - (base[10, 15:30] / 2 + 45)).max() <= 0.5


def test_fit_similarity_recovers_the_map() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(0, 100, (20, 2))
    rotation = 1.5 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    targets = points @ rotation.T + (7, -4)
    points[3] = np.nan
    matrix = fit_similarity(points, targets, can_rotate=True)
    assert np.allclose(matrix, np.column_stack([rotation, (7, -4)]))
    upright = fit_similarity(points, targets, can_rotate=False)
    assert upright[0, 1] == upright[1, 0] == 0
    assert fit_similarity(points[:1], targets[:1], can_rotate=True)[:, :2].tolist() == [[1, 0], [0, 1]]
    assert fit_similarity(points[3:4], targets[3:4], can_rotate=True).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_change_view_maps_pixels_of_one_view_to_another() -> None:
    first, second = View.from_box((10, 20, 50, 60), 80, 80), View.from_box((0, 0, 100, 100), 300, 300)
    point = np.array([[30.0, 40.0]])
    matrix = first.matrix_to(second)
    moved = matrix_view(matrix, 300, 300).transform_points(first.transform_points(point))
    assert np.allclose(moved, second.transform_points(point))


def test_warp_mask_ends_at_the_border_of_the_image() -> None:
    shifted = matrix_view(np.array([[1.0, 0, 5], [0, 1, 3]]), 20, 20)
    warped = warp_mask(np.ones((4, 6), np.float32), shifted)
    assert np.array_equal(np.argwhere(warped > 0.5).min(axis=0), (3, 5))
    assert warped.sum() == pytest.approx(24)


@pytest.mark.parametrize("factor", [1, 257])
def test_match_colours_takes_the_mean_colour_and_keeps_black(factor: int) -> None:
    dtype = np.uint8 if factor == 1 else np.uint16
    image = np.zeros((20, 20, 3), dtype)
    image[5:] = np.array((100, 80, 60)) * factor
    base = np.full((20, 20, 3), (90, 90, 90), np.uint8)
    mask = np.zeros((20, 20), np.float32)
    mask[6:12, 4:16] = 1
    matched = match_colours(image, base, mask)
    assert np.abs(matched[8, 8] / factor - 90).max() <= 1
    assert np.array_equal(matched[:, :4], image[:, :4])
    mask[:] = 1
    assert (match_colours(image, base, mask)[:5] == 0).all()
