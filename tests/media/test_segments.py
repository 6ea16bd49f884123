"""Videos written in segments: every format, its alpha, its audio, and its times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.video_files import click_track, find_clicks, frame_numbers, numbered_frame, write_video

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.media.images import load_png
from vid2vid_cli.media.output_formats import OUTPUT_FORMATS, FormatName, require_encoder
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.segments import SegmentedVideo, VideoSettings, check_replaceable

NUM_FRAMES, FPS = 11, Fraction(30000, 1001)
ALPHA_RAMP = np.linspace(0, 255, 97).astype(np.uint8)[None].repeat(63, axis=0)


def write_segments(folder: Path, name: FormatName, *, has_alpha: bool = False, audio: Path | None = None) -> Path:
    """Write numbered frames of an odd size in segments of four and three frames."""
    output_format = OUTPUT_FORMATS[name]
    work, path = folder / "work", folder / f"out{''.join(output_format.suffixes[:1])}"
    work.mkdir()
    settings = VideoSettings(
        output_format=output_format, fps=FPS, has_alpha=has_alpha, audio_path=audio, comment="made by a test"
    )
    video = SegmentedVideo(work, "video", settings, num_segments=0, num_frames=0)
    for index in range(NUM_FRAMES):
        frame = numbered_frame(index, 63, 97)
        if has_alpha:
            frame = np.dstack([frame, ALPHA_RAMP])
        video.write(frame.astype(np.uint16) * 257 if output_format.bit_depth == 16 else frame)
        if index in (3, 6):
            video.end_segment()
    video.end_segment()
    video.join(path)
    return path


@pytest.mark.parametrize("name", ["mp4", "mov", "mkv", "webm"])
def test_segmented_video_joins_frames_times_and_audio(tmp_path: Path, name: FormatName) -> None:
    audio = click_track(float(NUM_FRAMES / FPS), [0.2])
    source = write_video(tmp_path / "s.mp4", [numbered_frame(0)] * NUM_FRAMES, FPS, audio=audio)
    path = write_segments(tmp_path, name, audio=source)
    reader = VideoReader(path)
    assert frame_numbers(list(reader)) == list(range(NUM_FRAMES))
    assert (reader.fps, reader.num_frames) == (FPS, NUM_FRAMES)
    assert find_clicks(path) == pytest.approx([0.2], abs=0.03)


def test_segmented_video_is_lossless_and_reproducible_in_mkv(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths.append(write_segments(tmp_path / name, "mkv"))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    for index, frame in enumerate(VideoReader(paths[0])):
        assert np.array_equal(frame, numbered_frame(index, 63, 97))


@pytest.mark.parametrize(("name", "decoder", "tolerance"), [("mov", "", 1), ("mkv", "", 0), ("webm", "libvpx-vp9", 6)])
def test_segmented_video_keeps_alpha(tmp_path: Path, name: FormatName, decoder: str, tolerance: int) -> None:
    path = write_segments(tmp_path, name, has_alpha=True)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = av.CodecContext.create(decoder, "r") if decoder else stream.codec_context
        frames = [frame for packet in container.demux(stream) for frame in context.decode(packet)]  # type: ignore[union-attr]
    alpha = frames[5].to_ndarray(format="rgba")[:, :, 3]
    assert np.abs(alpha.astype(int) - ALPHA_RAMP).max() <= tolerance
    if name == "webm":  # browsers ignore the alpha channel without this element
        assert b"\x53\xc0\x81\x01" in path.read_bytes()


@pytest.mark.parametrize(("name", "factor"), [("png", 1), ("png16", 257)])
def test_segmented_video_writes_exact_images(tmp_path: Path, name: FormatName, factor: int) -> None:
    folder = write_segments(tmp_path, name, has_alpha=name == "png")
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"{index:06d}.png" for index in range(NUM_FRAMES)]
    image = load_png(files[6])
    assert np.array_equal(image[:, :, :3], numbered_frame(6, 63, 97).astype(np.uint16) * factor)
    if name == "png":
        assert np.array_equal(image[:, :, 3], ALPHA_RAMP)


def test_segmented_video_writes_gif(tmp_path: Path) -> None:
    with av.open(str(write_segments(tmp_path, "gif"))) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert frame_numbers(frames) == list(range(NUM_FRAMES))


def test_check_replaceable_keeps_other_files(tmp_path: Path) -> None:
    (tmp_path / "000000.png").touch()
    check_replaceable(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError):
        check_replaceable(tmp_path)


@pytest.mark.parametrize("name", ["mp4", "gif"])
def test_require_encoder_rejects_formats_without_alpha(name: FormatName) -> None:
    with pytest.raises(ConfigError, match="alpha"):
        require_encoder(OUTPUT_FORMATS[name], has_alpha=True)


def test_png_folder_is_read_again(tmp_path: Path) -> None:
    assert probe(write_segments(tmp_path, "png")).num_frames == NUM_FRAMES
