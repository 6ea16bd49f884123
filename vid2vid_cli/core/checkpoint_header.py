"""The header of a `.ckpt`: one safetensors file whose metadata says what it is. Read without torch."""

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

KEY = "vid2vid"
"""The metadata key that holds our JSON."""
JUDGES = "judges."
"""What the names of discriminators' weights begin with, where a `.ckpt` has any."""
_LARGEST = 100_000_000


def read_header(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our metadata and the tensor table (name -> dtype, shape, data_offsets) of a checkpoint file.

    Raises: MissingFileError, PermissionDeniedError, ForeignCheckpointError, TruncatedCheckpointError.
    """
    if not path.exists():
        raise MissingFileError(f"{path} does not exist", "Name the .ckpt file that `vid2vid train` wrote.")
    if path.is_dir():
        raise ForeignCheckpointError(f"{path} is a folder, not a checkpoint", "Name the .ckpt file inside the run.")
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            # safetensors: eight bytes of length, then a JSON object; anything else is another program's file.
            if not 2 <= length <= _LARGEST or (head := file.read(1)) not in (b"{", b""):
                raise ForeignCheckpointError(f"{path} is not a vid2vid checkpoint", _HINT)
            text = head + file.read(length - 1)
        size = path.stat().st_size
    except PermissionError:
        raise PermissionDeniedError(f"{path} may not be read", "Change its permissions (chmod +r).") from None
    cut = TruncatedCheckpointError(f"{path} is cut off or damaged", "Copy it again, or take an older checkpoint.")
    if len(text) < length:
        raise cut
    foreign = ForeignCheckpointError(f"{path} holds tensors, but not those of a vid2vid generator", _HINT)
    try:
        table: dict[str, Any] = json.loads(text)
        metadata = table.pop("__metadata__", {})
        end = max((int(entry["data_offsets"][1]) for entry in table.values()), default=0)
        ours: dict[str, Any] | None = json.loads(metadata[KEY]) if KEY in metadata else None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise cut from None
    if ours is None:
        raise foreign
    if size != 8 + length + end:
        raise cut
    return ours, table


_HINT = "Name a .ckpt file that `vid2vid train` wrote; checkpoints of other programs cannot be used."
