"""Cuts: the true ones of real footage, and none where only the camera, the light or the subject moves."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.factories import blob_frame
from numpy.typing import NDArray

from vid2vid_cli.media.images import load_picture
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.shot_detection import CutDetector
from vid2vid_cli.media.synthetic import drawn_clip

Frame = NDArray[np.uint8]

BIKES = [30, 76, 137, 187, 242]
"""First frames of the shots of street/bikes.mp4, found by eye."""
UNCUT = [
    "pose/dancing_woman",
    "pose/openpose_drawing",
    "face/carphone_pristine",
    "face/talking_man",
    "face/turning_man",
]


def cuts(frames: Iterable[Frame]) -> list[int]:
    detector = CutDetector()
    return [index for index, frame in enumerate(frames) if detector(frame)]


@pytest.fixture(scope="module")
def scene() -> Frame:
    """A picture of many colours, 300 x 900, to move a camera over."""
    random = np.random.default_rng(3)
    layers = [
        amount * cv2.resize(random.normal(0, 1, (3 * size, 9 * size, 3)).astype(np.float32), (900, 300))
        for size, amount in ((1, 40), (2, 30), (5, 20), (20, 12))
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def other(scene: Frame) -> Frame:
    """Another place with the colours of `scene`, so that only the arrangement tells."""
    return np.ascontiguousarray(scene[::-1, ::-1])


def still(picture: Frame, count: int = 12) -> list[Frame]:
    """With the noise of a camera."""
    random = np.random.default_rng(0)
    view = picture[:200, :300].astype(int)
    return [(view + random.normal(0, 4, view.shape)).clip(0, 255).astype(np.uint8) for _ in range(count)]


def pan(picture: Frame, step: int, count: int = 12) -> list[Frame]:
    return [picture[:200, index * step : index * step + 300] for index in range(count)]


def dimmed(frames: Sequence[Frame], levels: Iterable[float]) -> list[Frame]:
    return [(frame * level).astype(np.uint8) for frame, level in zip(frames, levels, strict=True)]


def test_the_shots_of_real_footage(shared_data: Path) -> None:
    assert cuts(VideoReader(shared_data / "street" / "bikes.mp4")) == BIKES


@pytest.mark.parametrize("name", UNCUT)
def test_real_footage_without_cuts_has_none(shared_data: Path, name: str) -> None:
    frames = list(VideoReader(shared_data / f"{name}.mp4", max_frames=103))
    assert cuts(frames) == []
    assert cuts(frames[::2]) == []  # twice as fast


def test_from_one_real_clip_to_another(shared_data: Path) -> None:
    """Two talking heads before a plain wall are the hardest pair."""
    names = ("face/turning_man", "face/talking_man", "pose/dancing_woman", "face/carphone_pristine", "street/bikes")
    clips = [list(VideoReader(shared_data / f"{name}.mp4", max_frames=12)) for name in names]
    for first in clips:
        for second in clips:
            if first is not second:
                assert cuts([*first, *second]) == [12]


def test_a_cut_to_the_same_colours(scene: Frame, other: Frame) -> None:
    assert cuts([*still(scene), *still(other), *still(scene)]) == [12, 24]


@pytest.mark.parametrize("step", [5, 20, 50])
def test_a_pan_is_no_cut(scene: Frame, other: Frame, step: int) -> None:
    """Up to a sixth of the picture a frame; and a cut while it pans is seen."""
    moving = pan(scene, step)
    assert cuts([*still(scene), *moving, *still(np.roll(scene, -11 * step, axis=1))]) == []
    assert cuts([*moving, *pan(other, step)]) == [12]


def test_a_subject_that_moves_is_no_cut() -> None:
    assert cuts(blob_frame(index) for index in range(24)) == []
    assert cuts(drawn_clip(40, 96, 128)) == []


def test_a_flash_is_at_most_one_cut(scene: Frame) -> None:
    """A gain that burns out part of the picture, and white, are light; a lamp in a corner could be anything."""
    frames = still(scene, 24)
    bright = (frames[12] * 1.5 + 20.0).clip(0, 255).astype(np.uint8)
    white = np.full_like(frames[12], 255)
    for flash in (bright, white):
        assert cuts([*frames[:12], flash, *frames[13:]]) == []
    y, x = (axis[:, :, None] for axis in np.mgrid[:200, :300])
    lamp = (frames[12] + 400 * np.exp(-((y - 60) ** 2 + (x - 100) ** 2) / 6000.0)).clip(0, 255).astype(np.uint8)
    assert cuts([*frames[:12], lamp, *frames[13:]]) in ([], [12])


def test_a_change_of_light_is_no_cut(scene: Frame) -> None:
    frames = still(scene, 24)
    assert cuts([*frames[:12], *dimmed(frames[12:], [0.5] * 12)]) == []


def test_a_fade_is_a_cut_if_another_scene_follows(scene: Frame, other: Frame) -> None:
    down, up = np.linspace(1, 0, 12), np.linspace(0, 1, 12)
    away = [*still(scene), *dimmed(still(scene), down)]
    assert cuts([*away, *dimmed(still(scene), up)]) == []
    (cut,) = cuts([*away, *dimmed(still(other), up)])
    assert 24 < cut < 30  # once there is something to see
    (cut,) = cuts([*still(scene), *[np.zeros((200, 300, 3), np.uint8)] * 5, *still(other)])
    assert cut == 17


def test_nothing_to_see_is_never_a_cut() -> None:
    random = np.random.default_rng(0)
    flat = [np.full((40, 60, 3), random.integers(10, 246, 3), np.uint8) for _ in range(20)]
    assert cuts(flat) == []
    assert cuts([random.integers(0, 256, (5, 3, 3), np.uint8)]) == []


def test_sizes_may_differ_and_do_not_matter(scene: Frame, other: Frame) -> None:
    small = [frame[::5, ::5] for frame in (*still(scene), *still(other))]
    assert cuts(small) == [12]
    assert cuts([*still(scene), *small[:12]]) == []


def test_it_is_told_from_the_past_alone_and_fast(scene: Frame, other: Frame) -> None:
    frames = [*still(scene), *still(other), *pan(scene, 50)]
    for end in range(1, len(frames), 3):
        assert cuts(frames[:end]) == [cut for cut in cuts(frames) if cut < end]
    detector, large = CutDetector(), [np.ascontiguousarray(np.tile(f, (3, 2, 1))[:512, :512]) for f in pan(scene, 50)]
    began = time.thread_time()
    for frame in large * 5:
        detector(frame)
    assert (time.thread_time() - began) / (5 * len(large)) < 1.5e-3  # some 0.25 ms on an idle core


def test_a_drive_is_no_cut(shared_data: Path) -> None:
    files = sorted((shared_data / "street" / "cityscapes_10frames" / "images" / "seq0000").iterdir())
    assert cuts(load_picture(file) for file in files) == []
