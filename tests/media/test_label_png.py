"""Label maps on disk: indexed PNG of every depth, grey video, and palettes; no id may change on the way."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from vid2vid_cli.core.errors import LabelFilesError
from vid2vid_cli.media.label_png import SIGNATURE, label_files, load_labels, palette, read_labels, save_labels
from vid2vid_cli.media.reader import VideoReader


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def indexed(labels: NDArray[np.uint8], depth: int, interlaced: int = 0) -> bytes:
    """An indexed PNG of 1, 2, 4 or 8 bits as the specification has it, without filters."""
    height, width = labels.shape
    rows = b""
    for row in labels:
        bits = "".join(f"{value:0{depth}b}" for value in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    header = struct.pack(">IIBBBBB", width, height, depth, 3, 0, 0, interlaced)
    colours = palette()[: 1 << depth].tobytes()
    parts = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return SIGNATURE + b"".join(chunk(kind, data) for kind, data in parts)


def write_grey(path: Path, pictures: list[NDArray[np.generic]], codec: str = "ffv1") -> None:
    kind = "gray" if pictures[0].dtype == np.uint8 else "gray16le"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = kind
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format=kind)))
        container.mux(stream.encode())


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_indices_of_every_depth(tmp_path: Path, depth: int) -> None:
    """Pillow writes as few bits as the palette needs."""
    labels = np.random.default_rng(depth).integers(0, 1 << depth, (7, 13)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(indexed(labels, depth))
    assert np.array_equal(read_labels(tmp_path / "a.png"), labels)


def test_interlaced_indices_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(indexed(np.zeros((8, 8), np.uint8), 8, interlaced=1))
    with pytest.raises(LabelFilesError, match=r"a\.png is interlaced"):
        load_labels(tmp_path / "a.png")


def test_palettes_take_the_colours_that_are_known(tmp_path: Path) -> None:
    colours = palette({1: (9, 8, 7), 300: (1, 1, 1)})
    assert tuple(colours[1]) == (9, 8, 7)
    assert np.array_equal(np.delete(colours, 1, axis=0), np.delete(palette(), 1, axis=0))
    save_labels(tmp_path / "a.png", np.ones((2, 2), np.uint8), colours)
    assert bytes([9, 8, 7]) in (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_video_keeps_every_number(tmp_path: Path, kind: type) -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, np.iinfo(kind).max + 1, (37, 53)).astype(kind) for _ in range(3)]
    write_grey(tmp_path / "ids.mkv", pictures)
    reader = VideoReader(tmp_path / "ids.mkv", stored=True)
    assert reader.expected == 3
    for read, written in zip(reader, pictures, strict=True):
        assert read.dtype == kind
        assert np.array_equal(read, written)


def test_stored_makes_no_difference_to_colour(tmp_path: Path) -> None:
    frame = av.VideoFrame.from_ndarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype(np.uint8))
    with av.open(str(tmp_path / "rgb.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.height, stream.width, stream.pix_fmt = 16, 24, "bgr0"
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (read,) = VideoReader(tmp_path / "rgb.mkv", stored=True)
    assert np.array_equal(read, frame.to_ndarray())


def test_hidden_files_are_no_labels(tmp_path: Path) -> None:
    """Such as ._10.png, which another system leaves on a stick."""
    for name in ("10.png", "9.PNG", "._10.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in label_files(tmp_path, (".png",))] == ["9.PNG", "10.png"]
