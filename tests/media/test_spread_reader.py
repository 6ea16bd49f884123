"""Frames spread over a video."""

from __future__ import annotations

from itertools import chain, pairwise
from pathlib import Path

import pytest
from helpers.video_files import frame_numbers, numbered_frame, write_video

from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.spread_reader import MAX_RUNS, SpreadReader, spread_runs


@pytest.mark.parametrize("num_frames", [2, 3, 10, 11, 57, 1000])
@pytest.mark.parametrize("num_selected", [2, 3, 7, 10, 25, 56])
def test_spread_runs_are_apart_and_have_the_requested_number_of_frames(num_frames: int, num_selected: int) -> None:
    runs = spread_runs(num_frames, num_selected)
    indices = list(chain.from_iterable(runs))
    assert len(indices) == min(num_selected, num_frames)
    assert indices == sorted(set(indices))
    assert 0 <= indices[0] <= indices[-1] < num_frames
    assert len(runs) <= MAX_RUNS
    assert min(map(len, runs)) >= 2
    if num_frames >= 2 * num_selected:
        gaps = [second.start - first.stop for first, second in pairwise(runs)]
        assert min(gaps, default=1) > 0
        assert max(gaps, default=0) - min(gaps, default=0) <= 3


def test_spread_reader_reads_the_frames_of_its_runs(tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.mkv", [numbered_frame(index) for index in range(30)])
    reader = SpreadReader(VideoReader(video), 6)
    assert reader.runs == [range(4, 6), range(14, 16), range(24, 26)]
    for _ in range(2):  # it can be iterated again
        assert frame_numbers(reader) == [4, 5, 14, 15, 24, 25]
    assert reader.num_frames == 6
    assert reader.discontinuities == {2, 4}
    assert [reader.source_index(position) for position in range(6)] == [4, 5, 14, 15, 24, 25]


def test_spread_reader_reads_all_frames_of_a_short_video(tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.mkv", [numbered_frame(index) for index in range(4)])
    reader = SpreadReader(VideoReader(video), 6)
    assert frame_numbers(reader) == [0, 1, 2, 3]
    assert reader.discontinuities == set()
