"""Shape checks, clip batches and label prediction."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.core.types import ClipBatch, ShapeError, check_shape


def test_check_shape_returns_sizes_and_rejects_mismatches() -> None:
    assert check_shape("x", torch.zeros(2, 5, 3, 4, 6), "b t 3 h w") == {"b": 2, "t": 5, "h": 4, "w": 6}
    with pytest.raises(ShapeError, match="x: "):
        check_shape("x", torch.zeros(2, 3), "b c h w")
    with pytest.raises(ShapeError, match="x: axis '3'"):
        check_shape("x", torch.zeros(2, 4), "b 3")
    with pytest.raises(ShapeError, match="x: axis 'n'"):
        check_shape("x", torch.zeros(2, 4), "n n")
    with pytest.raises(ShapeError, match="axis 'c'"):
        check_shape("x", torch.zeros(2, 4), "b c", c=7)


@pytest.mark.parametrize("frames", [(1, 4, 3, 8, 8), (2, 5, 3, 8, 8), (2, 4, 3, 8, 9), (2, 4, 1, 8, 8)])
def test_clip_batch_rejects_mismatched_frames(frames: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="frames"):
        ClipBatch(torch.zeros(2, 4, 7, 8, 8), torch.zeros(frames))


def test_as_label_prediction_keeps_rgb_frames() -> None:
    clip = ClipBatch(torch.zeros(2, 4, 7, 8, 8), torch.ones(2, 4, 3, 8, 8)).as_label_prediction()
    assert (tuple(clip.conditions.shape), tuple(clip.frames.shape)) == ((2, 4, 0, 8, 8), (2, 4, 7, 8, 8))
    assert torch.equal(clip.rgb, torch.ones(2, 4, 3, 8, 8))
    assert clip.to("meta").rgb.device.type == "meta"
    with pytest.raises(ShapeError, match="rgb_frames"):
        ClipBatch(clip.conditions, clip.frames, rgb_frames=torch.zeros(2, 4, 3, 8, 9))


def test_clip_batch_to_moves_all_tensors() -> None:
    moved = ClipBatch(torch.zeros(1, 1, 1, 2, 2), torch.zeros(1, 1, 3, 2, 2)).to("meta")
    assert (moved.conditions.device.type, moved.frames.device.type) == ("meta", "meta")


def test_clip_batch_to_converts_int8_conditions() -> None:
    labels = torch.tensor([-1, 0, 1, 1], dtype=torch.int8).view(1, 1, 1, 2, 2)
    moved = ClipBatch(labels, torch.zeros(1, 1, 3, 2, 2)).to("cpu").conditions
    assert moved.dtype == torch.float32
    assert moved.flatten().tolist() == [-1, 0, 1, 1]
