from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.video_files import frame_numbers, numbered_frame, write_video

from vid2vid_cli.media.packet_times import PacketTimes, count_unused_pictures
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader

CLOCK = Fraction(1, 90000)


def write_timestamps(path: Path, seconds: list[Fraction]) -> Path:
    """A video of small pictures shown at the given times."""
    frames = [numbered_frame(index % 256, 16, 32) for index in range(len(seconds))]
    ticks = [round(time / CLOCK) for time in seconds]
    return write_video(path, frames, 30, timestamps=ticks, time_base=CLOCK)


def constant_times(num_frames: int, fps: Fraction | int, start: Fraction = Fraction(0)) -> list[Fraction]:
    return [start + index / Fraction(fps) for index in range(num_frames)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_probe_measures_frame_rate_on_whole_file(tmp_path: Path, suffix: str) -> None:
    """The rate changes after 450 packets: 45 s at 10 fps, then 5 s at 30 fps."""
    times = constant_times(450, 10) + constant_times(150, 30, Fraction(45))
    reader = VideoReader(write_timestamps(tmp_path / f"late{suffix}", times))
    assert (reader.fps, reader.probe.is_variable_rate, reader.num_frames) == (10, True, 500)
    assert (reader.probe.num_stored_frames, reader.probe.num_unused_frames) == (600, 100)
    assert frame_numbers(list(reader))[-3:] == [(450 + index) % 256 for index in (142, 145, 148)]
    assert [remark for remark in reader.remarks if "100 of its 600 pictures" in remark]
    assert not [remark for remark in VideoReader(reader.path, fps=Fraction(30)).remarks if "pictures" in remark]


def test_probe_long_constant_rate_near_standard_rate_is_constant(tmp_path: Path) -> None:
    """29.97 fps stored as 30.03: within 0.2 % of 30, but a grid at 30 fps is a whole frame off after 1,000 frames."""
    rate = Fraction(30030, 1000)
    video_probe = probe(write_timestamps(tmp_path / "a.mp4", constant_times(1500, rate)))
    assert not video_probe.is_variable_rate
    assert float(video_probe.fps) == pytest.approx(30.03, abs=1e-4)
    assert (video_probe.num_frames, video_probe.num_unused_frames) == (1500, 0)


def test_probe_late_missing_frame_is_variable_rate(tmp_path: Path) -> None:
    times = [time for index, time in enumerate(constant_times(600, 25)) if index != 580]
    video_probe = probe(write_timestamps(tmp_path / "a.mp4", times))
    assert (video_probe.fps, video_probe.is_variable_rate, video_probe.num_unused_frames) == (25, True, 0)


def test_probe_concatenated_recordings_keep_rate(tmp_path: Path) -> None:
    """Both parts of the file have the same time stamps, as with `cat a.ts b.ts`."""
    for name, fps in (("a.ts", 25), ("b.ts", 25)):
        write_video(tmp_path / name, [numbered_frame(index, 16, 32) for index in range(50)], fps)
    both = tmp_path / "both.ts"
    both.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    video_probe = probe(both)
    assert (video_probe.fps, video_probe.num_stored_frames) == (25, 100)
    assert video_probe.duration == pytest.approx(4.0, abs=0.1)


def test_count_unused_pictures_follows_reader_rule() -> None:
    def times(ticks: list[int]) -> PacketTimes:
        return PacketTimes(np.array(ticks, dtype=np.int64), Fraction(1, 1000), Fraction(1, 20), True)

    assert count_unused_pictures(times([0, 100, 200, 300]), Fraction(10)) == 0
    assert count_unused_pictures(times([0, 33, 67, 100, 200]), Fraction(10)) == 2
    assert count_unused_pictures(times([0, 50, 100, 150]), Fraction(10)) == 2
    assert count_unused_pictures(times([5]), Fraction(10)) == 0
    assert count_unused_pictures(times([]), Fraction(10)) == 0
