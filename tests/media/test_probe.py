from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.video_files import RATE, clicks, ffmpeg, make_clip, numbered, write_sound

from vid2vid_cli.core.errors import (
    AudioOnlyError,
    MissingFileError,
    NoFramesError,
    NotAVideoError,
    PermissionDeniedError,
    TruncatedVideoError,
    Vid2VidError,
)
from vid2vid_cli.media.images import save_jpeg, save_png
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader


def refused(path: Path, kind: type[Vid2VidError]) -> Vid2VidError:
    """Probe and reader refuse a path alike: the class, one sentence that names the file, and a hint."""
    with pytest.raises(kind) as caught:
        probe(path)
    with pytest.raises(kind):
        VideoReader(path)
    assert str(path) in caught.value.message
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert type(caught.value) is kind
    return caught.value


def test_everything_about_a_clip(tmp_path: Path) -> None:
    frames = [numbered(index) for index in range(50)]
    path = make_clip(tmp_path / "a.mp4", frames, Fraction(30000, 1001), sound=clicks(1.6, [0.5]))
    known = probe(path)
    assert (known.width, known.height, known.fps, known.frames) == (96, 64, Fraction(30000, 1001), 50)
    assert known.duration == pytest.approx(50 * 1001 / 30000)
    assert (known.rotation, known.has_audio, known.codec) == (0, True, "h264")
    assert (known.variable, known.colour, known.kind) == (False, "bt709", "video")
    plain = json.loads(json.dumps(known.to_json()))
    assert plain["fps"] == "30000/1001"


def test_a_long_clip_is_counted_without_reading_all_of_it(tmp_path: Path) -> None:
    frames = [numbered(index % 256, 16, 16) for index in range(1000)]
    for name in ("a.mp4", "a.mkv"):
        assert probe(make_clip(tmp_path / name, frames, 30)).frames == 1000, name


@pytest.mark.parametrize(
    ("codec", "pixels", "exact"),
    [("libx264", "yuv420p", False), ("libx264rgb", "rgb24", True), ("ffv1", "bgr0", True), ("mpeg4", "yuv420p", False)],
)
def test_whether_anything_was_lost(tmp_path: Path, codec: str, pixels: str, exact: bool) -> None:
    path = make_clip(tmp_path / "a.mkv", [np.zeros((32, 48, 3), np.uint8)] * 3, codec=codec, pixels=pixels)
    assert probe(path).lossless is exact


def test_a_folder_with_one_exact_picture_is_exact(tmp_path: Path) -> None:
    save_jpeg(tmp_path / "0.jpg", np.zeros((8, 8, 3), np.uint8))
    assert not probe(tmp_path).lossless
    save_png(tmp_path / "1.png", np.zeros((8, 8, 3), np.uint8))
    assert probe(tmp_path).lossless


def test_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.mp4", MissingFileError)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    refused(tmp_path, NoFramesError)


@pytest.mark.parametrize("name", ["text.mp4", "text.txt", "text.mkv", "text.png"])
def test_a_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Dear diary, today nothing moved.\n" * 50)
    refused(tmp_path / name, NotAVideoError)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "empty" in refused(tmp_path / "empty.mp4", NotAVideoError).message


def test_something_that_is_no_file() -> None:
    refused(Path("/dev/null"), NotAVideoError)


def test_a_video_without_frames(tmp_path: Path) -> None:
    path = tmp_path / "none.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    refused(path, NoFramesError)


@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.wav", "a.mkv"])
def test_sound_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        codec = "pcm_s16le" if name.endswith("wav") else "aac"
        write_sound(container, container.add_stream(codec, rate=RATE, layout="mono"), clicks(1.0, [0.5]))
    refused(path, AudioOnlyError)


def test_a_song_with_a_cover(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "libmp3lame", tmp_path / "plain.mp3")
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", tmp_path / "cover.png")
    both = ("-i", tmp_path / "plain.mp3", "-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-c", "copy")
    ffmpeg(*both, "-disposition:v", "attached_pic", tmp_path / "song.mp3")
    refused(tmp_path / "song.mp3", AudioOnlyError)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.01])
def test_a_file_without_its_index(tmp_path: Path, name: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 96, 3)).astype(np.uint8)
    data = make_clip(tmp_path / name, list(noise)).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    assert "cut off" in refused(tmp_path / name, TruncatedVideoError).message


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_an_index_without_the_pictures(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 96, 3)).astype(np.uint8)
    path = make_clip(tmp_path / name, list(noise), options={"movflags": "+faststart"} if name == "a.mp4" else {})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 100] if name == "a.mp4" else data[:600])
    refused(path, TruncatedVideoError)


def test_no_permission_to_read(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "mine.mp4", [numbered(0)] * 3)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    refused(path, PermissionDeniedError)


def test_no_permission_as_the_system_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so that the refusal is put into the mouth of the system."""
    path = make_clip(tmp_path / "mine.mp4", [numbered(0)] * 3)

    def deny(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", deny)
    refused(path, PermissionDeniedError)


def test_names_that_look_like_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "plain.mp4", [numbered(0)] * 3).rename(tmp_path / "http:take 1 %03d.mp4")
    assert probe(Path("http:take 1 %03d.mp4")).frames == 3
