"""Label maps on disk keep their ids: indexed PNG of every bit depth, grey video, palettes."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from vid2vid_cli.core.errors import LabelFileError
from vid2vid_cli.media.label_png import (
    PNG_SIGNATURE,
    list_label_files,
    load_indexed_png,
    load_label_image,
    palette,
    save_indexed_png,
)
from vid2vid_cli.media.reader import VideoReader


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode_indexed_png(labels: NDArray[np.uint8], bit_depth: int, interlaced: int = 0) -> bytes:
    """Encode an indexed PNG of 1, 2, 4 or 8 bits without row filters."""
    height, width = labels.shape
    rows = b""
    for row in labels:
        bits = "".join(f"{value:0{bit_depth}b}" for value in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))
    header = struct.pack(">IIBBBBB", width, height, bit_depth, 3, 0, 0, interlaced)
    colours = palette()[: 1 << bit_depth].tobytes()
    chunks = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(png_chunk(kind, data) for kind, data in chunks)


def write_grey_video(path: Path, images: list[NDArray[np.generic]], codec: str = "ffv1") -> None:
    pixel_format = "gray" if images[0].dtype == np.uint8 else "gray16le"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixel_format
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format=pixel_format)))
        container.mux(stream.encode())


@pytest.mark.parametrize("bit_depth", [1, 2, 4, 8])
def test_load_label_image_reads_every_bit_depth(tmp_path: Path, bit_depth: int) -> None:
    """Other programs write as few bits as the palette needs."""
    labels = np.random.default_rng(bit_depth).integers(0, 1 << bit_depth, (7, 13)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(encode_indexed_png(labels, bit_depth))
    assert np.array_equal(load_label_image(tmp_path / "a.png"), labels)


def test_load_indexed_png_rejects_interlaced(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_indexed_png(np.zeros((8, 8), np.uint8), 8, interlaced=1))
    with pytest.raises(LabelFileError, match=r"a\.png"):
        load_indexed_png(tmp_path / "a.png")


def test_palette_uses_class_colours(tmp_path: Path) -> None:
    colours = palette({1: (9, 8, 7), 300: (1, 1, 1)})
    assert tuple(colours[1]) == (9, 8, 7)
    assert np.array_equal(np.delete(colours, 1, axis=0), np.delete(palette(), 1, axis=0))
    save_indexed_png(tmp_path / "a.png", np.ones((2, 2), np.uint8), colours)
    assert bytes([9, 8, 7]) in (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_reader_raw_grey_keeps_values(tmp_path: Path, dtype: type) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, np.iinfo(dtype).max + 1, (37, 53)).astype(dtype) for _ in range(3)]
    write_grey_video(tmp_path / "ids.mkv", images)
    reader = VideoReader(tmp_path / "ids.mkv", raw_grey=True)
    assert reader.num_frames == 3
    for read_image, image in zip(reader, images, strict=True):
        assert read_image.dtype == dtype
        assert np.array_equal(read_image, image)


def test_reader_raw_grey_keeps_colour_video(tmp_path: Path) -> None:
    frame = av.VideoFrame.from_ndarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype(np.uint8))
    with av.open(str(tmp_path / "rgb.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.height, stream.width, stream.pix_fmt = 16, 24, "bgr0"
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (read_frame,) = VideoReader(tmp_path / "rgb.mkv", raw_grey=True)
    assert np.array_equal(read_frame, frame.to_ndarray())


def test_list_label_files_ignores_hidden_files(tmp_path: Path) -> None:
    """macOS writes files such as ._10.png to external disks."""
    for name in ("10.png", "9.PNG", "._10.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_label_files(tmp_path, (".png",))] == ["9.PNG", "10.png"]
