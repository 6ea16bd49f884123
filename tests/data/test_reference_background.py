"""The background behind the subject of reference frames, from frames that show it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.data.reference_background import (
    ReferenceBackgrounds,
    ReferenceFrame,
    background_share,
    dilate,
    make_reference_frame,
)

SIZE = 40, 56


def background(seed: int = 0) -> UInt8Array:
    """Four grey rectangles."""
    corners = np.random.default_rng(seed).integers(40, 200, (2, 2)).astype(np.uint8)
    return np.repeat(np.repeat(corners, 20, axis=0), 28, axis=1)[..., None].repeat(3, axis=2)


def frame(column: int, seed: int = 0) -> ReferenceFrame:
    """A white bar, 8 pixels wide, in front of a background."""
    image, proximity = background(seed), np.zeros(SIZE, np.float32)
    image[:, column : column + 8] = 255
    proximity[:, max(column - 2, 0) : column + 10] = 1
    return ReferenceFrame(image, proximity)


def fill(frames: list[ReferenceFrame], index: int) -> UInt8Array:
    return ReferenceBackgrounds(len(frames), frames.__getitem__).fill(frames[index])


def test_limbs_are_replaced_by_the_background() -> None:
    frames = [frame(column) for column in (0, 12, 24, 36)]
    for index in range(len(frames)):
        assert np.abs(fill(frames, index).astype(int) - background()).max() <= 1


def test_limb_that_never_moves_is_kept() -> None:
    """No frame shows what is behind it."""
    frames = [frame(12)] * 5
    assert np.array_equal(fill(frames, 0), frames[0].image)


def test_background_that_no_frame_shows_is_interpolated() -> None:
    """A bar that stays on columns 36 to 43; right of column 27 the background has one colour per half of the rows."""
    frames = [frame(36)] * 5
    backgrounds = ReferenceBackgrounds(5, frames.__getitem__, interpolates_hidden=True)
    filled = backgrounds.fill(frames[0]).astype(int)
    for rows in (slice(0, 8), slice(32, 40)):
        assert np.abs(filled[rows, 36:44] - background()[rows, 36:44]).max() < 25
        assert np.abs(frames[0].image[rows, 36:44].astype(int) - background()[rows, 36:44]).min() > 50
    assert np.array_equal(filled[:, :28], background()[:, :28])


def test_make_reference_frame_enlarges_the_proximity() -> None:
    image = background().repeat(2, axis=0).repeat(2, axis=1)
    reference = make_reference_frame(image, SIZE, lambda cells: (cells.real < 28).astype(np.float32))
    assert np.array_equal(reference.image, image)
    assert reference.proximity.shape == SIZE
    assert reference.proximity[:, :24].min() == 1
    assert reference.proximity[:, 32:].max() == 0
    assert make_reference_frame(image, SIZE, lambda cells: None).proximity.max() == 0


def test_background_has_the_opacity_of_the_displacement() -> None:
    frames = [frame(column) for column in (0, 12, 24, 36)]
    backgrounds = ReferenceBackgrounds(len(frames), frames.__getitem__)
    images = [backgrounds.fill(frames[1], share).astype(int) for share in (0.0, 0.5, 1.0)]
    assert np.array_equal(images[0], frames[1].image)
    assert np.abs(images[1] - (images[0] + images[2]) / 2).max() <= 1
    shares = [background_share(offset) for offset in (0.0, 0.15, 0.22, 0.3, 0.4, np.inf)]
    assert shares == pytest.approx([0, 0, 1 / 3, 2 / 3, 1, 1])


def test_dilate_adds_adjacent_cells() -> None:
    proximity = np.zeros((5, 5), np.float32)
    proximity[2, 2] = 0.7
    assert dilate(proximity)[1:4, 1:4].min() == np.float32(0.7)
    assert np.count_nonzero(dilate(proximity)) == 9


def test_frames_with_another_background_are_not_used() -> None:
    frames = [frame(0, 1), frame(30, 1), frame(0, 2), frame(30, 2), frame(12, 3)]
    for index, seed in enumerate((1, 1, 2, 2)):
        assert np.abs(fill(frames, index).astype(int) - background(seed)).max() <= 1
    assert np.array_equal(fill(frames, 4), frames[4].image)  # the only one with its background


def test_fill_keeps_the_resolution_of_the_frame() -> None:
    frames = [frame(column) for column in (0, 12, 24, 36)]
    large = frames[1].image.repeat(2, axis=0).repeat(2, axis=1)
    filled = ReferenceBackgrounds(len(frames), frames.__getitem__).fill(replace(frames[1], image=large))
    assert filled.shape == large.shape
    # The limb and the interpolated edges of its proximity are columns 18 to 45, the edge of the rectangles is at 56.
    assert np.array_equal(filled[:, 46:], large[:, 46:])
    expected = background().repeat(2, axis=0).repeat(2, axis=1).astype(int)
    is_inner_row = np.abs(np.arange(80) - 39.5) > 2
    assert np.abs(filled[is_inner_row, 24:40] - expected[is_inner_row, 24:40]).max() <= 1
