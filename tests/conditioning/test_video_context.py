"""Which of a video's own frames a conditioner is given: what `Footage` says is what the reader shows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.fake_conditioners import film

from vid2vid_cli.conditioning import Footage, View
from vid2vid_cli.media.reader import VideoReader


def numbered(index: int) -> np.ndarray:
    return np.full((16, 16, 3), index * 5, np.uint8)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("film") / "v.mov", [numbered(index) for index in range(40)], Fraction(30))


@pytest.mark.parametrize("rate", ["30", "20", "25", "15", "12.5", "30000/1001", "60", "50"])
@pytest.mark.parametrize("start", [0.0, 0.2, 0.11, 1 / 3])
def test_the_number_is_that_of_the_frame_that_is_shown(video: Path, rate: str, start: float) -> None:
    reader = VideoReader(video, fps=Fraction(rate), start=start)
    view = View.of_box((0, 0, 16, 16), 16, 16)
    footage = Footage(video, 16, 16, 40, Fraction(30), view, Fraction(rate), start)
    shown = [round(float(frame.mean()) / 5) for frame in reader]
    assert len(shown) > 8
    said = [footage.number(index) for index in range(len(shown))]
    assert [min(number, 39) for number in said] == shown
