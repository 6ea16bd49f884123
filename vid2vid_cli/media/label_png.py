"""Label maps as indexed PNG (colour type 3): viewers show them in colour, and the label ids are exact.

OpenCV can neither write indexed PNG nor read its indices.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.errors import LabelFileError, MissingFileError
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.media.file_pairing import sort_files
from vid2vid_cli.media.files import write_frame_file
from vid2vid_cli.media.images import load_png
from vid2vid_cli.media.os_errors import read_error

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def palette(class_colours: Mapping[int, tuple[int, int, int]] | None = None) -> UInt8Array:
    """256 colours, (256, 3) uint8 RGB: the given class colours, and for other ids the Pascal VOC colour map.

    The VOC map spreads the bits of the id over the high bits of the channels; id 0 is black.
    """
    index = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((index >> channel) & 1) << (7 - bit)
        index = index >> 3
    for label, colour in (class_colours or {}).items():
        if label < len(colours):
            colours[label] = colour
    return colours.astype(np.uint8)


def save_indexed_png(path: Path, labels: UInt8Array, palette_colours: UInt8Array | None = None) -> None:
    """Write (h, w) uint8 labels as indexed PNG, atomically; `palette_colours` (256, 3) uint8, default `palette()`.

    Raises DiskFullError, PermissionDeniedError, MissingFileError (no such folder).
    """
    palette_colours = palette() if palette_colours is None else palette_colours
    height, width = labels.shape
    # Row filter 2 (up) stores the difference from the row above, which is mostly zero.
    rows = np.full((height, width + 1), 2, dtype=np.uint8)
    rows[:, 1:] = labels
    rows[1:, 1:] -= labels[:-1]
    compressor = zlib.compressobj(1, strategy=zlib.Z_RLE)  # three times as fast as level 6 at the same size
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    content = PNG_SIGNATURE + b"".join(
        _png_chunk(kind, data)
        for kind, data in (
            (b"IHDR", header),
            (b"PLTE", palette_colours.tobytes()),
            (b"IDAT", compressor.compress(rows.tobytes()) + compressor.flush()),
            (b"IEND", b""),
        )
    )
    write_frame_file(path, content)


def load_indexed_png(path: Path) -> UInt8Array | None:
    """The indices (h, w) uint8 of an indexed PNG; None for other files.

    Raises LabelFileError (interlaced or damaged), MissingFileError, PermissionDeniedError.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise read_error(path, error) from error
    if content.startswith(PNG_SIGNATURE) and content[25:29:3] == b"\x03\x01":  # colour type and interlacing
        raise LabelFileError(
            f"{path} is an interlaced indexed PNG, which is not supported.", "Save it without interlacing."
        )
    try:
        return _decode_indices(content)
    except (struct.error, zlib.error, ValueError, IndexError) as error:
        raise LabelFileError(f"{path} is damaged: {error}.", "Export this file again.") from error


def list_label_files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The visible files of a folder with one of `suffixes` (lower case, with dot), in natural order.

    Raises MissingFileError (no such folder), LabelFileError (no such files), InputFileMismatchError (two files with the
    same name or number).
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder} is not a folder.", "Give a folder with one file per frame.")
    candidates = (p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.name[0] != "." and p.is_file())
    files = sort_files(candidates)
    if not files:
        suffix_text = " or ".join(suffixes)
        raise LabelFileError(f"{folder} contains no {suffix_text} file.", "Give a folder with one file per frame.")
    return files


def load_label_image(path: Path) -> NDArray[Any]:
    """Load a label image as stored: indices of an indexed PNG, ids (h, w) uint8 or uint16, or RGB (h, w, 3).

    Raises LabelFileError (damaged), NotAVideoError (not an image), MissingFileError, PermissionDeniedError.
    """
    if path.suffix.lower() == ".png":
        indices = load_indexed_png(path)
        if indices is not None:
            return indices
    image = load_png(path)
    return image[:, :, :3] if image.ndim == 3 and image.shape[2] == 4 else image


def _decode_indices(content: bytes) -> UInt8Array | None:
    if not content.startswith(PNG_SIGNATURE):
        return None
    compressed = []
    width = height = bit_depth = 0
    for chunk_type, data in _iter_png_chunks(content):
        if chunk_type == b"IHDR":
            width, height, bit_depth, colour_type, _, _, _ = struct.unpack(">IIBBBBB", data)
            if colour_type != 3:
                return None
        elif chunk_type == b"IDAT":
            compressed.append(data)
    pixel_bytes = np.frombuffer(zlib.decompress(b"".join(compressed)), dtype=np.uint8)
    rows = pixel_bytes.reshape(height, 1 + (width * bit_depth + 7) // 8)
    indices = _undo_filters(rows) if rows[:, 0].any() else rows[:, 1:].copy()
    return indices if bit_depth == 8 else _unpack_bits(indices, bit_depth, width)


def _unpack_bits(packed: UInt8Array, bit_depth: int, width: int) -> UInt8Array:
    """Unpack indices of 1, 2 or 4 bits (high bits first) to one byte each."""
    shifts = np.arange(8 - bit_depth, -1, -bit_depth, dtype=np.uint8)
    unpacked = (packed[:, :, None] >> shifts) & np.uint8((1 << bit_depth) - 1)
    return unpacked.reshape(len(packed), -1)[:, :width].copy()


def _undo_filters(rows: UInt8Array) -> UInt8Array:
    """Undo the PNG row filters 0 to 4 at one byte per pixel; files of other programs use all of them."""
    if (rows[:, 0] == 2).all():
        return np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8)
    height, width = rows.shape[0], rows.shape[1] - 1
    result = np.zeros((height, width), dtype=np.uint8)
    previous_row = np.zeros(width, dtype=np.uint8)
    for y in range(height):
        filter_type, filtered_row = int(rows[y, 0]), rows[y, 1:]
        if filter_type == 0:
            previous_row = filtered_row.copy()
        elif filter_type == 1:
            previous_row = np.cumsum(filtered_row, dtype=np.uint64).astype(np.uint8)
        elif filter_type == 2:
            previous_row = filtered_row + previous_row
        elif filter_type in (3, 4):
            previous_row = _undo_row_filter(filter_type, filtered_row.tolist(), previous_row.tolist())
        else:
            raise ValueError(f"unknown row filter {filter_type}")
        result[y] = previous_row
    return result


def _undo_row_filter(filter_type: int, filtered_row: list[int], previous_row: list[int]) -> UInt8Array:
    left = upper_left = 0
    row_values = []
    for value, upper in zip(filtered_row, previous_row, strict=True):
        if filter_type == 3:
            prediction = (left + upper) // 2
        else:
            estimate = left + upper - upper_left
            prediction = min((left, upper, upper_left), key=lambda near: abs(estimate - near))
        left, upper_left = (value + prediction) & 255, upper
        row_values.append(left)
    return np.array(row_values, dtype=np.uint8)


def _png_chunk(chunk_type: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + chunk_type + data + struct.pack(">I", zlib.crc32(chunk_type + data))


def _iter_png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = len(PNG_SIGNATURE)
    while offset < len(content):
        (length,) = struct.unpack_from(">I", content, offset)
        chunk_type, data = content[offset + 4 : offset + 8], content[offset + 8 : offset + 8 + length]
        if len(data) < length:
            raise ValueError("the file ends early")
        yield chunk_type, data
        offset += length + 12
