from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.video_files import (
    RED,
    click_track,
    find_clicks,
    frame_numbers,
    numbered_frame,
    run_ffmpeg,
    solid_frame,
    write_video,
)

from vid2vid_cli.core.errors import ConfigError, DiskFullError, NoFramesError, PermissionDeniedError, Vid2VidError
from vid2vid_cli.media import encode, writer
from vid2vid_cli.media.encode import EncodeJob
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.output_formats import OUTPUT_FORMATS
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import SYNTHETIC_COMMENT, VideoWriter, is_rendered


@pytest.fixture(params=["pyav", "ffmpeg"])
def _encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with both encoders: libx264 in PyAV, and the FFmpeg binary of imageio-ffmpeg."""
    monkeypatch.setattr(writer, "has_libx264", lambda: request.param == "pyav")
    return str(request.param)


def write_frames(path: Path, frames: Iterable[np.ndarray], fps: Fraction | int = 25, **options: object) -> Path:
    with VideoWriter(path, Fraction(fps), **options) as video_writer:  # type: ignore[arg-type]
        for frame in frames:
            video_writer.write(frame)
    return path


def test_has_libx264() -> None:
    assert encode.has_libx264()


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(25), Fraction(100, 7)])
@pytest.mark.usefixtures("_encoder")
def test_writer_keeps_frames_rate_and_comment(tmp_path: Path, rate: Fraction) -> None:
    path = write_frames(
        tmp_path / "a.mp4", [numbered_frame(index) for index in range(40)], rate, comment="made by a test"
    )
    reader = VideoReader(path)
    assert frame_numbers(list(reader)) == list(range(40))
    assert (reader.fps, reader.num_frames, reader.warnings) == (rate, 40, [])
    with av.open(str(path)) as container:
        assert container.metadata["comment"] == "made by a test"
        assert container.streams.video[0].pix_fmt == "yuv420p"
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index must come first"
    assert os.listdir(tmp_path) == ["a.mp4"]  # noqa: PTH208


@pytest.mark.parametrize("size", [(64, 96), (720, 96)])
@pytest.mark.usefixtures("_encoder")
def test_writer_keeps_and_tags_colours(tmp_path: Path, size: tuple[int, int]) -> None:
    for colour in (RED, (20, 200, 90), (255, 255, 255), (0, 0, 0)):
        path = write_frames(tmp_path / "a.mp4", [solid_frame(colour, *size)] * 3)
        assert np.abs(next(iter(VideoReader(path)))[5, 5].astype(int) - colour).max() <= 2
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)
        context = container.streams.video[0].codec_context
        assert (int(context.color_primaries), int(context.color_trc)) == (1, 1)


@pytest.mark.parametrize("has_avx512", [True, False])
def test_x264_does_not_use_avx512(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_avx512: bool) -> None:
    """On a busy machine, a tenth of its files with equal frames of 64x64 pixels differed."""
    monkeypatch.setattr(encode.cv2, "checkHardwareSupport", lambda number: has_avx512 and number == encode.CPU_AVX_512F)
    job = EncodeJob(
        path=tmp_path / "a.mp4",
        output_format=OUTPUT_FORMATS["mp4"],
        has_alpha=False,
        fps=Fraction(25),
        crf=18,
        preset="fast",
        comment="",
        audio_path=None,
        audio_start=0.0,
    )
    expected = {"crf": "18", "preset": "fast"} | ({"x264-params": "asm=avx2"} if has_avx512 else {})
    assert job.x264_options == expected


@pytest.mark.usefixtures("_encoder")
def test_writer_pads_odd_sizes(tmp_path: Path) -> None:
    image = np.zeros((61, 97, 3), np.uint8)
    image[:, 48:] = 200
    path = write_frames(tmp_path / "a.mp4", [image] * 3, comment="hello")
    frame = next(iter(VideoReader(path)))
    assert frame.shape == (62, 98, 3)
    assert np.abs(frame[:61, :97].astype(int) - image).mean() < 2
    assert frame[61, 97].min() > 190
    with av.open(str(path)) as container:
        assert container.metadata["comment"] == "hello (source size 97x61)"


def source_with_audio(path: Path, audio_codec_name: str = "aac") -> Path:
    frames = [numbered_frame(index) for index in range(100)]
    codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
    audio = click_track(4.0, [0.5, 1.5, 2.5, 3.5])
    return write_video(path, frames, 25, codec=codec, audio=audio, audio_codec=audio_codec_name)


def audio_codec(path: Path) -> str:
    with av.open(str(path)) as container:
        return container.streams.audio[0].codec_context.codec.canonical_name


@pytest.mark.parametrize(
    ("name", "codec", "expected_codec"),
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
def test_writer_copies_or_encodes_audio_in_sync(tmp_path: Path, name: str, codec: str, expected_codec: str) -> None:
    source = source_with_audio(tmp_path / name, codec)
    reader = VideoReader(source)
    path = write_frames(tmp_path / "out.mp4", list(reader), reader.fps, audio_path=source)
    assert audio_codec(path) == expected_codec
    assert find_clicks(path) == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.005)
    output = VideoReader(path)
    assert frame_numbers(list(output)) == list(range(100))
    assert float(output.probe.start_time) == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_writer_copies_audio_packets_unchanged(tmp_path: Path, codec: str) -> None:
    source = source_with_audio(tmp_path / "s.mkv", codec)
    path = write_frames(tmp_path / "out.mkv", [numbered_frame(0)] * 100, audio_path=source)

    def read_packets(file: Path) -> list[bytes]:
        with av.open(str(file)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    copied_packets = read_packets(path)
    assert len(copied_packets) > 50
    assert set(copied_packets) <= set(read_packets(source))


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
@pytest.mark.usefixtures("_encoder")
def test_writer_trims_audio_to_range(tmp_path: Path, codec: str) -> None:
    source = source_with_audio(tmp_path / "s.mkv", codec)
    reader = VideoReader(source, start=1.2, end=3.0)
    path = write_frames(tmp_path / "out.mp4", list(reader), reader.fps, audio_path=source, audio_start=1.2)
    assert find_clicks(path) == pytest.approx([0.3, 1.3], abs=0.005)
    with av.open(str(path)) as container:
        audio, video = container.streams.audio[0], container.streams.video[0]
        assert float(audio.duration * audio.time_base) == pytest.approx(1.8, abs=0.05)
        assert float((video.start_time or 0) * video.time_base) == pytest.approx(0, abs=0.001)


def test_writer_ignores_damaged_audio(tmp_path: Path) -> None:
    """TTA must be transcoded for MP4; damaged packets are skipped."""
    source = source_with_audio(tmp_path / "s.mkv", "tta")
    data = bytearray(source.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 100] = bytes(range(100))
    source.write_bytes(data)
    path = write_frames(tmp_path / "out.mp4", [numbered_frame(index) for index in range(100)], audio_path=source)
    assert frame_numbers(list(VideoReader(path))) == list(range(100))


def test_writer_audio_in_sync_for_variable_rate_source(tmp_path: Path) -> None:
    """A frame that is shown for half a second does not shift the following frames relative to the audio."""
    timestamps = [*range(20), *range(34, 60)]
    frames = [numbered_frame(index) for index in range(46)]
    source = write_video(
        tmp_path / "v.mp4", frames, 30, timestamps=timestamps, time_base=Fraction(1, 30), audio=click_track(2.0, [1.5])
    )
    reader = VideoReader(source)
    path = write_frames(tmp_path / "out.mp4", list(reader), reader.fps, audio_path=source)
    assert find_clicks(path) == pytest.approx([1.5], abs=0.005)
    assert frame_numbers(list(VideoReader(path)))[45] == 20 + 45 - 34, "1.5 s is timestamp 45"


@pytest.mark.parametrize("kind", ["images", "silent", "missing"])
def test_writer_accepts_source_without_audio(tmp_path: Path, kind: str) -> None:
    source = tmp_path / kind
    if kind == "images":
        source.mkdir()
        save_png(source / "0.png", numbered_frame(0))
    elif kind == "silent":
        source = write_video(tmp_path / "silent.mp4", [numbered_frame(0)] * 3)
    path = write_frames(tmp_path / "out.mp4", [numbered_frame(0)] * 3, audio_path=source)
    assert not VideoReader(path).probe.has_audio


@pytest.mark.usefixtures("_encoder")
def test_writer_exception_leaves_no_file(tmp_path: Path) -> None:
    existing_path = tmp_path / "a.mp4"
    existing_path.write_text("older file")

    def failing_frames() -> Iterator[np.ndarray]:
        yield from map(numbered_frame, range(80))
        raise KeyError("the model broke")

    with pytest.raises(KeyError):
        write_frames(existing_path, failing_frames(), comment="x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert existing_path.read_text() == "older file"
    with pytest.raises(NoFramesError, match=r"a\.mp4"), VideoWriter(existing_path, Fraction(25)):
        pass
    assert existing_path.read_text() == "older file"


def test_writer_rejects_wrong_shapes_and_suffix(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", Fraction(25)) as video_writer:
        video_writer.write(numbered_frame(0))
        with pytest.raises(ValueError, match="frame 1"):
            video_writer.write(numbered_frame(0, 32, 32))
        with pytest.raises(ValueError, match="uint8"):
            video_writer.write(numbered_frame(0).astype(np.float32))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"a\.avi"):
        VideoWriter(tmp_path / "a.avi", Fraction(25))


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A mounted file system of 400 kB."""
    disk = tmp_path / "small"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("mount is not permitted")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("missing_bytes", [4096, 20_000, 60_000])
