"""Image files are checked by their headers before anything is allocated."""

from __future__ import annotations

import os
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.video_files import write_video
from PIL import Image

from vid2vid_cli.core.errors import NotAVideoError
from vid2vid_cli.media import image_header
from vid2vid_cli.media.image_header import MAX_PIXELS, ignored_properties, is_animation, read_regular_file
from vid2vid_cli.media.images import load_image, load_png
from vid2vid_cli.media.label_images import load_label_image
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader


def write_png_header(path: Path, width: int, height: int, colour_type: int = 0) -> None:
    """A PNG file of any size whose rows are missing; a complete one of zeros would have 0.1 % of its size."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)), (b"IDAT", zlib.compress(b"")))
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in (*chunks, (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(content)


@pytest.mark.parametrize(("width", "height"), [(30000, 30000), (12000, 12000), (1, MAX_PIXELS + 1)])
@pytest.mark.parametrize("load", [load_image, load_png, load_label_image, probe])
def test_images_with_too_many_pixels_are_rejected(tmp_path: Path, load: object, width: int, height: int) -> None:
    write_png_header(tmp_path / "a.png", width, height)
    with pytest.raises(NotAVideoError, match=rf"a\.png .*{width * height} pixels; up to {MAX_PIXELS}"):
        load(tmp_path / "a.png")  # type: ignore[operator]


def test_videos_with_too_many_pixels_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lower limit, because FFmpeg allocates a frame when it opens a file. Square pixels count, not stored ones."""
    frames = [np.zeros((32, 48, 3), np.uint8)] * 2
    write_video(tmp_path / "a.mp4", frames)
    write_video(tmp_path / "wide.mp4", frames, pixel_aspect_ratio=Fraction(2))
    monkeypatch.setattr(image_header, "MAX_PIXELS", 32 * 48 * 2 - 1)
    assert probe(tmp_path / "a.mp4").width == 48
    with pytest.raises(NotAVideoError, match="96x32"):
        probe(tmp_path / "wide.mp4")


def test_large_files_are_rejected_before_they_are_read(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(NotAVideoError, match=str(1 << 40)):
        load_image(tmp_path / "a.png")


def test_devices_and_pipes_are_rejected(tmp_path: Path) -> None:
    """Reading a pipe would block, and /dev/zero has no end."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "zero.png", "folder.png"):
        with pytest.raises(NotAVideoError, match=name):
            read_regular_file(tmp_path / name)
        with pytest.raises(NotAVideoError, match=name):
            load_label_image(tmp_path / name)


def shades(*values: int) -> list[Image.Image]:
    return [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in values]


def save_animation(path: Path, images: list[Image.Image], delay: int = 40) -> Path:
    images[0].save(path, save_all=True, append_images=images[1:], duration=delay)
    return path


def test_ignored_properties(tmp_path: Path) -> None:
    shades(0)[0].save(tmp_path / "opaque.png")
    Image.fromarray(np.full((8, 8, 4), 90, np.uint8)).save(tmp_path / "alpha.png")
    assert ignored_properties(tmp_path / "opaque.png") == []
    assert [message.split()[1] for message in ignored_properties(tmp_path / "alpha.png")] == ["alpha"]
    for name in ("animated.png", "animated.webp"):
        (message,) = ignored_properties(save_animation(tmp_path / name, shades(0, 200)))
        assert "animated" in message


def test_reader_reports_ignored_properties_of_folders(tmp_path: Path) -> None:
    for index in range(2):
        Image.fromarray(np.full((8, 8, 4), 90, np.uint8)).save(tmp_path / f"{index}.png")
    save_animation(tmp_path / "2.png", shades(0, 200))
    reader = VideoReader(tmp_path)
    assert len(list(reader)) == 3
    assert [word for word in ("alpha", "animated") for message in reader.warnings if word in message] == [
        "alpha",
        "animated",
    ]


def test_animated_png_is_read_as_animation(tmp_path: Path) -> None:
    path = save_animation(tmp_path / "a.png", shades(0, 100, 200))
    assert is_animation(path)
    reader = VideoReader(path)
    assert (reader.num_frames, reader.fps, reader.probe.kind) == (3, 25, "video")
    assert [int(frame[0, 0, 0]) for frame in reader] == [0, 100, 200]


def test_animated_webp_is_rejected(tmp_path: Path) -> None:
    path = save_animation(tmp_path / "a.webp", shades(0, 100, 200))
    with pytest.raises(NotAVideoError, match=r"a\.webp .* 3 frames"):
        VideoReader(path)


def test_gif_without_delays_is_read_at_an_assumed_rate(tmp_path: Path) -> None:
    reader = VideoReader(save_animation(tmp_path / "a.gif", shades(0, 100, 200), delay=0))
    assert (reader.num_frames, reader.fps) == (3, 10)
    assert [int(frame[0, 0, 0]) for frame in reader] == [0, 100, 200]
    assert any("10 fps" in remark for remark in reader.remarks)
    reader = VideoReader(save_animation(tmp_path / "b.gif", shades(0, 100, 200)))
    assert (reader.fps, reader.remarks) == (25, [])
