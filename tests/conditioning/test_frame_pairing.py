"""The file of each frame that `annotate` receives: folders, constant and variable frame rates."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from helpers.video_files import frame_numbers, numbered_frame, write_video

from vid2vid_cli.conditioning import VideoContext, View, pair_with_frames
from vid2vid_cli.core.errors import InputFileMismatchError
from vid2vid_cli.media.decode import picture_times
from vid2vid_cli.media.reader import VideoReader

OPTION = "labels.input_dir"


def make_context(num_frames: int, **changes: Any) -> VideoContext:
    view, fps = View.from_box((0, 0, 16, 16), 16, 16), Fraction(30)
    context = VideoContext(Path("v.mp4"), 16, 16, num_frames=num_frames, fps=fps, view=view, sampled_fps=fps)
    return replace(context, **changes)


def write_files(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def test_pair_with_frames_uses_names_of_a_folder(tmp_path: Path) -> None:
    files = write_files(tmp_path / "labels", *(f"{number}.png" for number in range(6)))
    frames = tuple(Path("images") / f"{number:03d}.jpg" for number in (1, 2, 4, 5))
    (tmp_path / "labels" / "notes.md").touch()
    context = make_context(4, frame_files=frames, first_index=1)
    pairing = pair_with_frames(tmp_path / "labels", files, context, option_name=OPTION)
    assert [pairing[index] for index in range(3)] == [2, 4, 5]
    assert len(context.notices) == 2
    assert "notes.md" in context.notices[0]
    assert "0.png, 3.png" in context.notices[1]
    assert all(notice.startswith(OPTION) for notice in context.notices)


def test_pair_with_frames_of_a_video_needs_equal_counts(tmp_path: Path) -> None:
    files = write_files(tmp_path / "labels", "0.png", "1.png", "3.png", "4.png")
    with pytest.raises(InputFileMismatchError, match=r"4 files.*5 frames.*1\.png and 3\.png"):
        pair_with_frames(tmp_path / "labels", files, make_context(5), option_name=OPTION)
    with pytest.raises(InputFileMismatchError, match=r"4 frames.*5 frames"):
        pair_with_frames(Path("labels.mkv"), 4, make_context(5), option_name=OPTION)
    pairing = pair_with_frames(tmp_path / "labels", files, None, option_name=OPTION)
    assert pairing[3] == 3
    with pytest.raises(InputFileMismatchError, match="frame 4"):
        pairing[4]


@pytest.mark.parametrize("rate", ["30", "15", "60", "25"])
@pytest.mark.parametrize("start", [0.0, 0.1, 0.35])
def test_pair_with_frames_maps_stored_pictures_of_variable_rate(tmp_path: Path, rate: str, start: float) -> None:
    timestamps = [0, 1, 2, 6, 7, 8, 12, 13, 14, 15, 20, 21]
    frames = [numbered_frame(index) for index in range(12)]
    path = write_video(tmp_path / "v.mp4", frames, 30, timestamps=timestamps, time_base=Fraction(1, 30))
    reader = VideoReader(path, fps=Fraction(rate), start=start)
    context = make_context(
        reader.probe.num_frames,
        fps=reader.probe.fps,
        sampled_fps=Fraction(rate),
        start_seconds=start,
        picture_times=picture_times(path, reader.probe),
    )
    expected = frame_numbers(list(reader))
    pairing = pair_with_frames(tmp_path / "json", 12, context, option_name=OPTION)
    assert [pairing[index] for index in range(len(expected))] == expected
    # A label video on the grid belongs to the grid.
    grid_pairing = pair_with_frames(tmp_path / "l.mkv", reader.probe.num_frames, context, option_name=OPTION)
    assert grid_pairing[3] == context.source_frame_index(3)
    with pytest.raises(InputFileMismatchError, match=r"12 pictures.*22 frames"):
        pair_with_frames(tmp_path / "json", 13, context, option_name=OPTION)
