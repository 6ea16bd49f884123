"""Python objects through a pipe, arrays without a copy on either side (pickle's protocol 5, PEP 574)."""

from __future__ import annotations

import pickle
import struct
from typing import Any, BinaryIO

SIZE = struct.Struct("<Q")


def write_message(pipe: BinaryIO, message: Any) -> None:
    """A message as `read_message` takes it: arrays follow the rest as they lie in memory, and nobody copies them."""
    buffers: list[pickle.PickleBuffer] = []
    parts = [memoryview(pickle.dumps(message, protocol=5, buffer_callback=buffers.append))]
    parts += [buffer.raw() for buffer in buffers]
    pipe.write(b"".join(map(SIZE.pack, (len(buffers), *(part.nbytes for part in parts)))))
    for part in parts:
        pipe.write(part)
    pipe.flush()


def read_message(pipe: BinaryIO) -> Any:
    """The next message. Raises EOFError."""
    (buffers,) = SIZE.unpack(_bytes(pipe, SIZE.size))
    sizes = struct.unpack(f"<{1 + buffers}Q", _bytes(pipe, (1 + buffers) * SIZE.size))
    head, *arrays = [_bytes(pipe, size) for size in sizes]
    return pickle.loads(head, buffers=arrays)


def _bytes(pipe: BinaryIO, size: int) -> bytearray:
    room = bytearray(size)
    if pipe.readinto(room) < size:  # type: ignore[attr-defined]  # of a buffered one, which fills it
        raise EOFError
    return room
