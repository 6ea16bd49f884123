"""Edges that were drawn elsewhere: polarity, place and order, and what is no drawing."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vid2vid_cli.conditioning import FilesMismatchError, Footage, LabelFilesError, View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.synthetic import drawn_clip
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.testing import ConditionerContract


def lines(index: int, height: int = 64, width: int = 96) -> Any:
    """A white cross on black that moves to the right."""
    drawn = np.zeros((height, width), np.uint8)
    drawn[height // 2 - 1 : height // 2 + 1] = 255
    drawn[:, 10 + 4 * index : 12 + 4 * index] = 255
    return drawn


def write(folder: Path, drawings: list[Any]) -> Path:
    folder.mkdir()
    for index, drawn in enumerate(drawings):
        save_png(folder / f"{index}.png", drawn)
    return folder


def read(path: Path, count: int, of: Footage | None = None) -> list[Any]:
    conditioner = load_conditioner("edges", {"dir": path})
    conditioner = conditioner.of(of) if of is not None else conditioner
    return [one.images["edges"] for one in conditioner.annotate([np.zeros((64, 96, 3), np.uint8)] * count)]


class TestDrawings(ConditionerContract):
    name = "edges"

    def files(self, folder: Path) -> Mapping[str, Any]:
        height, width = drawn_clip(1)[0].shape[:2]
        return {"dir": write(folder / "d", [lines(index, height, width) for index in range(6)])}


def test_light_lines_on_black_and_dark_ones_on_white_are_the_same(tmp_path: Path) -> None:
    black = read(write(tmp_path / "a", [lines(0), lines(1)]), 2)
    white = read(write(tmp_path / "b", [255 - lines(0), 255 - lines(1)]), 2)
    assert np.array_equal(black[1], lines(1))
    assert np.array_equal(black, white)
    # Decided once: a frame that is nearly full of lines is not turned round.
    full = np.full((64, 96), 255, np.uint8)
    full[:40] = 0
    assert np.array_equal(read(write(tmp_path / "c", [lines(0), full]), 2)[1], full)


def test_a_video_of_drawings_keeps_its_order(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "d.mp4", Fraction(25), crf=1) as writer:
        for index in range(12):
            writer.write(np.repeat(lines(index)[:, :, None], 3, axis=2))
    view = View.of_box((0, 0, 96, 64), 64, 96)
    half = Footage(tmp_path / "v.mp4", 64, 96, 12, Fraction(25), view, Fraction(25, 2), 0.08)
    for index, drawn in enumerate(read(tmp_path / "d.mp4", 4, half)):
        assert np.abs(drawn.astype(int) - lines(2 + 2 * index)).mean() < 4


def test_drawings_of_another_scale_or_shape(tmp_path: Path) -> None:
    (small,) = read(write(tmp_path / "a", [lines(0, 32, 48)]), 1)
    assert small.shape == (64, 96)
    assert small[:, 22].mean() > 100
    with pytest.raises(FilesMismatchError, match="picture 0 is 64 x 64"):
        read(write(tmp_path / "b", [lines(0, 64, 64)]), 1)


def test_an_ordinary_picture_is_no_drawing(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(60, 200, (64, 96), dtype=np.uint8)
    with pytest.raises(LabelFilesError, match="picture 0 is no drawing") as caught:
        read(write(tmp_path / "a", [photo]), 1)
    assert "vid2vid transfer" in caught.value.hint
    with pytest.raises(FilesMismatchError, match="ends after 1 picture"):
        read(write(tmp_path / "b", [lines(0)]), 2)
