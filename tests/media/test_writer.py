from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.video_files import RED, click_times, clicks, ffmpeg, flat, make_clip, numbered, numbers

from vid2vid_cli.core.errors import ConfigError, DiskFullError, NoFramesError, PermissionDeniedError, Vid2VidError
from vid2vid_cli.media import encode, writer
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter


@pytest.fixture(params=["inner", "outer"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to encode: inside PyAV, and the program of imageio-ffmpeg."""
    monkeypatch.setattr(writer, "has_inner_encoder", lambda: request.param == "inner")
    return str(request.param)


def write(path: Path, frames: Iterable[np.ndarray], fps: Fraction | int = 25, **options: object) -> Path:
    with VideoWriter(path, Fraction(fps), **options) as out:  # type: ignore[arg-type]
        for frame in frames:
            out.write(frame)
    return path


def test_this_pyav_has_an_encoder() -> None:
    assert encode.has_inner_encoder()


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(25), Fraction(100, 7)])
@pytest.mark.usefixtures("_way")
def test_frames_rate_and_words_come_back(tmp_path: Path, rate: Fraction) -> None:
    path = write(tmp_path / "a.mp4", [numbered(index) for index in range(40)], rate, comment="made by a test")
    reader = VideoReader(path)
    assert numbers(list(reader)) == list(range(40))
    assert (reader.fps, reader.expected, reader.warnings) == (rate, 40, [])
    with av.open(str(path)) as container:
        assert container.metadata["comment"] == "made by a test"
        assert container.streams.video[0].pix_fmt == "yuv420p"
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index comes first"
    assert os.listdir(tmp_path) == ["a.mp4"]  # noqa: PTH208


@pytest.mark.parametrize("size", [(64, 96), (720, 96)])
@pytest.mark.usefixtures("_way")
def test_colours_come_back_and_are_tagged(tmp_path: Path, size: tuple[int, int]) -> None:
    for colour in (RED, (20, 200, 90), (255, 255, 255), (0, 0, 0)):
        path = write(tmp_path / "a.mp4", [flat(colour, *size)] * 3)
        assert np.abs(next(iter(VideoReader(path)))[5, 5].astype(int) - colour).max() <= 2
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)
        context = container.streams.video[0].codec_context
        assert (int(context.color_primaries), int(context.color_trc)) == (1, 1)


@pytest.mark.usefixtures("_way")
def test_odd_sizes_are_padded_with_their_border(tmp_path: Path) -> None:
    image = np.zeros((61, 97, 3), np.uint8)
    image[:, 48:] = 200
    path = write(tmp_path / "a.mp4", [image] * 3, comment="hello")
    frame = next(iter(VideoReader(path)))
    assert frame.shape == (62, 98, 3)
    assert np.abs(frame[:61, :97].astype(int) - image).mean() < 2
    assert frame[61, 97].min() > 190
    with av.open(str(path)) as container:
        assert container.metadata["comment"] == "hello (picture 97x61)"


def source_with_sound(path: Path, sound_codec: str = "aac") -> Path:
    frames = [numbered(index) for index in range(100)]
    picture = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
    sound = clicks(4.0, [0.5, 1.5, 2.5, 3.5])
    return make_clip(path, frames, 25, codec=picture, sound=sound, sound_codec=sound_codec)


def codec_of_sound(path: Path) -> str:
    with av.open(str(path)) as container:
        return container.streams.audio[0].codec_context.codec.canonical_name


@pytest.mark.parametrize(
    ("name", "codec", "result"),
    [
        ("s.mp4", "aac", "aac"),
        ("s.mp4", "libmp3lame", "mp3"),
        ("s.ts", "aac", "aac"),
        ("s.mkv", "libopus", "opus"),
        ("s.mkv", "flac", "flac"),
        ("s.mkv", "pcm_s16le", "aac"),
        ("s.webm", "libopus", "opus"),
        ("s.avi", "pcm_s16le", "aac"),
    ],
)
def test_sound_comes_along_in_step(tmp_path: Path, name: str, codec: str, result: str) -> None:
    source = source_with_sound(tmp_path / name, codec)
    reader = VideoReader(source)
    path = write(tmp_path / "out.mp4", list(reader), reader.fps, audio_from=source)
    assert codec_of_sound(path) == result
    assert click_times(path) == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.005)
    out = VideoReader(path)
    assert numbers(list(out)) == list(range(100))
    assert float(out.probe.begin) == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_copied_sound_is_the_same_sound(tmp_path: Path, codec: str) -> None:
    source = source_with_sound(tmp_path / "s.mkv", codec)
    path = write(tmp_path / "out.mkv", [numbered(0)] * 100, audio_from=source)

    def packets(file: Path) -> list[bytes]:
        with av.open(str(file)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    copied = packets(path)
    assert len(copied) > 50
    assert set(copied) <= set(packets(source))


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
@pytest.mark.usefixtures("_way")
def test_sound_of_a_part_is_trimmed_and_in_step(tmp_path: Path, codec: str) -> None:
    source = source_with_sound(tmp_path / "s.mkv", codec)
    reader = VideoReader(source, start=1.2, end=3.0)
    path = write(tmp_path / "out.mp4", list(reader), reader.fps, audio_from=source, audio_start=1.2)
    assert click_times(path) == pytest.approx([0.3, 1.3], abs=0.005)
    with av.open(str(path)) as container:
        sound, picture = container.streams.audio[0], container.streams.video[0]
        assert float(sound.duration * sound.time_base) == pytest.approx(1.8, abs=0.05)
        assert float((picture.start_time or 0) * picture.time_base) == pytest.approx(0, abs=0.001)


def test_damaged_sound_does_not_cost_the_pictures(tmp_path: Path) -> None:
    """TTA must be decoded for MP4; rubbish among its packets is passed over."""
    source = source_with_sound(tmp_path / "s.mkv", "tta")
    data = bytearray(source.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 100] = bytes(range(100))
    source.write_bytes(data)
    path = write(tmp_path / "out.mp4", [numbered(index) for index in range(100)], audio_from=source)
    assert numbers(list(VideoReader(path))) == list(range(100))


def test_sound_stays_in_step_at_a_variable_rate(tmp_path: Path) -> None:
    """A picture that stays for half a second must not pull the rest of the pictures ahead of the sound."""
    ticks = [*range(20), *range(34, 60)]
    frames = [numbered(index) for index in range(46)]
    source = make_clip(tmp_path / "v.mp4", frames, 30, ticks=ticks, clock=Fraction(1, 30), sound=clicks(2.0, [1.5]))
    reader = VideoReader(source)
    path = write(tmp_path / "out.mp4", list(reader), reader.fps, audio_from=source)
    assert click_times(path) == pytest.approx([1.5], abs=0.005)
    assert numbers(list(VideoReader(path)))[45] == 20 + 45 - 34, "1.5 s is tick 45"


@pytest.mark.parametrize("kind", ["pictures", "silent", "missing"])
def test_a_source_without_sound_is_no_reason_to_fail(tmp_path: Path, kind: str) -> None:
    source = tmp_path / kind
    if kind == "pictures":
        source.mkdir()
        save_png(source / "0.png", numbered(0))
    elif kind == "silent":
        source = make_clip(tmp_path / "silent.mp4", [numbered(0)] * 3)
    path = write(tmp_path / "out.mp4", [numbered(0)] * 3, audio_from=source)
    assert not VideoReader(path).probe.has_audio


@pytest.mark.usefixtures("_way")
def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    old = tmp_path / "a.mp4"
    old.write_text("older file")

    def stream() -> Iterator[np.ndarray]:
        yield from map(numbered, range(80))
        raise KeyError("the model broke")

    with pytest.raises(KeyError):
        write(old, stream(), comment="x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert old.read_text() == "older file"
    with pytest.raises(NoFramesError, match=r"a\.mp4"), VideoWriter(old, Fraction(25)):
        pass
    assert old.read_text() == "older file"


def test_other_shapes_are_mistakes(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", Fraction(25)) as out:
        out.write(numbered(0))
        with pytest.raises(ValueError, match="the first one was"):
            out.write(numbered(0, 32, 32))
        with pytest.raises(ValueError, match="uint8"):
            out.write(numbered(0).astype(np.float32))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"a\.webm"):
        VideoWriter(tmp_path / "a.webm", Fraction(25))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Path:
    """A file system of 400 kB."""
    disk = tmp_path / "tiny"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a tiny disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("missing", [4096, 20_000, 60_000])
@pytest.mark.usefixtures("_way")
def test_a_full_disk(tmp_path: Path, tiny_disk: Path, missing: int) -> None:
    """When most of the pictures do not fit, and when only the index at the end does not."""
    noise = list(np.random.default_rng(0).integers(0, 255, (12, 128, 128, 3)).astype(np.uint8))
    size = write(tmp_path / "a.mp4", noise).stat().st_size
    free = os.statvfs(tiny_disk)
    (tiny_disk / "other").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - size + missing)))
    with pytest.raises(DiskFullError, match=r"No space left .*a\.mp4"):
        write(tiny_disk / "a.mp4", noise)
    assert os.listdir(tiny_disk) == ["other"]  # noqa: PTH208
    with pytest.raises(DiskFullError, match=r"a\.png"):
        save_png(tiny_disk / "a.png", np.concatenate(noise))
    assert os.listdir(tiny_disk) == ["other"]  # noqa: PTH208


@pytest.mark.usefixtures("_way")
def test_a_place_that_may_not_be_written_to(tiny_disk: Path) -> None:
    """A disk mounted for reading only refuses even root."""
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    with pytest.raises(PermissionDeniedError, match=r"a\.mp4 cannot be written"):
        write(tiny_disk / "a.mp4", [numbered(0)] * 3)
    with pytest.raises(PermissionDeniedError, match=r"a\.png cannot be written"):
        save_png(tiny_disk / "a.png", numbered(0))


def test_an_incomplete_file_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that swallows the end without a word: the end is cut off behind the encoder's back."""
    old = tmp_path / "a.mp4"
    old.write_text("older file")
    finish = encode.InnerEncoder.finish

    def swallow(self: encode.InnerEncoder) -> None:
        finish(self)
        file = next(tmp_path.glob(".a.*.mp4"))
        os.truncate(file, 500)

    monkeypatch.setattr(encode.InnerEncoder, "finish", swallow)
    with pytest.raises(Vid2VidError, match="incomplete"):
        write(old, [numbered(index) for index in range(40)])
    assert old.read_text() == "older file"
    assert os.listdir(tmp_path) == ["a.mp4"]  # noqa: PTH208


def test_players_outside_agree(tmp_path: Path) -> None:
    """FFmpeg's own program decodes the file to the same pictures, sound and all, without a complaint."""
    source = source_with_sound(tmp_path / "s.mp4")
    path = write(tmp_path / "out.mp4", list(VideoReader(source)), audio_from=source)
    ffmpeg("-xerror", "-i", path, "-f", "null", "-")
    ffmpeg("-i", path, tmp_path / "%03d.png")
    assert len(list(tmp_path.glob("*.png"))) == 100
