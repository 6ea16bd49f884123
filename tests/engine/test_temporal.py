"""Inputs of the temporal discriminators: frame sequences and the flow between their frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from engine.test_training_losses import SIDE, numbered_clip
from helpers.factories import random_clips, tiny_config, tiny_state
from torch import Tensor

from vid2vid_cli.engine.discriminator_inputs import flow_strides, temporal_inputs, temporal_window_ends
from vid2vid_cli.engine.reference_flow import estimate_reference_flow
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.networks.flow_estimator import DISFlow
from vid2vid_cli.ops.warp import warp

FrameIndices = tuple[int, ...]
SIX_FRAME_CHUNKS = [(0, 6), (6, 12)]


def sequence_values(sequence: Tensor, num_frames: int) -> tuple[list[float], list[float]]:
    """Values of the frames and of the flows (in pixels) of one input (3 n + 2 (n - 1), h, w)."""
    frames = [float(sequence[3 * index : 3 * index + 3].unique()) for index in range(num_frames)]
    flow_channels = sequence[3 * num_frames :].split(2)
    return frames, [round(float(flow.unique()) * 20, 3) for flow in flow_channels]


def sequences(sampling: Any, stride: int, chunks: Sequence[tuple[int, int]]) -> list[list[FrameIndices]]:
    """Frame indices of the sequences of three frames of each chunk, the newest sequence first."""
    indices = []
    for start, stop in chunks:
        ends = temporal_window_ends(sampling, stride=stride, num_frames=3, start=start, stop=stop)
        indices.append([(end - 2 * stride, end - stride, end) for end in sorted(ends, reverse=True)])
    return indices


def test_tiled_sampling_matches_published_code() -> None:
    """Chunks of six frames and of one frame."""
    assert sequences("tiled", 1, SIX_FRAME_CHUNKS) == [[(3, 4, 5), (0, 1, 2)], [(9, 10, 11), (6, 7, 8)]]
    assert sequences("tiled", 3, SIX_FRAME_CHUNKS) == [[], [(5, 8, 11), (2, 5, 8)]]
    single_frames = [(i, i + 1) for i in range(8)]
    assert sequences("tiled", 1, single_frames) == [[], []] + [[(i - 2, i - 1, i)] for i in range(2, 8)]
    assert sequences("tiled", 3, single_frames) == [[]] * 6 + [[(0, 3, 6)], [(1, 4, 7)]]
    # A sequence reaches back into earlier chunks only to cover new frames.
    assert sequences("tiled", 1, [(0, 4), (4, 8)]) == [[(1, 2, 3)], [(5, 6, 7), (2, 3, 4)]]


def test_dense_sampling_ends_at_every_new_frame() -> None:
    assert sequences("dense", 1, [(0, 3), (3, 5)]) == [[(0, 1, 2)], [(2, 3, 4), (1, 2, 3)]]
    assert sequences("dense", 3, SIX_FRAME_CHUNKS) == [[], [(i - 6, i - 3, i) for i in range(11, 5, -1)]]


@pytest.mark.parametrize("length", [1, 2, 6, 40])
@pytest.mark.parametrize("stride", [1, 3, 9])
def test_disjoint_sampling_uses_each_frame_once(stride: int, length: int) -> None:
    """For any chunk length, every stride-th frame is in one sequence, up to the last complete sequence."""
    chunks = [(start, start + length) for start in range(0, 120, length)]
    sequences_by_chunk = sequences("disjoint", stride, chunks)
    frames = [frame for chunk in sequences_by_chunk for sequence in reversed(chunk) for frame in sequence]
    assert frames == list(range(0, stride * len(frames), stride))
    assert len(frames) >= 3 * (120 // (3 * stride))
    assert sequences("disjoint", 3, SIX_FRAME_CHUNKS)[1] == [(0, 3, 6)]


@pytest.mark.parametrize(
    ("stride", "num_frames", "start", "stop", "expected_ends"),
    [
        (1, 3, 0, 6, [2, 3, 4, 5]),
        (1, 3, 4, 6, [4, 5]),
        (3, 3, 6, 9, [6, 7, 8]),
        (3, 3, 3, 9, [6, 7, 8]),
        (2, 2, 0, 4, [2, 3]),
    ],
)
def test_temporal_inputs_by_hand(
    stride: int, num_frames: int, start: int, stop: int, expected_ends: Sequence[int]
) -> None:
    """Frames with the stride, oldest first, and the flow to each frame but the first; per window end and clip."""
    ends = temporal_window_ends("dense", stride=stride, num_frames=num_frames, start=start, stop=stop)
    assert ends == expected_ends
    frames, flows = numbered_clip(0, stop, 3), numbered_clip(6000, 12, 2)
    inputs = temporal_inputs(frames, flows, ends, stride=stride, num_frames=num_frames)
    assert inputs.shape == (2 * len(ends), 3 * num_frames + 2 * (num_frames - 1), SIDE, SIDE)
    expected = []
    for end in ends:
        indices = [end - stride * back for back in reversed(range(num_frames))]
        for b in range(2):
            expected.append(([100.0 * b + i for i in indices], [6000.0 + 100 * b + i for i in indices[1:]]))
    assert [sequence_values(sequence, num_frames) for sequence in inputs] == expected


def moving_texture(length: int, dx: int, dy: int) -> Tensor:
    """(1, length, 3, 96, 96): windows of a texture, each `dx`, `dy` pixels further, so that (dx, dy) is the flow."""
    noise = np.random.default_rng(0).uniform(-1, 1, (160, 160, 3)).astype(np.float32)
    texture = cv2.GaussianBlur(noise, (0, 0), 3.0)
    texture /= np.abs(texture).max()
    corners = [(32 + dy * i, 32 + dx * i) for i in range(length)]
    frames = [texture[y : y + 96, x : x + 96].transpose(2, 0, 1) for y, x in corners]
    return torch.from_numpy(np.stack(frames)[None])


@pytest.mark.parametrize("stride", [1, 3, 9])
def test_reference_flow_over_stride_matches_known_motion(stride: int) -> None:
    """With a motion of (1, -1) pixels per frame, the flow over `stride` frames is `stride` times as large."""
    frames = moving_texture(2 * stride + 1, 1, -1)
    reference = estimate_reference_flow(DISFlow(), frames, stride)
    inner = (slice(None), slice(stride, None), slice(None), slice(28, -28), slice(28, -28))
    mean_flow = reference.flow[inner].mean((0, 1, 3, 4))
    assert torch.allclose(mean_flow, torch.tensor([1.0, -1.0]) * stride, atol=0.3)
    assert reference.confidence[inner].mean() > 0.9
    # The discriminator's input contains the same flow, divided by 20.
    inputs = temporal_inputs(frames, reference.flow, [2 * stride], stride=stride, num_frames=3)
    previous, current, flow = inputs[:, 3:6], inputs[:, 6:9], inputs[:, 11:13] * 20
    warp_error = (warp(previous, flow) - current)[..., 28:-28, 28:-28].abs().mean()
    assert warp_error < 0.1 * (previous - current)[..., 28:-28, 28:-28].abs().mean()


@pytest.mark.parametrize(("sampling", "num_sequences"), [("dense", (10, 6)), ("tiled", (5, 3)), ("disjoint", (4, 1))])
def test_sampling_sets_number_of_sequences(sampling: str, num_sequences: tuple[int, int]) -> None:
    """Twelve frames in chunks of four; real and generated sequences are evaluated once for all losses."""
    config = tiny_config(temporal_discriminator={"sampling": sampling}, schedule={"frames_per_update": 4})
    context, state = tiny_state(config)
    counts: dict[str, int] = {"1": 0, "3": 0}
    for stride, discriminator in state.temporal_discriminators.items():
        discriminator.register_forward_hook(
            lambda _, inputs, __, stride=stride: counts.update({stride: counts[stride] + len(inputs[0])})
        )
    train_step(context, state, random_clips(length=12))
    assert counts == {"1": 2 * num_sequences[0], "3": 2 * num_sequences[1]}


def test_flow_strides_are_those_in_use() -> None:
    no_temporal = dict.fromkeys(("temporal_adversarial", "temporal_feature_matching"), 0.0)
    assert flow_strides(tiny_config()) == [1, 3]
    assert flow_strides(tiny_config(losses=no_temporal)) == [1]
    assert flow_strides(tiny_config(temporal_discriminator={"frame_strides": (3,)})) == [1, 3]
    assert flow_strides(tiny_config(generator={"flow": False}, losses=no_temporal)) == [1]  # for temporal_warp
    frame_wise = {"flow": False, "past_frames": 0}
    assert flow_strides(tiny_config(generator=frame_wise)) == [1, 3]
    assert flow_strides(tiny_config(generator=frame_wise, losses=no_temporal)) == []
    context, state = tiny_state(tiny_config(generator=frame_wise, losses=no_temporal))
    terms = train_step(context, state, random_clips(length=3))
    assert set(terms) == {"adversarial", "feature_matching", "l1", "image_discriminator"}
    context, state = tiny_state(tiny_config(generator=frame_wise, temporal_discriminator={"frame_strides": (1,)}))
    assert "temporal_warp" not in train_step(context, state, random_clips(length=3))


@pytest.mark.parametrize("frame_strides", [(0,), (1, 1), (1, 3, 9, 27), (-3,)])
def test_config_rejects_invalid_frame_strides(frame_strides: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="frame_strides"):
        tiny_config(temporal_discriminator={"frame_strides": frame_strides})


def test_three_strides_need_nineteen_frames() -> None:
    """A discriminator is trained only if the clip is long enough for its sequences."""
    context, state = tiny_state(
        tiny_config(temporal_discriminator={"frame_strides": (1, 3, 9)}, schedule={"frames_per_update": 6})
    )
    names = {f"temporal_discriminator_{stride}" for stride in (1, 3, 9)}
    assert names - set(train_step(context, state, random_clips(length=18))) == {"temporal_discriminator_9"}
    assert names <= set(train_step(context, state, random_clips(length=19)))
