from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vid2vid_cli.core.errors import MissingFileError, NotAVideoError
from vid2vid_cli.core.geometry import View
from vid2vid_cli.media.images import load_image, load_png, resize_image, save_jpeg, save_png, view_image


def ramp(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x, y, x + y], axis=2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3), (7, 5, 4)])
def test_save_png_round_trip_is_exact(tmp_path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    save_png(tmp_path / "a.png", image)
    loaded = load_png(tmp_path / "a.png")
    assert loaded.dtype == dtype
    assert np.array_equal(loaded, image)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_save_jpeg_round_trip_keeps_channel_order(tmp_path: Path) -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    save_jpeg(tmp_path / "a.jpg", red)
    assert np.abs(load_image(tmp_path / "a.jpg").astype(int) - red).max() <= 3


def test_load_and_save_png_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nothing\.png"):
        load_png(tmp_path / "nothing.png")
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("text.png", "empty.png"):
        with pytest.raises(NotAVideoError, match=name):
            load_png(tmp_path / name)
    with pytest.raises(MissingFileError, match=r"a\.png"):
        save_png(tmp_path / "no" / "a.png", np.zeros((4, 4), np.uint8))


def test_view_image_full_frame_is_identity() -> None:
    image = np.random.default_rng(0).integers(0, 255, (9, 11, 3)).astype(np.uint8)
    view = View.from_box((0, 0, 11, 9), 9, 11)
    assert np.array_equal(view_image(image, view), image)
    assert np.array_equal(view_image(image, view, nearest=True), image)


def test_view_image_integer_crop_replicates_border() -> None:
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    view = View.from_box((-3, 4, 12, 25), 21, 15)
    expected = np.pad(image, ((0, 5), (3, 0), (0, 0)), mode="edge")[4:25, :15]
    assert np.array_equal(view_image(image, view), expected)
    assert np.array_equal(view_image(image, view, nearest=True), expected)


@pytest.mark.parametrize("size", [(10, 14), (33, 47), (80, 120)])
def test_view_image_agrees_with_transform_points(size: tuple[int, int]) -> None:
    """A resampled pixel has the value of the frame at the point that `transform_points` maps to it."""
    view = View.from_box((8, 10, 40, 34), *size)
    resampled = view_image(ramp(48, 64), view)
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    positions = View(view.matrix, 1, 1).transform_points(resampled[..., :2])  # pixel values are source coordinates
    assert np.abs(positions - np.stack([x, y], -1)).max() < 0.1 * max(1.0, view.scale)


def test_view_image_rotates_by_matrix() -> None:
    image = np.random.default_rng(0).integers(0, 255, (12, 16)).astype(np.uint8)
    quarter = View(((0.0, -1.0, 11.0), (1.0, 0.0, 0.0)), 16, 12)
    assert np.array_equal(view_image(image, quarter), np.rot90(image, -1))
    assert np.array_equal(view_image(image, quarter, nearest=True), np.rot90(image, -1))


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_downscaling_averages_pixels(factor: int) -> None:
    checkerboard = (np.indices((96, 96)).sum(0) % 2 * 255).astype(np.uint8)
    size = 96 // factor
    for downscaled in (
        view_image(checkerboard, View.from_box((0, 0, 96, 96), size, size)),
        resize_image(checkerboard, size, size),
    ):
        assert np.abs(downscaled.astype(int) - 127.5).max() <= (30 if factor % 2 else 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64, np.bool_, np.float32, np.float64])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (7,)])
def test_resampling_keeps_dtype_and_channels(dtype: type, channels: tuple[int, ...]) -> None:
    image = np.ones((20, 24, *channels), dtype)
    view = View.from_box((2.5, 3.25, 17, 19), 6, 9)
    for resampled in (view_image(image, view), view_image(image, view, nearest=True), resize_image(image, 6, 9)):
        assert resampled.dtype == dtype
        assert resampled.shape == (6, 9, *channels)
        assert (resampled == 1).all()


def test_view_image_nearest_adds_no_values() -> None:
    labels = np.random.default_rng(0).choice([0, 7, 26001], (40, 50)).astype(np.int32)
    for size in ((13, 17), (90, 90)):
        resampled = view_image(labels, View.from_box((1, 2, 44, 39), *size), nearest=True)
        assert set(np.unique(resampled)) <= {0, 7, 26001}


def test_resize_image_aligns_edges_when_one_axis_grows() -> None:
    assert np.allclose(resize_image(ramp(8, 64), 32, 16)[16, :, 0], np.arange(16) * 4 + 1.5)


def test_view_image_nearest_selects_nearest_centre() -> None:
    """Axis-aligned and rotated views agree with the exact solution at every pixel."""
    image = np.random.default_rng(0).integers(0, 65536, (11, 17)).astype(np.uint16)
    rng = np.random.default_rng(1)
    for angle in (0.0, 0.0, 0.3, -0.7):
        linear = rng.uniform(0.4, 2.5, 2) * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shift = rng.uniform(-6, 6, 2)
        matrix = np.column_stack([linear, shift])
        view = View(tuple(tuple(map(float, row)) for row in matrix), 13, 9)  # type: ignore[arg-type]
        resampled = view_image(image, view, nearest=True)
        for y in range(13):
            for x in range(9):
                column, row = np.linalg.solve(linear, np.array([x, y]) - shift)
                nearest = image[int(np.clip(round(row), 0, 10)), int(np.clip(round(column), 0, 16))]
                assert resampled[y, x] == nearest
