"""Label maps as indexed PNG: any viewer shows them in colour, and the labels stay exact.

The format is the PNG specification's (colour type 3, eight bits); OpenCV can neither write it nor read the indices.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.errors import LabelFilesError, MissingFileError
from vid2vid_cli.media.images import load_png
from vid2vid_cli.media.os_errors import reading_failed, writing_failed
from vid2vid_cli.media.probe import natural

Bytes = NDArray[np.uint8]
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def palette(known: Mapping[int, tuple[int, int, int]] | None = None) -> Bytes:
    """256 colours, (256, 3) uint8 RGB: those `known`; of the others 0 is black, and neighbours differ strongly.

    The latter are Pascal VOC's: the bits of the index, spread over the high bits of the channels.
    """
    index = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.int64)
    for level in range(8):
        for channel in range(3):
            colours[:, channel] |= ((index >> channel) & 1) << (7 - level)
        index = index >> 3
    for label, colour in (known or {}).items():
        if label < len(colours):
            colours[label] = colour
    return colours.astype(np.uint8)


def save_labels(path: Path, labels: Bytes, colours: Bytes | None = None) -> None:
    """Write (h, w) uint8 labels as indexed PNG, whole or not at all; `colours` (256, 3) uint8, default `palette()`.

    Raises DiskFullError, PermissionDeniedError.
    """
    colours = palette() if colours is None else colours
    height, width = labels.shape
    # Each row begins with its filter, 2: the difference from the row above, which is mostly nothing.
    rows = np.full((height, width + 1), 2, dtype=np.uint8)
    rows[:, 1:] = labels
    rows[1:, 1:] -= labels[:-1]
    squeeze = zlib.compressobj(1, strategy=zlib.Z_RLE)  # runs alone: three times as fast as level 6, and as small
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    content = SIGNATURE + b"".join(
        _chunk(kind, data)
        for kind, data in (
            (b"IHDR", header),
            (b"PLTE", colours.tobytes()),
            (b"IDAT", squeeze.compress(rows.tobytes()) + squeeze.flush()),
            (b"IEND", b""),
        )
    )
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):  # a disk for reading only refuses even this
            unfinished.unlink(missing_ok=True)
        raise writing_failed(path, error) from error


def load_labels(path: Path) -> Bytes | None:
    """The indices (h, w) uint8 of an indexed PNG; None where the PNG is of another kind.

    Raises LabelFilesError (damaged), MissingFileError, PermissionDeniedError.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise reading_failed(path, error) from error
    if content.startswith(SIGNATURE) and content[25:29:3] == b"\x03\x01":  # colour type and interlacing
        raise LabelFilesError(f"{path} is interlaced, and indices are not read from that.", "Save it without.")
    try:
        return _decode(content)
    except (struct.error, zlib.error, ValueError, IndexError) as error:
        raise LabelFilesError(f"{path} is damaged: {error}.", "Make this file again.") from error


def label_files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The files of a folder with one of these endings (lower case, with dot), in natural order; not hidden ones.

    Raises MissingFileError (no such folder), LabelFilesError (none of them).
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder} is not a folder.", "Name the folder that holds one file per frame.")
    inside = (p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.name[0] != "." and p.is_file())
    found = sorted(inside, key=natural)
    if not found:
        wanted = " or ".join(suffixes)
        raise LabelFilesError(f"{folder} holds no {wanted} file.", "Name the folder that holds one file per frame.")
    return found


def read_labels(path: Path) -> NDArray[Any]:
    """A label picture as it is stored: indices of an indexed PNG, ids (h, w) uint8 or uint16, or RGB (h, w, 3).

    Raises LabelFilesError (damaged), NotAVideoError (not a picture), MissingFileError, PermissionDeniedError.
    """
    if path.suffix.lower() == ".png":
        indices = load_labels(path)
        if indices is not None:
            return indices
    image = load_png(path)
    return image[:, :, :3] if image.ndim == 3 and image.shape[2] == 4 else image


def _decode(content: bytes) -> Bytes | None:
    if not content.startswith(SIGNATURE):
        return None
    packed = []
    width = height = depth = 0
    for kind, data in _chunks(content):
        if kind == b"IHDR":
            width, height, depth, colour, _, _, _ = struct.unpack(">IIBBBBB", data)
            if colour != 3:
                return None
        elif kind == b"IDAT":
            packed.append(data)
    raw = np.frombuffer(zlib.decompress(b"".join(packed)), dtype=np.uint8)
    rows = raw.reshape(height, 1 + (width * depth + 7) // 8)
    indices = _unfilter(rows) if rows[:, 0].any() else rows[:, 1:].copy()
    return indices if depth == 8 else _unpack(indices, depth, width)


def _unpack(packed: Bytes, depth: int, width: int) -> Bytes:
    """Indices of 1, 2 or 4 bits, the first in the high bits of a byte, one to a byte."""
    shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
    apart = (packed[:, :, None] >> shifts) & np.uint8((1 << depth) - 1)
    return apart.reshape(len(packed), -1)[:, :width].copy()


def _unfilter(rows: Bytes) -> Bytes:
    """Undo the PNG row filters 0 to 4 at one byte per pixel; files saved by other programs have all of them."""
    if (rows[:, 0] == 2).all():
        return np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8)
    height, width = rows.shape[0], rows.shape[1] - 1
    result = np.zeros((height, width), dtype=np.uint8)
    above = np.zeros(width, dtype=np.uint8)
    for y in range(height):
        kind, line = int(rows[y, 0]), rows[y, 1:]
        if kind == 0:
            above = line.copy()
        elif kind == 1:
            above = np.cumsum(line, dtype=np.uint64).astype(np.uint8)
        elif kind == 2:
            above = line + above
        elif kind in (3, 4):
            above = _unfilter_row(kind, line.tolist(), above.tolist())
        else:
            raise ValueError(f"unknown row filter {kind}")
        result[y] = above
    return result


def _unfilter_row(kind: int, line: list[int], above: list[int]) -> Bytes:
    left = corner = 0
    done = []
    for value, up in zip(line, above, strict=True):
        if kind == 3:
            guess = (left + up) // 2
        else:
            estimate = left + up - corner
            guess = min((left, up, corner), key=lambda near: abs(estimate - near))
        left, corner = (value + guess) & 255, up
        done.append(left)
    return np.array(done, dtype=np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        kind, data = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        if len(data) < length:
            raise ValueError("the file ends early")
        yield kind, data
        place += length + 12
