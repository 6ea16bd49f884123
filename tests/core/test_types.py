"""Shape checks say which tensor and which axis."""

from __future__ import annotations

import pytest
import torch

from vid2vid_cli.core.types import ClipBatch, ShapeError, check_shape


def test_named_axes_are_returned_and_must_agree() -> None:
    assert check_shape("x", torch.zeros(2, 5, 3, 4, 6), "b t 3 h w") == {"b": 2, "t": 5, "h": 4, "w": 6}
    with pytest.raises(ShapeError, match="x: should have the axes"):
        check_shape("x", torch.zeros(2, 3), "b c h w")
    with pytest.raises(ShapeError, match="x: axis '3' should be 3"):
        check_shape("x", torch.zeros(2, 4), "b 3")
    with pytest.raises(ShapeError, match="x: axis 'n' should be 2"):
        check_shape("x", torch.zeros(2, 4), "n n")
    with pytest.raises(ShapeError, match="axis 'c' should be 7"):
        check_shape("x", torch.zeros(2, 4), "b c", c=7)


@pytest.mark.parametrize("frames", [(1, 4, 3, 8, 8), (2, 5, 3, 8, 8), (2, 4, 3, 8, 9), (2, 4, 1, 8, 8)])
def test_frames_must_belong_to_the_conditions(frames: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="frames"):
        ClipBatch(torch.zeros(2, 4, 7, 8, 8), torch.zeros(frames))


def test_labels_may_be_what_is_drawn_while_pictures_are_watched() -> None:
    clip = ClipBatch(torch.zeros(2, 4, 7, 8, 8), torch.ones(2, 4, 3, 8, 8)).of_labels()
    assert (tuple(clip.conditions.shape), tuple(clip.frames.shape)) == ((2, 4, 0, 8, 8), (2, 4, 7, 8, 8))
    assert torch.equal(clip.pictures, torch.ones(2, 4, 3, 8, 8))
    assert clip.to("meta").pictures.device.type == "meta"
    with pytest.raises(ShapeError, match="watched"):
        ClipBatch(clip.conditions, clip.frames, watched=torch.zeros(2, 4, 3, 8, 9))


def test_clips_move_together() -> None:
    moved = ClipBatch(torch.zeros(1, 1, 1, 2, 2), torch.zeros(1, 1, 3, 2, 2)).to("meta")
    assert (moved.conditions.device.type, moved.frames.device.type) == ("meta", "meta")


def test_labels_are_small_until_they_are_where_they_are_seen() -> None:
    labels = torch.tensor([-1, 0, 1, 1], dtype=torch.int8).view(1, 1, 1, 2, 2)
    moved = ClipBatch(labels, torch.zeros(1, 1, 3, 2, 2)).to("cpu").conditions
    assert moved.dtype == torch.float32
    assert moved.flatten().tolist() == [-1, 0, 1, 1]