@pytest.mark.usefixtures("_encoder")
def test_writer_reports_full_disk(tmp_path: Path, small_disk: Path, missing_bytes: int) -> None:
    """The disk is full before most of the frames, or only before the index at the end."""
    noise = list(np.random.default_rng(0).integers(0, 255, (12, 128, 128, 3)).astype(np.uint8))
    size = write_frames(tmp_path / "a.mp4", noise).stat().st_size
    disk_stats = os.statvfs(small_disk)
    (small_disk / "other").write_bytes(bytes(max(0, disk_stats.f_bavail * disk_stats.f_frsize - size + missing_bytes)))
    with pytest.raises(DiskFullError, match=r"a\.mp4"):
        write_frames(small_disk / "a.mp4", noise)
    assert os.listdir(small_disk) == ["other"]  # noqa: PTH208
    with pytest.raises(DiskFullError, match=r"a\.png"):
        save_png(small_disk / "a.png", np.concatenate(noise))
    assert os.listdir(small_disk) == ["other"]  # noqa: PTH208


@pytest.mark.usefixtures("_encoder")
def test_writer_reports_read_only_disk(small_disk: Path) -> None:
    """A read-only mount also rejects root."""
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(PermissionDeniedError, match=r"a\.mp4"):
        write_frames(small_disk / "a.mp4", [numbered_frame(0)] * 3)
    with pytest.raises(PermissionDeniedError, match=r"a\.png"):
        save_png(small_disk / "a.png", numbered_frame(0))


