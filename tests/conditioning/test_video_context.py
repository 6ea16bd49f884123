"""`VideoContext.source_frame_index` agrees with the frames that `VideoReader` returns."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.fake_conditioners import write_png_video

from vid2vid_cli.conditioning import VideoContext, View
from vid2vid_cli.media.reader import VideoReader


def numbered_frame(index: int) -> np.ndarray:
    return np.full((16, 16, 3), index * 5, np.uint8)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_png_video(
        tmp_path_factory.mktemp("video") / "v.mov", [numbered_frame(index) for index in range(40)], Fraction(30)
    )


@pytest.mark.parametrize("rate", ["30", "20", "25", "15", "12.5", "30000/1001", "60", "50"])
@pytest.mark.parametrize("start", [0.0, 0.2, 0.11, 1 / 3])
def test_source_frame_index_matches_video_reader(video: Path, rate: str, start: float) -> None:
    reader = VideoReader(video, fps=Fraction(rate), start=start)
    view = View.from_box((0, 0, 16, 16), 16, 16)
    context = VideoContext(
        video, 16, 16, num_frames=40, fps=Fraction(30), view=view, sampled_fps=Fraction(rate), start_seconds=start
    )
    frame_numbers = [round(float(frame.mean()) / 5) for frame in reader]
    assert len(frame_numbers) > 8
    indices = [context.source_frame_index(index) for index in range(len(frame_numbers))]
    assert [min(index, 39) for index in indices] == frame_numbers
