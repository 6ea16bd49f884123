"""Label maps on disk keep their ids: grey and indexed images of every bit depth, grey video, palettes."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vid2vid_cli.core.errors import LabelFileError, NotAVideoError
from vid2vid_cli.media.images import load_image, save_png
from vid2vid_cli.media.label_images import list_label_files, load_label_image, palette, save_indexed_png
from vid2vid_cli.media.reader import VideoReader

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, INDEXED = 0, 3
ADAM7_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row, and steps, of the seven passes of an interlaced PNG."""


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode_png(ids: NDArray[np.generic], bit_depth: int, colour_type: int, *, is_interlaced: bool = False) -> bytes:
    """Encode a PNG file of 1 to 16 bits bit by bit, without row filters."""
    passes = [ids[y::dy, x::dx] for x, y, dx, dy in ADAM7_PASSES] if is_interlaced else [ids]
    rows = b""
    for row in (row for image in passes if image.size for row in image):
        bits = "".join(f"{value:0{bit_depth}b}" for value in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))
    header = struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], bit_depth, colour_type, 0, 0, int(is_interlaced))
    palette_chunk = [(b"PLTE", palette()[: 1 << bit_depth].tobytes())] if colour_type == INDEXED else []
    chunks = ((b"IHDR", header), *palette_chunk, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(png_chunk(kind, data) for kind, data in chunks)


def write_grey_video(path: Path, images: list[NDArray[np.generic]], color_range: int = 0) -> None:
    pixel_format = "gray" if images[0].dtype == np.uint8 else "gray16le"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.codec_context.color_range = pixel_format, color_range
        for image in images:
            frame = av.VideoFrame.from_ndarray(image, format=pixel_format)
            frame.color_range = color_range
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("colour_type", "bit_depth"), [*((GREY, bits) for bits in (1, 2, 4, 8, 16)), *((INDEXED, n) for n in (1, 2, 4, 8))]
)
@pytest.mark.parametrize("is_interlaced", [False, True])
def test_load_label_image_reads_every_bit_depth(
    tmp_path: Path, colour_type: int, bit_depth: int, is_interlaced: bool
) -> None:
    """Other programs write as few bits as the ids need."""
    ids = np.random.default_rng(bit_depth).integers(0, 1 << bit_depth, (9, 13)).astype(np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(ids, bit_depth, colour_type, is_interlaced=is_interlaced))
    image = load_label_image(path)
    assert image.values.dtype == (np.uint16 if bit_depth == 16 else np.uint8)
    assert np.array_equal(image.values, ids)
    assert (image.palette is not None) == (colour_type == INDEXED)
    if colour_type == INDEXED:
        assert np.array_equal(image.rgb, palette()[ids])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
@pytest.mark.parametrize("mode", ["1", "P", "L"])
def test_load_label_image_reads_ids_of_every_format(tmp_path: Path, suffix: str, mode: str) -> None:
    ids = np.random.default_rng(0).integers(0, 2 if mode == "1" else 200, (9, 13)).astype(np.uint8)
    image = Image.fromarray(ids * 255 if mode == "1" else ids)
    if mode == "P":
        image.putpalette(palette().tobytes())
    image.convert(mode).save(tmp_path / f"a{suffix}")
    assert np.array_equal(load_label_image(tmp_path / f"a{suffix}").values, ids)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_load_label_image_keeps_colours(tmp_path: Path, channels: int, dtype: type) -> None:
    colours = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (9, 13, channels)).astype(dtype)
    save_png(tmp_path / "a.png", colours)
    image = load_label_image(tmp_path / "a.png")
    assert image.palette is None
    assert np.array_equal(image.values, colours[:, :, :3])
    assert np.array_equal(image.rgb, colours[:, :, :3] if dtype == np.uint8 else colours[:, :, :3] >> 8)


def test_load_label_image_rejects_values_that_are_no_ids(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 70000, np.int32)).save(tmp_path / "large.tif")
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "float.tif")
    for name in ("large.tif", "float.tif"):
        with pytest.raises(LabelFileError, match=name):
            load_label_image(tmp_path / name)


def test_save_indexed_png_stores_ids_and_palette(tmp_path: Path) -> None:
    labels = np.arange(61 * 97, dtype=np.uint32).reshape(61, 97).astype(np.uint8)
    save_indexed_png(tmp_path / "a.png", labels)
    assert np.array_equal(load_label_image(tmp_path / "a.png").values, labels)
    assert np.array_equal(load_image(tmp_path / "a.png"), palette()[labels])
    assert len(np.unique(palette(), axis=0)) == 256


def test_load_label_image_rejects_truncated_file(tmp_path: Path) -> None:
    save_indexed_png(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (61, 97)).astype(np.uint8))
    content = (tmp_path / "a.png").read_bytes()
    for size in (len(content) // 2, 40):
        (tmp_path / "a.png").write_bytes(content[:size])
        with pytest.raises((LabelFileError, NotAVideoError), match=r"a\.png"):
            load_label_image(tmp_path / "a.png")


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


@pytest.mark.parametrize(("color_range", "expected"), [(0, [16, 126, 235]), (1, [0, 128, 255]), (2, [16, 126, 235])])
def test_reader_expands_grey_of_limited_range(tmp_path: Path, color_range: int, expected: list[int]) -> None:
    """The tag of the file decides; grey without a tag, as FFV1 stores it, has full range."""
    grey = np.repeat(np.array([[16, 126, 235]], np.uint8), 16, axis=1).repeat(16, axis=0)
    write_grey_video(tmp_path / "a.mkv", [grey], color_range=color_range)
    (frame,) = VideoReader(tmp_path / "a.mkv")
    assert frame[0, ::16, 0].tolist() == expected
    (raw_frame,) = VideoReader(tmp_path / "a.mkv", raw_grey=True)
    assert np.array_equal(raw_frame, grey)


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