def test_writer_incomplete_file_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is truncated after the encoder has finished without an error."""
    existing_path = tmp_path / "a.mp4"
    existing_path.write_text("older file")
    original_finish = encode.PyAVEncoder.finish

    def truncate_after_finish(self: encode.PyAVEncoder) -> None:
        original_finish(self)
        os.truncate(next(tmp_path.glob(".a.*.mp4")), 500)

    monkeypatch.setattr(encode.PyAVEncoder, "finish", truncate_after_finish)
    with pytest.raises(Vid2VidError, match=r"a\.mp4"):
        write_frames(existing_path, [numbered_frame(index) for index in range(40)])
    assert existing_path.read_text() == "older file"
    assert os.listdir(tmp_path) == ["a.mp4"]  # noqa: PTH208


def test_writer_output_decodes_with_ffmpeg(tmp_path: Path) -> None:
    """The FFmpeg binary decodes all frames and the audio without an error."""
    source = source_with_audio(tmp_path / "s.mp4")
    path = write_frames(tmp_path / "out.mp4", list(VideoReader(source)), audio_path=source)
    run_ffmpeg("-xerror", "-i", path, "-f", "null", "-")
    run_ffmpeg("-i", path, tmp_path / "%03d.png")
    assert len(list(tmp_path.glob("*.png"))) == 100


def test_is_rendered_by_the_comment(tmp_path: Path) -> None:
    frames = [np.zeros((16, 16, 3), np.uint8)]
    assert is_rendered(write_frames(tmp_path / "a.mp4", frames, comment=f"{SYNTHETIC_COMMENT} Made with x."))
    assert not is_rendered(write_frames(tmp_path / "b.mp4", frames, comment="holiday"))
    (tmp_path / "c.mp4").write_bytes(b"partial")
    assert not is_rendered(tmp_path / "c.mp4")
