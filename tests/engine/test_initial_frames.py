"""Clips that begin with real frames: inputs of the rollout, and frames in the losses."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from helpers.factories import CPU, CountingGenerator, random_clips, tiny_config, tiny_state
from torch import Tensor, nn

from vid2vid_cli.core.types import ClipBatch, FrameOutput
from vid2vid_cli.engine.curriculum import clip_length
from vid2vid_cli.engine.families.paired import PairedState
from vid2vid_cli.engine.inference import generate_clip
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.step import train_step


def constant_conditions(*values: float) -> list[Tensor]:
    return [torch.full((1, 1, 4, 4), float(value)) for value in values]


@pytest.mark.parametrize(
    ("past_values", "expected_windows"),
    [
        ((), [[7, 7, 7], [7, 7, 8]]),
        ((5, 6), [[5, 6, 7], [6, 7, 8]]),
        ((6,), [[6, 6, 7], [6, 7, 8]]),
        ((3, 4, 5, 6), [[5, 6, 7], [6, 7, 8]]),
    ],
)
def test_rollout_window_contains_past_conditions(
    past_values: tuple[float, ...], expected_windows: list[list[float]]
) -> None:
    generator = CountingGenerator()
    initial_frames = torch.full((1, 2, 3, 4, 4), 0.5)
    outputs = list(
        rollout(
            generator,
            constant_conditions(7, 8),
            initial_frames=initial_frames,
            past_conditions=constant_conditions(*past_values),
        )
    )
    windows = [[float(condition.mean()) for condition in window[0]] for window in generator.window_inputs]
    assert windows == expected_windows
    assert [float(output.image.mean()) for output in outputs] == [1.5, 2.5]
    assert generator.first_frame_flags == [False, False]


class TrainableCounter(nn.Module):
    """A stub generator that returns the last frame plus one plus a weight of 0."""

    def __init__(self) -> None:
        super().__init__()
        self.num_scales, self.past_frames, self.window_size = 1, 2, 3
        self.style_encoder = None
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
        image = past[0][:, -1] + 1 + self.weight
        return FrameOutput(image, image)

    def set_trainable(self, *, finest_only: bool, without_past: bool = False) -> None:
        pass


def step_losses(initial_frames: str, frame_values: list[float]) -> dict[str, float]:
    """The loss terms of one step of `TrainableCounter` on constant frames."""
    config = tiny_config(
        schedule={"initial_frames": initial_frames, "frames_per_update": 9},
        losses={"adversarial": 0, "feature_matching": 0, "temporal_adversarial": 0, "temporal_feature_matching": 0},
    )
    context, state = tiny_state(config)
    generator = TrainableCounter()
    counter_state = PairedState(
        generator=generator,  # type: ignore[arg-type]
        image_discriminator=state.image_discriminator,
        temporal_discriminators=state.temporal_discriminators,
        region_discriminators=state.region_discriminators,
        generator_optimizer=torch.optim.SGD(generator.parameters(), 0.0),
        discriminator_optimizer=state.discriminator_optimizer,
    )
    frames = torch.tensor(frame_values).view(1, -1, 1, 1, 1).expand(-1, -1, 3, 16, 16).contiguous()
    return train_step(context, counter_state, ClipBatch(frames[:, :, :1].contiguous(), frames))


def test_real_initial_frames_are_not_part_of_the_loss() -> None:
    """After 0.5 the generator returns 1.5 and 2.5 for 0.7 and 0.9; after zeros 1, 2, 3, 4 for all four frames."""
    frame_values = [0.1, 0.5, 0.7, 0.9]
    assert step_losses("real", frame_values)["l1"] == pytest.approx(((1.5 - 0.7) + (2.5 - 0.9)) / 2)
    assert step_losses("zeros", frame_values)["l1"] == pytest.approx((0.9 + 1.5 + 2.3 + 3.1) / 4)


def test_short_clip_keeps_one_frame_to_generate() -> None:
    assert step_losses("real", [0.1, 0.5])["l1"] == pytest.approx(0.6)
    assert step_losses("real", [0.1])["l1"] == pytest.approx(0.9)


def test_clip_length_adds_initial_frames() -> None:
    config = tiny_config(
        schedule={"initial_frames": "real", "clip_length": 3, "max_clip_length": 5, "clip_growth_interval": 10}
    )
    assert config.num_initial_frames == 2
    lengths = [clip_length(config, step, max_length) for step, max_length in ((0, 99), (10, 99), (10, 6))]
    assert lengths == [5, 7, 6]
    assert tiny_config().num_initial_frames == 0


def test_flow_losses_include_first_frame_after_real_frames() -> None:
    """The first generated frame has a real predecessor, so all flow terms exist in the first chunk."""
    clip = random_clips(length=3)
    terms = {}
    for initial_frames in ("real", "zeros"):
        config = tiny_config(schedule={"initial_frames": initial_frames, "frames_per_update": 1})
        context, state = tiny_state(config)
        terms[initial_frames] = train_step(context, state, ClipBatch(clip.conditions[:, :3], clip.frames[:, :3]))
    assert {"flow", "flow_warp", "temporal_warp", "occlusion"} <= set(terms["real"])
    assert set(terms["real"]) >= set(terms["zeros"]) - {"temporal_discriminator_3"}


def test_generate_clip_uses_initial_frames() -> None:
    state = tiny_state(tiny_config())[1]
    clip = random_clips(length=2)
    first_frame = clip.frames[:, :1]
    without, with_one, with_two = (
        generate_clip(state.generator_ema, clip.conditions, CPU, initial_frames)[0].image
        for initial_frames in (None, first_frame, first_frame.expand(-1, 2, -1, -1, -1))
    )
    assert not torch.equal(without, with_one)
    assert torch.equal(with_one, with_two)
