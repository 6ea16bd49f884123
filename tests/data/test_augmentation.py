"""Augmentation per clip: distributions, bounds and reproducibility."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.factories import tiny_config, tiny_sampler

from vid2vid_cli.core.geometry import View
from vid2vid_cli.data.augmentation import ClipAugmentation, ClipSpec
from vid2vid_cli.data.cropping import full_frame_size
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint, open_training_data

FRAME_RANGE, FRAME_SIZE = FrameRange(3, 10, 30), (60, 100)
VIEW = View.from_box((20, 10, 70, 60), 32, 32)


def sample_clips(augmentation: ClipAugmentation, count: int = 300, length: int = 4) -> list[ClipSpec]:
    rng = np.random.default_rng(5)
    return [augmentation.sample_clip(FRAME_RANGE, length, VIEW, FRAME_SIZE, rng) for _ in range(count)]


def test_disabled_augmentation_takes_no_random_numbers() -> None:
    """Random numbers are taken for the start, the zoom and the shift only."""
    for shift, zoom in ((0.0, 0.0), (0.2, 0.1)):
        rng, expected_rng = np.random.default_rng(7), np.random.default_rng(7)
        for _ in range(5):
            clip = ClipAugmentation(shift, zoom).sample_clip(FRAME_RANGE, 4, VIEW, FRAME_SIZE, rng)
            first = FRAME_RANGE.start + int(expected_rng.integers(17))
            scale, move = 1 + expected_rng.uniform(-zoom, zoom), expected_rng.uniform(-shift, shift, 2) * 32
            offset = 15.5 * (1 - scale) + move
            assert clip.frame_range == FrameRange(3, first, first + 4)
            assert np.allclose(clip.view.array, VIEW.compose(np.column_stack([np.eye(2) * scale, offset])).array)
            assert (clip.frame_stride, clip.is_flipped) == (1, False)
        assert rng.random() == expected_rng.random()


def test_random_crops_cover_the_frame() -> None:
    scales, positions = [], []
    for clip in sample_clips(ClipAugmentation(crop_size=(32, 48), random_resize=(1.25, 2.0)), 500):
        (sx, _, tx), (_, sy, ty) = clip.view.matrix
        assert (clip.view.height, clip.view.width) == (32, 48)
        assert sx == pytest.approx(sy)
        x0, y0 = (-0.5 - tx) / sx + 0.5, (-0.5 - ty) / sy + 0.5
        wide, tall = 48 / sx, 32 / sy
        assert clip.view.full_size == (round(60 * sy), round(100 * sx))
        scales.append(60 / tall)  # the largest crop of this aspect ratio has the height of the frame
        positions.append((x0 / (100 - wide), y0 / (60 - tall)))
    assert 1.25 <= min(scales) < 1.27
    assert 1.98 < max(scales) <= 2.0
    for coordinate in np.transpose(positions):
        assert -1e-6 <= coordinate.min() < 0.02
        assert 0.98 < coordinate.max() <= 1 + 1e-6


def test_frame_stride_is_uniform_up_to_the_largest_that_fits() -> None:
    clips = sample_clips(ClipAugmentation(max_frame_stride=3), 900)
    for clip in clips:
        frames = list(clip.frame_indices)
        assert len(frames) == 4
        assert set(np.diff(frames)) == {clip.frame_stride}
        assert FRAME_RANGE.start <= frames[0] <= frames[-1] < FRAME_RANGE.stop
    counts = Counter(clip.frame_stride for clip in clips)
    assert set(counts) == {1, 2, 3}
    assert min(counts.values()) > 250
    assert max(clip.frame_range.stop for clip in clips if clip.frame_stride == 3) == FRAME_RANGE.stop
    for length, max_fitting_stride in ((8, 2), (5, 4), (20, 1), (1, 1)):  # the range has 20 frames
        clips = sample_clips(ClipAugmentation(max_frame_stride=9), length=length)
        assert {clip.frame_stride for clip in clips} == set(range(1, max_fitting_stride + 1))


def test_hflip_prob_is_the_share_of_flipped_clips() -> None:
    for hflip_prob in (0.0, 0.3, 1.0):
        share = np.mean([clip.is_flipped for clip in sample_clips(ClipAugmentation(hflip_prob=hflip_prob), 1000)])
        assert share == pytest.approx(hflip_prob, abs=0.05)


def test_flipped_clip_is_the_mirrored_clip(dataset: Path) -> None:
    plain_batch = tiny_sampler(
        dataset, size=(20, 24), augmentation=ClipAugmentation(max_translate=0.3, max_zoom=0.3)
    ).sample_batch(3, 3)
    flipped_batch = tiny_sampler(
        dataset, size=(20, 24), augmentation=ClipAugmentation(max_translate=0.3, max_zoom=0.3, hflip_prob=1)
    ).sample_batch(3, 3)
    for plain, flipped in (
        (plain_batch.frames, flipped_batch.frames),
        (plain_batch.conditions, flipped_batch.conditions),
    ):
        assert (plain.flip(-1) - flipped).abs().max() < 0.02
        assert (plain - flipped).abs().max() > 0.5


def test_frame_stride_selects_frames_of_the_clip(dataset: Path) -> None:
    sampler = tiny_sampler(dataset, batch_size=1, augmentation=ClipAugmentation(max_frame_stride=4))
    strides = set()
    for step in range(8):
        batch = sampler.sample_batch(step, 4)
        clip = sampler.sample_clip(4, np.random.default_rng([0, step, 0]))
        frames = [
            sampler.load_range(FrameRange(clip.frame_range.clip_index, index, index + 1))
            for index in clip.frame_indices
        ]
        assert torch.equal(batch.frames, torch.cat([frame.frames for frame in frames], 1))
        assert torch.equal(batch.conditions, torch.cat([frame.conditions for frame in frames], 1))
        strides.add(clip.frame_stride)
    assert len(strides) > 1


@pytest.mark.parametrize(
    ("crop_size", "resize_range", "expected_size"),
    [
        ((256, 256), (1.0, 1.0), (256, 512)),
        ((256, 512), (2.0, 2.0), (512, 1024)),
        ((256, 256), (1.0, 1.5), (320, 640)),
        # The crop is three times as wide as high, so at scale 1 it covers 1024 x 341 of the frame.
        ((100, 300), (1.0, 1.0), (150, 300)),
    ],
)
def test_full_frame_size_at_mean_scale(
    crop_size: tuple[int, int], resize_range: tuple[float, float], expected_size: tuple[int, int]
) -> None:
    assert full_frame_size(512, 1024, crop_size, resize_range) == expected_size


def test_random_crop_checkpoint_has_full_frame_size(dataset: Path) -> None:
    config = tiny_config(data={"height": 24, "crop": "random", "random_resize": (1.5, 2.0), "aspect_ratio": 1.0})
    training_data = open_training_data(dataset, config)
    assert training_data.build_sampler(config).sample_batch(0, 2).frames.shape == (1, 2, 3, 24, 24)
    metadata = training_data.checkpoint_metadata("ada", config, {})
    assert metadata.output_size == (42, 58)  # 40 x 56 scaled by 1.75 * 24 / 40, rounded to even numbers
    box = np.array([[-0.5, -0.5], [55.5, 39.5]])
    assert np.allclose(training_data.view.transform_points(box), [[-0.5, -0.5], [57.5, 41.5]], atol=0.5)
    assert open_data_for_checkpoint(dataset, metadata, Path("a.ckpt")).view == training_data.view
    assert training_data.build_sampler(config).load_range(FrameRange(0, 0, 1)).frames.shape == (1, 1, 3, 42, 58)
