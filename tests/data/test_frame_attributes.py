"""Attributes of frames from a CSV file: scaling, clips, and errors that name the column, line or frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.factories import NUM_FRAMES

from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.data.frame_attributes import FrameAttribute, load_frame_attributes, scale_attributes


def load(path: Path, names: tuple[str, ...], dataset: Path) -> list[FrameAttribute]:
    """The attributes of a dataset whose conditioners measure nothing."""
    return load_frame_attributes(str(path), names, Dataset(dataset), tuple)


def test_attributes_are_scaled_to_their_range(dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "attributes.csv"
    rows = [f"{frame}, {frame % 2}, {10 * frame}" for frame in reversed(range(NUM_FRAMES))]
    path.write_text("frame, smile, glasses\n" + "\n".join(rows))
    (values,) = scale_attributes(load(path, ("glasses", "smile"), dataset), Dataset(dataset))
    assert np.allclose(values[:, 0], np.linspace(-1, 1, NUM_FRAMES))
    assert np.array_equal(values[:4, 1], [-1, 1, -1, 1])


def test_columns_without_frame_list_frames(dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "glasses.csv"
    path.write_text("glasses,smile\n3-5,1\n9,\n")
    glasses, smile = load(path, ("glasses", "smile"), dataset)
    assert np.flatnonzero(glasses.values).tolist() == [3, 4, 5, 9]
    assert np.flatnonzero(smile.values).tolist() == [1]


def test_threshold_divides_two_groups() -> None:
    values = np.array([0.1, 0.9, np.nan, 0.2, 1.0, 0.15], np.float32)
    assert FrameAttribute("a", "b", values).split_threshold() == pytest.approx(0.55)
    assert FrameAttribute("a", "b", np.array([0, 0, 0, 1], np.float32)).split_threshold() == 0.5


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("frame,smle\n0,1\n", "Did you mean smle?"),
        ("smile\nyes\n", "range of frames"),
        ("smile\n3-99\n", "frame 99"),
        ("smle\n1\n", "Did you mean smle?"),
        ("frame,smile\n0,1\n", "such as 1"),
        ("frame,smile\n0,yes\n", "line 2"),
        ("frame,smile\n0,nan\n", "finite"),
        ("frame,smile\n99,1\n", "frame 99"),
        ("frame,smile\n" + "".join(f"{frame},1\n" for frame in range(NUM_FRAMES)), "same value"),
    ],
)
def test_errors_name_the_fault(dataset: Path, tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "attributes.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, ("smile",), dataset)
    assert part in f"{caught.value.message} {caught.value.hint}"


def test_missing_file_is_an_error(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        load(tmp_path / "none.csv", ("smile",), dataset)
    with pytest.raises(ConfigError, match="attributes_file"):
        load_frame_attributes(None, ("smile",), Dataset(dataset), tuple)
