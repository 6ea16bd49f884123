"""Frames that are stored as JPEG: order, mirroring and packing."""

from __future__ import annotations

import numpy as np
import pytest

from vid2vid_cli.data.encoded_frames import NUM_CACHED_FRAMES, EncodedFrames
from vid2vid_cli.media.images import encode_jpeg


def gradient_frames(count: int) -> EncodedFrames:
    """Frames (16, 24, 3) that are brighter to the right; frame i has i in its red channel."""
    frames = np.zeros((count, 16, 24, 3), np.uint8)
    frames[..., 1] = np.arange(0, 240, 10)
    frames[..., 0] = 5 * np.arange(count)[:, None, None]
    return EncodedFrames([encode_jpeg(frame, 100) for frame in frames])


def test_frames_are_decoded_in_any_order() -> None:
    frames = gradient_frames(3 * NUM_CACHED_FRAMES)
    for index in [*range(len(frames)), *reversed(range(len(frames))), -1]:
        frame = frames[index]
        assert frame.shape == (16, 24, 3)
        assert frame[..., 0].mean() == pytest.approx(5 * (index % len(frames)), abs=2)
    with pytest.raises(IndexError):
        frames[len(frames)]


def test_decoded_frames_are_read_only() -> None:
    """They are shared by all threads."""
    with pytest.raises(ValueError, match="read-only"):
        gradient_frames(1)[0][0, 0, 0] = 1


def test_hflip_mirrors_the_pixels() -> None:
    frames = gradient_frames(2)
    assert np.array_equal(frames.hflip()[1], frames[1][:, ::-1])
    assert np.array_equal(frames.hflip().hflip()[1], frames[1])


def test_unpack_is_the_inverse_of_pack() -> None:
    frames = gradient_frames(3)
    content, sizes = frames.pack(), frames.file_sizes
    assert content.dtype == np.uint8
    assert EncodedFrames.unpack(content, sizes).files == frames.files


@pytest.mark.parametrize("change", [(1, 0), (0, -1), (0, 10**9)])
def test_wrong_sizes_are_refused(change: tuple[int, int]) -> None:
    frames = gradient_frames(2)
    content, sizes = frames.pack(), frames.file_sizes
    with pytest.raises(ValueError, match="are not 2 files"):
        EncodedFrames.unpack(content, [size + difference for size, difference in zip(sizes, change, strict=True)])
    with pytest.raises(ValueError, match="are not 3 files"):
        EncodedFrames.unpack(content, [*sizes, 0])


def test_damaged_file_is_an_error() -> None:
    with pytest.raises(ValueError, match="damaged"):
        EncodedFrames([b"no image"])[0]
