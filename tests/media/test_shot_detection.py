"""Shot boundaries of real videos, and no false cuts from motion of the camera, the subject or the light."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.factories import blob_frame
from numpy.typing import NDArray

from vid2vid_cli.media.images import load_image
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.shot_detection import CutDetector
from vid2vid_cli.media.synthetic import synthetic_clip

Frame = NDArray[np.uint8]

BIKES_SHOT_STARTS = [30, 76, 137, 187, 242]
"""First frames of the shots of street/bikes.mp4, annotated by hand."""
VIDEOS_WITHOUT_CUTS = [
    "pose/dancing_woman",
    "pose/openpose_drawing",
    "face/carphone_pristine",
    "face/talking_man",
    "face/turning_man",
]


def find_cuts(frames: Iterable[Frame]) -> list[int]:
    detector = CutDetector()
    return [index for index, frame in enumerate(frames) if detector(frame)]


@pytest.fixture(scope="module")
def scene() -> Frame:
    """A textured image, 300 x 900, for simulated camera motion."""
    rng = np.random.default_rng(3)
    layers = [
        amount * cv2.resize(rng.normal(0, 1, (3 * size, 9 * size, 3)).astype(np.float32), (900, 300))
        for size, amount in ((1, 40), (2, 30), (5, 20), (20, 12))
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def other_scene(scene: Frame) -> Frame:
    """Another scene with the colour histogram of `scene`."""
    return np.ascontiguousarray(scene[::-1, ::-1])


def static_shot(image: Frame, num_frames: int = 12) -> list[Frame]:
    """A static shot with camera noise."""
    rng = np.random.default_rng(0)
    view = image[:200, :300].astype(int)
    return [(view + rng.normal(0, 4, view.shape)).clip(0, 255).astype(np.uint8) for _ in range(num_frames)]


def panned_shot(image: Frame, step_px: int, num_frames: int = 12) -> list[Frame]:
    return [image[:200, index * step_px : index * step_px + 300] for index in range(num_frames)]


def dim_frames(frames: Sequence[Frame], levels: Iterable[float]) -> list[Frame]:
    return [(frame * level).astype(np.uint8) for frame, level in zip(frames, levels, strict=True)]


def test_cut_detector_finds_shots_of_real_video(shared_data: Path) -> None:
    assert find_cuts(VideoReader(shared_data / "street" / "bikes.mp4")) == BIKES_SHOT_STARTS


@pytest.mark.parametrize("name", VIDEOS_WITHOUT_CUTS)
def test_cut_detector_no_false_cuts_in_real_video(shared_data: Path, name: str) -> None:
    frames = list(VideoReader(shared_data / f"{name}.mp4", max_frames=103))
    assert find_cuts(frames) == []
    assert find_cuts(frames[::2]) == []  # motion at twice the speed


def test_cut_detector_finds_cut_between_real_videos(shared_data: Path) -> None:
    """Two talking heads in front of a plain wall are the hardest pair."""
    names = ("face/turning_man", "face/talking_man", "pose/dancing_woman", "face/carphone_pristine", "street/bikes")
    clips = [list(VideoReader(shared_data / f"{name}.mp4", max_frames=12)) for name in names]
    for first in clips:
        for second in clips:
            if first is not second:
                assert find_cuts([*first, *second]) == [12]


def test_cut_detector_finds_cut_with_equal_colours(scene: Frame, other_scene: Frame) -> None:
    assert find_cuts([*static_shot(scene), *static_shot(other_scene), *static_shot(scene)]) == [12, 24]


@pytest.mark.parametrize("step", [5, 20, 50])
def test_cut_detector_ignores_pan(scene: Frame, other_scene: Frame, step: int) -> None:
    """A pan of up to a sixth of the image per frame is not a cut; a cut during a pan is detected."""
    pan = panned_shot(scene, step)
    assert find_cuts([*static_shot(scene), *pan, *static_shot(np.roll(scene, -11 * step, axis=1))]) == []
    assert find_cuts([*pan, *panned_shot(other_scene, step)]) == [12]


def test_cut_detector_ignores_moving_subject() -> None:
    assert find_cuts(blob_frame(index) for index in range(24)) == []
    assert find_cuts(synthetic_clip(40, 96, 128)) == []


def test_cut_detector_flash_is_at_most_one_cut(scene: Frame) -> None:
    """An overexposed frame and a white frame are no cuts; a local flash is at most one cut."""
    frames = static_shot(scene, 24)
    overexposed = (frames[12] * 1.5 + 20.0).clip(0, 255).astype(np.uint8)
    white = np.full_like(frames[12], 255)
    for flash in (overexposed, white):
        assert find_cuts([*frames[:12], flash, *frames[13:]]) == []
    y, x = (axis[:, :, None] for axis in np.mgrid[:200, :300])
    lamp = (frames[12] + 400 * np.exp(-((y - 60) ** 2 + (x - 100) ** 2) / 6000.0)).clip(0, 255).astype(np.uint8)
    assert find_cuts([*frames[:12], lamp, *frames[13:]]) in ([], [12])


def test_cut_detector_ignores_lighting_change(scene: Frame) -> None:
    frames = static_shot(scene, 24)
    assert find_cuts([*frames[:12], *dim_frames(frames[12:], [0.5] * 12)]) == []


def test_cut_detector_fade_to_other_scene_is_cut(scene: Frame, other_scene: Frame) -> None:
    fade_out, fade_in = np.linspace(1, 0, 12), np.linspace(0, 1, 12)
    faded_out = [*static_shot(scene), *dim_frames(static_shot(scene), fade_out)]
    assert find_cuts([*faded_out, *dim_frames(static_shot(scene), fade_in)]) == []
    (cut,) = find_cuts([*faded_out, *dim_frames(static_shot(other_scene), fade_in)])
    assert 24 < cut < 30  # at the first visible frame
    (cut,) = find_cuts([*static_shot(scene), *[np.zeros((200, 300, 3), np.uint8)] * 5, *static_shot(other_scene)])
    assert cut == 17


def test_cut_detector_ignores_blank_frames() -> None:
    rng = np.random.default_rng(0)
    solid_frames = [np.full((40, 60, 3), rng.integers(10, 246, 3), np.uint8) for _ in range(20)]
    assert find_cuts(solid_frames) == []
    assert find_cuts([rng.integers(0, 256, (5, 3, 3), np.uint8)]) == []


def test_cut_detector_is_independent_of_frame_size(scene: Frame, other_scene: Frame) -> None:
    small = [frame[::5, ::5] for frame in (*static_shot(scene), *static_shot(other_scene))]
    assert find_cuts(small) == [12]
    assert find_cuts([*static_shot(scene), *small[:12]]) == []


def test_cut_detector_is_causal_and_fast(scene: Frame, other_scene: Frame) -> None:
    frames = [*static_shot(scene), *static_shot(other_scene), *panned_shot(scene, 50)]
    for end in range(1, len(frames), 3):
        assert find_cuts(frames[:end]) == [cut for cut in find_cuts(frames) if cut < end]
    detector, large = (
        CutDetector(),
        [np.ascontiguousarray(np.tile(f, (3, 2, 1))[:512, :512]) for f in panned_shot(scene, 50)],
    )
    start_time = time.thread_time()
    for frame in large * 5:
        detector(frame)
    assert (time.thread_time() - start_time) / (5 * len(large)) < 1.5e-3  # about 0.25 ms on an idle core


def test_cut_detector_ignores_driving_video(shared_data: Path) -> None:
    files = sorted((shared_data / "street" / "cityscapes_10frames" / "images" / "seq0000").iterdir())
    assert find_cuts(load_image(file) for file in files) == []
