"""Attributes of frames from a CSV file: scaling, clips, and errors that name the column, line or frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.factories import NUM_FRAMES

from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.data.frame_attributes import load_frame_attributes


def test_attributes_are_scaled_to_their_range(dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "attributes.csv"
    rows = [f"{frame}, {frame % 2}, {10 * frame}" for frame in reversed(range(NUM_FRAMES))]
    path.write_text("frame, smile, glasses\n" + "\n".join(rows))
    (values,) = load_frame_attributes(str(path), ("glasses", "smile"), Dataset(dataset))
    assert np.allclose(values[:, 0], np.linspace(-1, 1, NUM_FRAMES))
    assert np.array_equal(values[:4, 1], [-1, 1, -1, 1])


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("frame,smle\n0,1\n", "smle"),
        ("smile\n1\n", "frame"),
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
        load_frame_attributes(str(path), ("smile",), Dataset(dataset))
    assert part in f"{caught.value.message} {caught.value.hint}"


def test_missing_file_is_an_error(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        load_frame_attributes(str(tmp_path / "none.csv"), ("smile",), Dataset(dataset))
    with pytest.raises(ConfigError, match="attributes_file"):
        load_frame_attributes(None, ("smile",), Dataset(dataset))
