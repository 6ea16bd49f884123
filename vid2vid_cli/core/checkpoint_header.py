"""The header and the checksum of a `.ckpt` file (safetensors with JSON metadata). Standard library only."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from vid2vid_cli.core.errors import (
    ForeignCheckpointError,
    MissingFileError,
    PermissionDeniedError,
    TruncatedCheckpointError,
)
from vid2vid_cli.core.parsing import parse_json

FORMAT_VERSION = 2
METADATA_KEY = "vid2vid"
"""The safetensors metadata key that contains the JSON metadata of vid2vid."""
DISCRIMINATOR_PREFIX = "discriminators."
"""Prefix of the names of discriminator weights."""
REFERENCE_FRAMES_KEY = "references.frames"
"""Name of the tensor of the reference frames, (k, H, W, 3) uint8 RGB."""
CHECKSUM_KEY = "sha256"
"""The safetensors metadata key of the sha256 of the whole file, computed with CHECKSUM_PLACEHOLDER in its place."""
CHECKSUM_PLACEHOLDER = "0" * 64
DTYPE_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
"""Bytes per element of the tensor types of safetensors that vid2vid reads."""
_CHECKSUM_PATTERN = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_MAX_HEADER_BYTES = 32_000_000
_BLOCK_BYTES = 1 << 22


def read_header(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The vid2vid metadata and the tensor table (name -> dtype, shape, data_offsets) of a checkpoint file.

    Raises: MissingFileError, PermissionDeniedError, ForeignCheckpointError (also for another format version),
    TruncatedCheckpointError.
    """
    if not path.exists():
        raise MissingFileError(f"{path} does not exist", "Give the path of a .ckpt file written by `vid2vid train`.")
    if path.is_dir():
        raise ForeignCheckpointError(
            f"{path} is a folder, not a checkpoint", "Give the path of the .ckpt file in the run folder."
        )
    header_bytes, header_length, file_size = _read_header_bytes(path)
    if len(header_bytes) < header_length:
        raise damaged_error(path)
    try:
        tensor_table: dict[str, Any] = parse_json(header_bytes.decode("utf-8"))
        metadata = tensor_table.pop("__metadata__", {})
        vid2vid_metadata: Any = parse_json(metadata[METADATA_KEY]) if METADATA_KEY in metadata else None
        data_end = _check_tensor_table(tensor_table.values())
    except (ValueError, TypeError, KeyError, AttributeError):
        raise damaged_error(path) from None
    if vid2vid_metadata is None:
        raise ForeignCheckpointError(f"{path} is a safetensors file without vid2vid metadata", _CHECKPOINT_HINT)
    if not isinstance(vid2vid_metadata, dict):
        raise damaged_error(path)
    _check_format_version(path, vid2vid_metadata)
    if file_size != 8 + header_length + data_end:
        raise damaged_error(path)
    return vid2vid_metadata, tensor_table


def add_checksum(content: bytes) -> tuple[bytes, memoryview]:
    """The two parts of a checkpoint file whose header contains CHECKSUM_PLACEHOLDER, with the checksum in its place."""
    (header_length,) = struct.unpack("<Q", content[:8])
    header = content[: 8 + header_length]
    (checksum_match,) = _CHECKSUM_PATTERN.finditer(header)
    start, stop = checksum_match.span(1)
    data = memoryview(content)[8 + header_length :]
    return header[:start] + sha256(content).hexdigest().encode() + header[stop:], data


def read_checksum(path: Path) -> str:
    """The sha256 in the header of a checkpoint, unverified: it identifies the checkpoint. Raises as `read_header`."""
    return _find_checksum(path, _read_header_bytes(path)[0])[1].decode()


def verify_checksum(path: Path) -> None:
    """Raise TruncatedCheckpointError if the file, header included, is not what was written, or has no checksum."""
    header_bytes, header_length, _ = _read_header_bytes(path)
    match = _find_checksum(path, header_bytes)
    start, stop = match.span(1)
    digest = sha256(struct.pack("<Q", header_length))
    digest.update(header_bytes[:start] + CHECKSUM_PLACEHOLDER.encode() + header_bytes[stop:])
    with path.open("rb") as file:
        file.seek(8 + header_length)
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    if digest.hexdigest() != match[1].decode():
        raise TruncatedCheckpointError(
            f"{path} is damaged: its content does not match its sha256", "Copy it again, or use an older checkpoint."
        )


def damaged_error(path: Path, reason: str = "") -> TruncatedCheckpointError:
    """The error for a file that is not what vid2vid has written, with the reason if it is known."""
    return TruncatedCheckpointError(
        f"{path} is damaged: {reason}" if reason else f"{path} is truncated or damaged",
        "Copy it again, or use an older checkpoint.",
    )


def _find_checksum(path: Path, header_bytes: bytes) -> re.Match[bytes]:
    """The place of the checksum. Raises TruncatedCheckpointError if there is none."""
    matches = list(_CHECKSUM_PATTERN.finditer(header_bytes))
    if len(matches) != 1:
        raise TruncatedCheckpointError(
            f"{path} has no checksum: it is damaged, or an earlier version of vid2vid wrote it",
            "Train again (vid2vid train), or repeat the import (vid2vid import nvidia).",
        )
    return matches[0]


def _read_header_bytes(path: Path) -> tuple[bytes, int, int]:
    """The bytes of the header, the length that they should have, and the size of the file."""
    try:
        with path.open("rb") as file:
            length_bytes = file.read(8)
            header_length = struct.unpack("<Q", length_bytes)[0] if len(length_bytes) == 8 else 0
            # safetensors: eight bytes of length, then a JSON object.
            if not 2 <= header_length <= _MAX_HEADER_BYTES or (first_byte := file.read(1)) not in (b"{", b""):
                raise ForeignCheckpointError(f"{path} is not a vid2vid checkpoint", _CHECKPOINT_HINT)
            header_bytes = first_byte + file.read(header_length - 1)
        return header_bytes, header_length, path.stat().st_size
    except PermissionError:
        raise PermissionDeniedError(
            f"{path} cannot be read: permission denied", "Change its permissions (chmod +r)."
        ) from None


def _check_tensor_table(entries: Iterable[Any]) -> int:
    """The number of data bytes. Raises an error unless every entry has a known dtype, a shape, and bytes of its own."""
    position = 0
    for entry in sorted(entries, key=lambda entry: entry["data_offsets"]):
        start, stop = entry["data_offsets"]
        shape = entry["shape"]
        if not all(type(value) is int and value >= 0 for value in (start, stop, *shape)):
            raise ValueError("a size that is not a natural number")
        if start != position or stop - start != math.prod(shape) * DTYPE_BYTES[entry["dtype"]]:
            raise ValueError("bytes that do not match the shape")
        position = stop
    return position


def _check_format_version(path: Path, metadata: dict[str, Any]) -> None:
    version = metadata.get("format_version", 1)
    if version == FORMAT_VERSION:
        return
    if type(version) is int and version < FORMAT_VERSION:
        hint = "Train again (vid2vid train), or repeat the import (vid2vid import nvidia)."
    else:
        hint = "Update vid2vid: pip install -U vid2vid-cli"
    raise ForeignCheckpointError(
        f"{path} has checkpoint format {str(version)[:40]}; this version of vid2vid reads format {FORMAT_VERSION}", hint
    )


_CHECKPOINT_HINT = "Give the path of a .ckpt file written by `vid2vid train`; other checkpoints are not supported."
