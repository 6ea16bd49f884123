"""Mean intersection over union."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.metrics.segmentation import mean_iou


def test_mean_iou_by_hand() -> None:
    target = torch.tensor([[[0, 0, 1, 1]], [[2, 2, 2, 2]]])
    prediction = torch.tensor([[[0, 1, 1, 1]], [[2, 2, 2, 2]]])
    # Class 0: 1 of 2 pixels; class 1: 2 of 3; class 2 occurs in the second map only.
    assert mean_iou(prediction, target, 4).tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2, 1.0])


def test_mean_iou_ignores_absent_classes() -> None:
    maps = torch.zeros(1, 2, 2, dtype=torch.int64)
    assert mean_iou(maps, maps, 21).tolist() == [1.0]
    assert mean_iou(maps, maps + 3, 21).tolist() == [0.0]
