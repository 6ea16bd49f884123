"""The background behind the limbs of reference frames, from frames that show it."""

from __future__ import annotations

import numpy as np

from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.data.reference_background import ReferenceBackgrounds, ReferenceFrame

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
    return ReferenceBackgrounds(len(frames), frames.__getitem__).fill(index, frames[index].image)


def test_limbs_are_replaced_by_the_background() -> None:
    frames = [frame(column) for column in (0, 12, 24, 36)]
    for index in range(len(frames)):
        assert np.abs(fill(frames, index).astype(int) - background()).max() <= 1


def test_limb_that_never_moves_is_kept() -> None:
    """No frame shows what is behind it."""
    frames = [frame(12)] * 5
    assert np.array_equal(fill(frames, 0), frames[0].image)


def test_frames_with_another_background_are_not_used() -> None:
    frames = [frame(0, 1), frame(30, 1), frame(0, 2), frame(30, 2), frame(12, 3)]
    for index, seed in enumerate((1, 1, 2, 2)):
        assert np.abs(fill(frames, index).astype(int) - background(seed)).max() <= 1
    assert np.array_equal(fill(frames, 4), frames[4].image)  # the only one with its background


def test_fill_keeps_the_resolution_of_the_frame() -> None:
    frames = [frame(column) for column in (0, 12, 24, 36)]
    large = frames[1].image.repeat(2, axis=0).repeat(2, axis=1)
    filled = ReferenceBackgrounds(len(frames), frames.__getitem__).fill(1, large)
    assert filled.shape == large.shape
    # The limb and the interpolated edges of its proximity are columns 18 to 45, the edge of the rectangles is at 56.
    assert np.array_equal(filled[:, 46:], large[:, 46:])
    expected = background().repeat(2, axis=0).repeat(2, axis=1).astype(int)
    is_inner_row = np.abs(np.arange(80) - 39.5) > 2
    assert np.abs(filled[is_inner_row, 24:40] - expected[is_inner_row, 24:40]).max() <= 1
