"""The header of a `.ckpt` file (safetensors with JSON metadata). Standard library only."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from vid2vid_cli.core.errors import (
    ForeignCheckpointError,
    MissingFileError,
    PermissionDeniedError,
    TruncatedCheckpointError,
)

FORMAT_VERSION = 2
METADATA_KEY = "vid2vid"
"""The safetensors metadata key that contains the JSON metadata of vid2vid."""
DISCRIMINATOR_PREFIX = "discriminators."
"""Prefix of the names of discriminator weights."""
_MAX_HEADER_BYTES = 100_000_000


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
    try:
        with path.open("rb") as file:
            length_bytes = file.read(8)
            header_length = struct.unpack("<Q", length_bytes)[0] if len(length_bytes) == 8 else 0
            # safetensors: eight bytes of length, then a JSON object.
            if not 2 <= header_length <= _MAX_HEADER_BYTES or (first_byte := file.read(1)) not in (b"{", b""):
                raise ForeignCheckpointError(f"{path} is not a vid2vid checkpoint", _CHECKPOINT_HINT)
            header_text = first_byte + file.read(header_length - 1)
        file_size = path.stat().st_size
    except PermissionError:
        raise PermissionDeniedError(
            f"{path} cannot be read: permission denied", "Change its permissions (chmod +r)."
        ) from None
    truncated_error = TruncatedCheckpointError(
        f"{path} is truncated or damaged", "Copy it again, or use an older checkpoint."
    )
    if len(header_text) < header_length:
        raise truncated_error
    foreign_error = ForeignCheckpointError(f"{path} is a safetensors file without vid2vid metadata", _CHECKPOINT_HINT)
    try:
        tensor_table: dict[str, Any] = json.loads(header_text)
        metadata = tensor_table.pop("__metadata__", {})
        data_end = max((int(entry["data_offsets"][1]) for entry in tensor_table.values()), default=0)
        vid2vid_metadata: dict[str, Any] | None = (
            json.loads(metadata[METADATA_KEY]) if METADATA_KEY in metadata else None
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise truncated_error from None
    if vid2vid_metadata is None:
        raise foreign_error
    _check_format_version(path, vid2vid_metadata)
    if file_size != 8 + header_length + data_end:
        raise truncated_error
    return vid2vid_metadata, tensor_table


def _check_format_version(path: Path, metadata: dict[str, Any]) -> None:
    version = metadata.get("format_version", 1)
    if version == FORMAT_VERSION:
        return
    if isinstance(version, int) and version < FORMAT_VERSION:
        hint = "Train again (vid2vid train), or repeat the import (vid2vid import nvidia)."
    else:
        hint = "Update vid2vid: pip install -U vid2vid-cli"
    raise ForeignCheckpointError(
        f"{path} has checkpoint format {version}; this version of vid2vid reads format {FORMAT_VERSION}", hint
    )


_CHECKPOINT_HINT = "Give the path of a .ckpt file written by `vid2vid train`; other checkpoints are not supported."
