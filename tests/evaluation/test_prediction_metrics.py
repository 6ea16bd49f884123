"""Metrics of samples: the mean and the best of them, diversity, and the baselines."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vid2vid_cli.evaluation.prediction_metrics import measure_samples
from vid2vid_cli.metrics.image import psnr


def textured_clip(length: int = 5, size: int = 32) -> Tensor:
    """(t, 3, h, w): a blurred texture that moves one pixel to the right per frame."""
    noise = torch.rand(1, 3, size // 4, size // 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    image = torch.nn.functional.interpolate(noise, size=(size, size + length), mode="bicubic")
    return torch.cat([image[..., length - index : length - index + size] for index in range(length)]).clamp(-1, 1)


def test_measure_samples_mean_best_and_diversity_by_hand() -> None:
    clip = textured_clip()
    known, real = clip[:2], clip[2:]
    samples = torch.stack([real + 0.1, real - 0.3], 1)
    rows = {row: measured.means for row, measured in measure_samples(samples, known, real).items()}
    values = [float(psnr(samples[:, index], real).mean()) for index in range(2)]
    assert rows["model"]["psnr"] == (pytest.approx(sum(values) / 2), 3)
    assert rows["best_of_2"]["psnr"] == (pytest.approx(values[0]), 3)
    assert rows["model"]["sample_diversity"][0] == pytest.approx(0.2)
    assert "sample_diversity" not in rows["best_of_2"]


def test_measure_samples_of_perfect_prediction_is_better_than_baselines() -> None:
    clip = textured_clip()
    rows = {row: measured.means for row, measured in measure_samples(clip[2:, None], clip[:2], clip[2:]).items()}
    assert list(rows) == ["model", "copy_last", "constant_flow"]
    assert rows["model"]["psnr"][0] == 100  # the limit
    assert rows["model"]["ssim"][0] == pytest.approx(1)
    assert rows["copy_last"]["psnr"][0] < rows["constant_flow"]["psnr"][0] < 100


def test_measure_samples_with_one_known_frame_has_no_constant_flow() -> None:
    clip = textured_clip()
    assert list(measure_samples(clip[1:, None], clip[:1], clip[1:])) == ["model", "copy_last"]
