from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.video_files import SAMPLE_RATE, click_track, numbered_frame, run_ffmpeg, write_audio, write_video

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


def check_rejected(path: Path, error_class: type[Vid2VidError]) -> Vid2VidError:
    """`probe` and `VideoReader` raise the same class, with one sentence that names the file, and a hint."""
    with pytest.raises(error_class) as caught:
        probe(path)
    with pytest.raises(error_class):
        VideoReader(path)
    assert str(path) in caught.value.message
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert type(caught.value) is error_class
    return caught.value


def test_probe_reads_all_properties(tmp_path: Path) -> None:
    frames = [numbered_frame(index) for index in range(50)]
    path = write_video(tmp_path / "a.mp4", frames, Fraction(30000, 1001), audio=click_track(1.6, [0.5]))
    video_probe = probe(path)
    assert (video_probe.width, video_probe.height, video_probe.fps, video_probe.num_frames) == (
        96,
        64,
        Fraction(30000, 1001),
        50,
    )
    assert video_probe.duration == pytest.approx(50 * 1001 / 30000)
    assert (video_probe.rotation, video_probe.has_audio, video_probe.codec) == (0, True, "h264")
    assert (video_probe.is_variable_rate, video_probe.colour_space, video_probe.kind) == (False, "bt709", "video")
    json_data = json.loads(json.dumps(video_probe.to_json()))
    assert json_data["fps"] == "30000/1001"


def test_probe_counts_frames_of_long_video(tmp_path: Path) -> None:
    frames = [numbered_frame(index % 256, 16, 16) for index in range(1000)]
    for name in ("a.mp4", "a.mkv"):
        assert probe(write_video(tmp_path / name, frames, 30)).num_frames == 1000, name


@pytest.mark.parametrize(
    ("codec", "pixels", "is_lossless"),
    [("libx264", "yuv420p", False), ("libx264rgb", "rgb24", True), ("ffv1", "bgr0", True), ("mpeg4", "yuv420p", False)],
)
def test_probe_detects_lossless_codecs(tmp_path: Path, codec: str, pixels: str, is_lossless: bool) -> None:
    path = write_video(tmp_path / "a.mkv", [np.zeros((32, 48, 3), np.uint8)] * 3, codec=codec, pixel_format=pixels)
    assert probe(path).is_lossless is is_lossless


def test_probe_folder_with_png_is_lossless(tmp_path: Path) -> None:
    save_jpeg(tmp_path / "0.jpg", np.zeros((8, 8, 3), np.uint8))
    assert not probe(tmp_path).is_lossless
    save_png(tmp_path / "1.png", np.zeros((8, 8, 3), np.uint8))
    assert probe(tmp_path).is_lossless


def test_probe_rejects_missing_file(tmp_path: Path) -> None:
    check_rejected(tmp_path / "nothing.mp4", MissingFileError)


def test_probe_rejects_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    check_rejected(tmp_path, NoFramesError)


@pytest.mark.parametrize("name", ["text.mp4", "text.txt", "text.mkv", "text.png"])
def test_probe_rejects_text_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Lines of plain text.\n" * 80)
    check_rejected(tmp_path / name, NotAVideoError)


def test_probe_rejects_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    check_rejected(tmp_path / "empty.mp4", NotAVideoError)


def test_probe_rejects_device_file() -> None:
    check_rejected(Path("/dev/null"), NotAVideoError)


def test_probe_rejects_video_without_frames(tmp_path: Path) -> None:
    path = tmp_path / "none.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    check_rejected(path, NoFramesError)


@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.wav", "a.mkv"])
def test_probe_rejects_audio_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as container:
        codec = "pcm_s16le" if name.endswith("wav") else "aac"
        write_audio(container, container.add_stream(codec, rate=SAMPLE_RATE, layout="mono"), click_track(1.0, [0.5]))
    check_rejected(path, AudioOnlyError)


def test_probe_rejects_audio_with_cover_image(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "libmp3lame", tmp_path / "plain.mp3")
    run_ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", tmp_path / "cover.png")
    input_arguments = (
        "-i",
        tmp_path / "plain.mp3",
        "-i",
        tmp_path / "cover.png",
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
    )
    run_ffmpeg(*input_arguments, "-disposition:v", "attached_pic", tmp_path / "song.mp3")
    check_rejected(tmp_path / "song.mp3", AudioOnlyError)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.01])
def test_probe_rejects_file_without_index(tmp_path: Path, name: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 96, 3)).astype(np.uint8)
    data = write_video(tmp_path / name, list(noise)).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    check_rejected(tmp_path / name, TruncatedVideoError)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_probe_rejects_file_without_frame_data(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 96, 3)).astype(np.uint8)
    path = write_video(tmp_path / name, list(noise), options={"movflags": "+faststart"} if name == "a.mp4" else {})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 100] if name == "a.mp4" else data[:600])
    check_rejected(path, TruncatedVideoError)


def test_probe_rejects_unreadable_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "mine.mp4", [numbered_frame(0)] * 3)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user can read every file")
    check_rejected(path, PermissionDeniedError)


def test_probe_converts_permission_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root can read every file, so the error of the operating system is simulated."""
    path = write_video(tmp_path / "mine.mp4", [numbered_frame(0)] * 3)

    def raise_permission_error(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", raise_permission_error)
    check_rejected(path, PermissionDeniedError)


def test_probe_accepts_names_with_colons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "plain.mp4", [numbered_frame(0)] * 3).rename(tmp_path / "http:take 1 %03d.mp4")
    assert probe(Path("http:take 1 %03d.mp4")).num_frames == 3
