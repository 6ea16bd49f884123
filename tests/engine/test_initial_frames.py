"""Clips that begin with real frames: what the recursion is shown, and which frames count."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from helpers.factories import CPU, Counting, some_clips, tiny_config, tiny_state
from torch import Tensor, nn

from vid2vid_cli.core.types import ClipBatch, FrameOutput
from vid2vid_cli.engine.curriculum import clip_length
from vid2vid_cli.engine.inference import generate
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import train_step


def plain(*values: float) -> list[Tensor]:
    return [torch.full((1, 1, 4, 4), float(value)) for value in values]


@pytest.mark.parametrize(
    ("seen", "windows"),
    [
        ((), [[7, 7, 7], [7, 7, 8]]),
        ((5, 6), [[5, 6, 7], [6, 7, 8]]),
        ((6,), [[6, 6, 7], [6, 7, 8]]),
        ((3, 4, 5, 6), [[5, 6, 7], [6, 7, 8]]),
    ],
)
def test_the_window_goes_back_to_the_conditions_of_the_frames_before(
    seen: tuple[float, ...], windows: list[list[float]]
) -> None:
    generator = Counting()
    begin = torch.full((1, 2, 3, 4, 4), 0.5)
    outputs = list(rollout(generator, plain(7, 8), begin=begin, seen=plain(*seen)))
    assert [[float(c.mean()) for c in window[0]] for window in generator.windows] == windows
    assert [float(output.image.mean()) for output in outputs] == [1.5, 2.5]
    assert generator.firsts == [False, False]


class Adding(nn.Module):
    """Answers the last frame and one, with a weight, so that it can be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.scales, self.past, self.window = 1, 2, 3
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
        image = past[0][:, -1] + 1 + self.weight
        return FrameOutput(image, image)

    def learn(self, *, finest_only: bool, stills: bool = False) -> None:
        pass


def stepped(first: str, frames: list[float]) -> dict[str, float]:
    """The loss terms of one step of `Adding` over frames of one colour each."""
    config = tiny_config(
        schedule={"first": first, "frames_per_update": 9},
        losses={"adversarial": 0, "feature_matching": 0, "temporal_adversarial": 0, "temporal_feature_matching": 0},
    )
    trainer, state = tiny_state(config)
    adding = Adding()
    optimizer = torch.optim.SGD(adding.parameters(), 0.0)
    mine = TrainState(
        adding, state.discriminator, state.temporal, state.region, optimizer, state.discriminator_optimizer
    )  # type: ignore[arg-type]
    real = torch.tensor(frames).view(1, -1, 1, 1, 1).expand(-1, -1, 3, 16, 16).contiguous()
    return train_step(trainer, mine, ClipBatch(real[:, :, :1].contiguous(), real))


def test_real_frames_are_where_generation_begins_and_are_not_judged() -> None:
    """From 0.5 come 1.5 and 2.5, beside 0.7 and 0.9; from nothing 1, 2, 3, 4, beside all four."""
    frames = [0.1, 0.5, 0.7, 0.9]
    assert stepped("real", frames)["pixel"] == pytest.approx(((1.5 - 0.7) + (2.5 - 0.9)) / 2)
    assert stepped("zeros", frames)["pixel"] == pytest.approx((0.9 + 1.5 + 2.3 + 3.1) / 4)


def test_of_a_clip_too_short_one_frame_is_left_to_generate() -> None:
    assert stepped("real", [0.1, 0.5])["pixel"] == pytest.approx(0.6)
    assert stepped("real", [0.1])["pixel"] == pytest.approx(0.9)


def test_the_real_frames_come_on_top_of_the_clip() -> None:
    config = tiny_config(schedule={"first": "real", "clip": 3, "clip_max": 5, "grow_every": 10})
    assert config.given == 2
    found = [clip_length(config, step, longest) for step, longest in ((0, 99), (10, 99), (10, 6))]
    assert found == [5, 7, 6]
    assert tiny_config().given == 0


def test_motion_is_judged_from_the_first_generated_frame_on() -> None:
    """There is a real frame to warp, so flow, mask and both warps have a say at once; from nothing they do not."""
    clip = some_clips(length=3)
    terms = {}
    for first in ("real", "zeros"):
        trainer, state = tiny_state(tiny_config(schedule={"first": first, "frames_per_update": 1}))
        terms[first] = train_step(trainer, state, ClipBatch(clip.conditions[:, :3], clip.frames[:, :3]))
    assert {"flow", "flow_warp", "frame_warp", "occlusion"} <= set(terms["real"])
    assert set(terms["real"]) >= set(terms["zeros"]) - {"temporal_discriminator_3"}


def test_held_out_frames_are_drawn_from_what_is_given() -> None:
    state = tiny_state(tiny_config())[1]
    clip = some_clips(length=2)
    nothing, given, again = (
        generate(state.average, clip.conditions, CPU, begin)[0].image
        for begin in (None, clip.frames[:, :1], clip.frames[:, :1].expand(-1, 2, -1, -1, -1))
    )
    assert not torch.equal(nothing, given)
    assert torch.equal(given, again)
