"""Frames in memory as JPEG, decoded when they are needed: hundreds of reference frames would not fit as pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.media.images import decode_image

NUM_CACHED_FRAMES = 8
"""Decoded frames that are kept; successive frames of a video have nearly the same references."""


class EncodedFrames(Sequence[UInt8Array]):
    """A sequence of frames (height, width, 3) uint8 RGB, each stored as an image file."""

    def __init__(self, files: Sequence[bytes], *, is_mirrored: bool = False) -> None:
        """`files`: images of equal size, see `encode_jpeg`. `is_mirrored`: the frames are flipped horizontally."""
        self.files, self.is_mirrored = tuple(files), is_mirrored
        self._decode = lru_cache(NUM_CACHED_FRAMES)(self._decode_frame)  # thread-safe

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> UInt8Array:  # type: ignore[override]
        """The pixels of a frame, read-only. Raises ValueError if its file is damaged."""
        return self._decode(range(len(self.files))[index])

    def hflip(self) -> EncodedFrames:
        """The horizontally flipped frames."""
        return EncodedFrames(self.files, is_mirrored=not self.is_mirrored)

    @property
    def file_sizes(self) -> tuple[int, ...]:
        """Bytes of each file."""
        return tuple(map(len, self.files))

    def pack(self) -> NDArray[np.uint8]:
        """All files in one array of bytes."""
        return np.frombuffer(b"".join(self.files), np.uint8)

    @staticmethod
    def unpack(content: NDArray[np.uint8], sizes: Sequence[int]) -> EncodedFrames:
        """The inverse of `pack`, with the `file_sizes`. Raises ValueError if the sizes do not fit the content."""
        if any(size <= 0 for size in sizes) or sum(sizes) != content.size:
            raise ValueError(f"{content.size} bytes are not {len(sizes)} files of {sum(sizes)} bytes")
        return EncodedFrames(tuple(_split(content.tobytes(), sizes)))

    def _decode_frame(self, index: int) -> UInt8Array:
        frame = decode_image(self.files[index])
        if self.is_mirrored:
            frame = np.ascontiguousarray(frame[:, ::-1])
        frame.flags.writeable = False
        return frame


def _split(content: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        yield content[start : start + size]
        start += size
