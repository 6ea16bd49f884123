"""What differs from clip to clip: drawn once for each, within bounds, and nothing where nothing is asked for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.factories import tiny_config, tiny_sampler

from vid2vid_cli.core.geometry import View
from vid2vid_cli.data.augmentation import Take, Variation
from vid2vid_cli.data.cropping import whole_picture
from vid2vid_cli.data.dataset import Span
from vid2vid_cli.training_data.training_data import open_for_checkpoint, open_subject

RUN, FRAME = Span(3, 10, 30), (60, 100)
VIEW = View.of_box((20, 10, 70, 60), 32, 32)


def takes(vary: Variation, count: int = 300, length: int = 4, run: Span = RUN) -> list[Take]:
    random = np.random.default_rng(5)
    return [vary.take(run, length, VIEW, FRAME, random) for _ in range(count)]


def test_what_is_not_asked_for_draws_nothing() -> None:
    """Clips of present settings are those of ever: the start, then zoom and shift, and nothing besides."""
    for shift, zoom in ((0.0, 0.0), (0.2, 0.1)):
        random, before = np.random.default_rng(7), np.random.default_rng(7)
        for _ in range(5):
            take = Variation(shift, zoom).take(RUN, 4, VIEW, FRAME, random)
            first = RUN.first + int(before.integers(17))
            scale, move = 1 + before.uniform(-zoom, zoom), before.uniform(-shift, shift, 2) * 32
            offset = 15.5 * (1 - scale) + move
            assert take.span == Span(3, first, first + 4)
            assert np.allclose(take.view.array, VIEW.then(np.column_stack([np.eye(2) * scale, offset])).array)
            assert (take.step, take.mirrored) == (1, False)
        assert random.random() == before.random()


def test_random_parts_lie_anywhere_within_the_frame() -> None:
    scales, places = [], []
    for take in takes(Variation(crop=(32, 48), scale=(1.25, 2.0)), 500):
        (sx, _, tx), (_, sy, ty) = take.view.matrix
        assert (take.view.height, take.view.width) == (32, 48)
        assert sx == pytest.approx(sy)
        x0, y0 = (-0.5 - tx) / sx + 0.5, (-0.5 - ty) / sy + 0.5
        wide, tall = 48 / sx, 32 / sy
        assert take.view.whole == (round(60 * sy), round(100 * sx))
        scales.append(60 / tall)  # the largest box of that shape is as high as the frame
        places.append((x0 / (100 - wide), y0 / (60 - tall)))
    assert 1.25 <= min(scales) < 1.27
    assert 1.98 < max(scales) <= 2.0
    for part in np.transpose(places):
        assert -1e-6 <= part.min() < 0.02
        assert 0.98 < part.max() <= 1 + 1e-6


def test_frames_are_one_step_apart_from_one_as_far_as_they_fit() -> None:
    found = takes(Variation(frame_step=3), 900)
    for take in found:
        frames = list(take.frames)
        assert len(frames) == 4
        assert set(np.diff(frames)) == {take.step}
        assert RUN.first <= frames[0] <= frames[-1] < RUN.last
    counts = Counter(take.step for take in found)
    assert set(counts) == {1, 2, 3}
    assert min(counts.values()) > 250
    assert max(take.span.last for take in found if take.step == 3) == RUN.last  # the end is reached
    assert {take.step for take in takes(Variation(frame_step=9), length=8)} == {1, 2}  # 20 frames: 1 + 7 * 2
    assert {take.step for take in takes(Variation(frame_step=9), length=5)} == {1, 2, 3, 4}  # 1 + 4 * 4, not 5
    assert {take.step for take in takes(Variation(frame_step=9), length=20)} == {1}
    assert {take.step for take in takes(Variation(frame_step=9), length=1)} == {1}


def test_how_often_clips_are_mirrored() -> None:
    for flip in (0.0, 0.3, 1.0):
        share = np.mean([take.mirrored for take in takes(Variation(flip=flip), 1000)])
        assert share == pytest.approx(flip, abs=0.05)


def test_a_mirrored_clip_is_the_clip_in_a_mirror(dataset: Path) -> None:
    plain = tiny_sampler(dataset, size=(20, 24), vary=Variation(shift=0.3, zoom=0.3)).draw(3, 3)
    turned = tiny_sampler(dataset, size=(20, 24), vary=Variation(shift=0.3, zoom=0.3, flip=1)).draw(3, 3)
    for one, other in ((plain.frames, turned.frames), (plain.conditions, turned.conditions)):
        assert (one.flip(-1) - other).abs().max() < 0.02
        assert (one - other).abs().max() > 0.5


def test_frames_further_apart_are_those_of_the_clip(dataset: Path) -> None:
    sampler = tiny_sampler(dataset, batch=1, vary=Variation(frame_step=4))
    steps = set()
    for step in range(8):
        clip = sampler.draw(step, 4)
        take = sampler.take(4, np.random.default_rng([0, step, 0]))
        each = [sampler.span(Span(take.span.clip, index, index + 1)) for index in take.frames]
        assert torch.equal(clip.frames, torch.cat([one.frames for one in each], 1))
        assert torch.equal(clip.conditions, torch.cat([one.conditions for one in each], 1))
        steps.add(take.step)
    assert len(steps) > 1


@pytest.mark.parametrize(
    ("part", "scale", "whole"),
    [
        ((256, 256), (1.0, 1.0), (256, 512)),
        ((256, 512), (2.0, 2.0), (512, 1024)),
        ((256, 256), (1.0, 1.5), (320, 640)),
        # As wide as three times its height: it just fits at 1024 x 341 of the frame.
        ((100, 300), (1.0, 1.0), (150, 300)),
    ],
)
def test_the_whole_picture_of_parts(part: tuple[int, int], scale: tuple[float, float], whole: tuple[int, int]) -> None:
    assert whole_picture(512, 1024, part, scale) == whole


def test_a_model_of_parts_draws_whole_frames_as_large_as_it_saw_them(dataset: Path) -> None:
    config = tiny_config(data={"size": 24, "crop": "random", "scale": (1.5, 2.0), "aspect": 1.0})
    subject = open_subject(dataset, config)
    assert subject.sampler(config).draw(0, 2).frames.shape == (1, 2, 3, 24, 24)
    info = subject.info("ada", config, {})
    assert info.picture == (42, 58)  # 40 x 56 at 1.75 times 24 / 40, even
    box = np.array([[-0.5, -0.5], [55.5, 39.5]])
    assert np.allclose(subject.view.points(box), [[-0.5, -0.5], [57.5, 41.5]], atol=0.5)
    assert open_for_checkpoint(dataset, info, Path("a.ckpt")).view == subject.view
    assert subject.sampler(config).span(Span(0, 0, 1)).frames.shape == (1, 1, 3, 42, 58)
