from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.video_files import click_track, find_clicks, numbered_frame, run_ffmpeg, solid_frame, write_video

from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter

SMALL, LARGE = (48, 64), (96, 128)  # (height, width)
FRAMES = [numbered_frame(index) for index in range(50)]


def merge_tracks(path: Path, sources: list[Path], *options: str) -> Path:
    inputs = [argument for source in sources for argument in ("-i", source)]
    maps = [argument for index in range(len(sources)) for argument in ("-map", str(index))]
    run_ffmpeg(*inputs, *maps, "-c", "copy", *options, path)
    return path


@pytest.fixture
def two_videos(tmp_path: Path) -> list[Path]:
    return [
        write_video(tmp_path / "small.mp4", [solid_frame((200, 30, 30), *SMALL)] * 5),
        write_video(tmp_path / "large.mp4", [solid_frame((30, 30, 200), *LARGE)] * 5),
    ]


@pytest.mark.parametrize(
    ("dispositions", "expected_size"),
    [
        (("default", "0"), SMALL),
        (("0", "default"), LARGE),
        (("0", "0"), LARGE),
        (("default", "default"), LARGE),
    ],
)
def test_reader_uses_default_video_track_then_largest(
    tmp_path: Path, two_videos: list[Path], dispositions: tuple[str, str], expected_size: tuple[int, int]
) -> None:
    options = ("-disposition:v:0", dispositions[0], "-disposition:v:1", dispositions[1])
    reader = VideoReader(merge_tracks(tmp_path / "both.mkv", two_videos, *options))
    frame = next(iter(reader))
    assert frame.shape[:2] == (reader.height, reader.width) == expected_size
    assert (frame[5, 5, 0] > frame[5, 5, 2]) is np.bool_(expected_size == SMALL)
    (remark,) = [remark for remark in reader.remarks if "2 video tracks" in remark]
    assert f"{expected_size[1]}x{expected_size[0]}" in remark


def test_reader_single_track_has_no_track_remark(two_videos: list[Path]) -> None:
    assert not probe(two_videos[0]).remarks


@pytest.mark.parametrize(("dispositions", "expected_click"), [(("default", "0"), 0.5), (("0", "default"), 1.0)])
def test_writer_copies_default_audio_track_in_sync(
    tmp_path: Path, dispositions: tuple[str, str], expected_click: float
) -> None:
    sources = [
        write_video(tmp_path / f"{index}.mp4", FRAMES, 25, audio=click_track(2.0, [click]))
        for index, click in enumerate((0.5, 1.0))
    ]
    path = tmp_path / "both.mkv"
    options = ("-disposition:a:0", dispositions[0], "-disposition:a:1", dispositions[1])
    inputs = ("-i", sources[0], "-i", sources[1], "-map", "0", "-map", "1:a")
    run_ffmpeg(*inputs, "-c", "copy", *options, path)
    video_probe = probe(path)
    assert video_probe.has_audio
    assert [remark for remark in video_probe.remarks if "2 audio tracks" in remark]
    for start in (0.0, 0.2):
        with VideoWriter(tmp_path / "out.mp4", Fraction(25), audio_path=path, audio_start=start) as writer:
            for frame in VideoReader(path, start=start):
                writer.write(frame)
        (click,) = find_clicks(tmp_path / "out.mp4")
        assert click == pytest.approx(expected_click - start, abs=0.03)


def test_writer_prefers_more_channels_of_equal_audio_tracks(tmp_path: Path) -> None:
    tones = ("-f", "lavfi", "-i", "sine=440:duration=1")
    source = write_video(tmp_path / "v.mp4", FRAMES[:25], 25)
    path = tmp_path / "both.mkv"
    run_ffmpeg("-i", source, *tones, *tones, "-map", "0", "-map", "1", "-map", "2", "-c:v", "copy", "-ac:a:0", "1",
               "-ac:a:1", "2", "-disposition:a", "0", path)  # fmt: skip
    (remark,) = probe(path).remarks
    assert "stream 2" in remark
    assert "stereo" in remark
