from __future__ import annotations

from pathlib import Path

import numpy as np

from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.training.progress_video import write_progress_video


def test_progress_video_shows_the_sheets_in_order(tmp_path: Path) -> None:
    """The first sheet, of the warm-up, has fewer rows."""
    for index, height in enumerate((40, 60, 60)):
        save_png(tmp_path / f"{index}.png", np.full((height, 120, 3), 60 * (index + 1), np.uint8))
    sheets = [(f"step {index}", tmp_path / f"{index}.png") for index in range(3)]
    assert write_progress_video(tmp_path / "progress.mp4", sheets)
    frames = list(VideoReader(tmp_path / "progress.mp4"))
    assert [round(float(frame[300, 300].mean()) / 60) for frame in frames] == [1, 2, 3]
    assert frames[0].shape == (720 + 24, 3 * 720, 3)


def test_progress_video_of_one_sheet_is_left_out(tmp_path: Path) -> None:
    assert not write_progress_video(tmp_path / "progress.mp4", [("step 1", tmp_path / "1.png")])
    assert list(tmp_path.iterdir()) == []
