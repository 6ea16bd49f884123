"""One step: who is updated by what, reference flow over any rate, precision, divergence, and a clip learnt by heart."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.factories import CPU, same, some_clips, tiny_config, tiny_state, weights_of
from torch import Tensor, nn

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import DivergedError
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine import step, training_losses
from vid2vid_cli.engine.inference import generate
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import Trainer, reference_flow, train_step

IMAGE = {"adversarial", "feature_matching", "pixel", "discriminator"}
MOTION = {"flow", "flow_warp", "frame_warp", "occlusion"}
TIME = {"temporal_adversarial", "temporal_feature_matching"}


def parts(trainer: Trainer, state: TrainState) -> tuple[training_losses.Chunk, step.Seen]:
    """A whole clip as one chunk, and what is seen of it, as a step makes them."""
    batch = some_clips(length=4)
    flows = {rate: reference_flow(trainer.teacher, batch.frames, rate) for rate in (1, 3)}
    outputs = list(rollout(state.generator, batch.conditions.unbind(1)))
    fakes = torch.stack([output.image for output in outputs], 1)
    chunk = training_losses.chunk_of(
        outputs, 0, batch.conditions, batch.frames, fakes, flows[1], batch.regions, trainer.config.discriminator
    )
    seen = step.Seen(step._groups(trainer.config, batch.frames, fakes, flows, 0), step._regions(trainer.config, chunk))
    return chunk, seen


def gradients(network: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


def test_the_generators_update_leaves_the_judges_untouched() -> None:
    trainer, state = tiny_state(tiny_config())
    before = {name: weights_of(getattr(state, name)) for name in ("generator", "discriminator", "temporal")}
    step._update_generator(trainer, state, *parts(trainer, state))
    assert not same(weights_of(state.generator), before["generator"])
    for network in (state.discriminator, state.temporal):
        assert gradients(network) == []
        assert all(parameter.requires_grad for parameter in network.parameters())
    assert same(weights_of(state.discriminator), before["discriminator"])
    assert same(weights_of(state.temporal), before["temporal"])


def test_the_judges_update_leaves_the_generator_untouched() -> None:
    trainer, state = tiny_state(tiny_config())
    before = {name: weights_of(getattr(state, name)) for name in ("generator", "discriminator", "temporal")}
    step._update_discriminators(trainer, state, *parts(trainer, state))
    assert gradients(state.generator) == []
    assert same(weights_of(state.generator), before["generator"])
    assert not same(weights_of(state.discriminator), before["discriminator"])
    assert not same(weights_of(state.temporal["1"]), before["temporal"][: len(weights_of(state.temporal["1"]))])


def test_judges_that_no_term_asks_for_neither_judge_nor_learn() -> None:
    """With weights of 0; with the usual ones they take part."""
    judged = ("adversarial", "feature_matching", "temporal_adversarial", "temporal_feature_matching")
    trainer, state = tiny_state(tiny_config(losses=dict.fromkeys(judged, 0.0)))
    before = {name: weights_of(getattr(state, name)) for name in ("discriminator", "temporal")}
    terms = train_step(trainer, state, some_clips(0, length=4))
    assert not [name for name in terms if "adversarial" in name or "matching" in name or "discriminator" in name]
    assert all(same(weights_of(getattr(state, name)), before[name]) for name in before)
    trainer, _ = tiny_state(tiny_config())
    terms = train_step(trainer, state, some_clips(1, length=4))
    assert {"adversarial", "feature_matching", "temporal_adversarial", "discriminator"} <= set(terms)
    assert not any(same(weights_of(getattr(state, name)), before[name]) for name in before)


def test_every_part_of_the_generator_learns() -> None:
    """Flow and occlusion too: their heads get gradients from the first step, their decoder once flow has moved."""
    trainer, state = tiny_state(tiny_config())
    before = {name: value.clone() for name, value in state.generator.named_parameters()}
    for index in range(2):
        train_step(trainer, state, some_clips(index))
    still = [name for name, value in state.generator.named_parameters() if torch.equal(value, before[name])]
    # A bias in front of a normalisation is taken out by it; it may move by rounding alone.
    assert [name for name in still if name.endswith("weight")] == []


def test_all_terms_are_told_and_nothing_else() -> None:
    trainer, state = tiny_state(tiny_config())
    judges = {"temporal_discriminator_1"}
    assert set(train_step(trainer, state, some_clips(length=4))) == IMAGE | MOTION | TIME | judges
    # Seven frames are the least that a group of three frames, three apart, needs.
    assert "temporal_discriminator_3" not in train_step(trainer, state, some_clips(length=6))
    assert "temporal_discriminator_3" in train_step(trainer, state, some_clips(length=7))
    assert state.step == 3
    trainer, state = tiny_state(tiny_config(generator={"flow": False, "past": 0}, temporal={"rates": ()}))
    assert set(train_step(trainer, state, some_clips())) == IMAGE


def test_a_judge_that_no_term_needs_is_neither_asked_nor_trained() -> None:
    losses = {"adversarial": 0.0, "feature_matching": 0.0}
    trainer, state = tiny_state(tiny_config(losses=losses))
    before = weights_of(state.discriminator)
    assert set(train_step(trainer, state, some_clips())) & IMAGE == {"pixel"}
    assert same(before, weights_of(state.discriminator))
    trainer, state = tiny_state(tiny_config(losses=losses, temporal={"rates": ()}))
    assert set(train_step(trainer, state, some_clips())) == MOTION | {"pixel"}
    trainer, state = tiny_state(tiny_config(losses={"adversarial": 0.0}))
    assert set(train_step(trainer, state, some_clips())) >= IMAGE


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("per_update", [1, 2, 3])
def test_any_length_of_clip_and_chunk(length: int, per_update: int) -> None:
    trainer, state = tiny_state(tiny_config(schedule={"frames_per_update": per_update}))
    terms = train_step(trainer, state, some_clips(length=length, batch=2))
    assert ("flow" in terms) is (length > 1)


def test_one_update_per_chunk() -> None:
    trainer, state = tiny_state(tiny_config())
    train_step(trainer, state, some_clips(length=5))
    for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
        (counts,) = {float(entry["step"]) for entry in list(optimizer.state.values())[:1]}
        assert counts == 3  # frames 0-1, 2-3 and 4


@pytest.mark.parametrize("backpropagate", [1, 3])
def test_gradients_flow_back_through_the_frames_wanted(backpropagate: int) -> None:
    """The past encoder's gradient differs as soon as frames inside a chunk are not cut off from each other."""
    config = tiny_config(schedule={"frames_per_update": 3, "backpropagate": backpropagate})
    trainer, state = tiny_state(config)
    train_step(trainer, state, some_clips(length=3))
    free = config.model_copy(update={"schedule": config.schedule.model_copy(update={"backpropagate": 3})})
    other = Trainer(free, CPU, trainer.teacher), tiny_state(config)[1]
    train_step(*other, some_clips(length=3))
    assert same(gradients(state.generator), gradients(other[1].generator)) is (backpropagate == 3)


def test_learning_rates_follow_the_schedule() -> None:
    config = tiny_config(
        schedule={"decay_from": 0, "decay_steps": 4}, optimizer={"rate": 1e-3, "discriminator_rate": 4e-3}
    )
    trainer, state = tiny_state(config)
    for wanted in (1.0, 0.75, 0.5, 0.25):
        train_step(trainer, state, some_clips())
        assert state.generator_optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * wanted)
        assert state.discriminator_optimizer.param_groups[0]["lr"] == pytest.approx(4e-3 * wanted)
    before = weights_of(state.generator)
    train_step(trainer, state, some_clips())
    assert same(before, weights_of(state.generator))


def test_the_average_follows() -> None:
    trainer, state = tiny_state(tiny_config(optimizer={"average": 0.25}))
    start = weights_of(state.generator)
    train_step(trainer, state, some_clips())
    # (1 + 1) / (10 + 1) is less than a quarter.
    for mean, first, now in zip(weights_of(state.average), start, weights_of(state.generator), strict=True):
        assert torch.allclose(mean, first + (now - first) * (1 - 2 / 11), atol=1e-7)


def frames_of(length: int) -> Tensor:
    """(2, length, 3, 4, 4): clip b, frame i is 100 b + i."""
    numbers = 100 * torch.arange(2.0).view(2, 1) + torch.arange(float(length))
    return numbers.view(2, length, 1, 1, 1).expand(2, length, 3, 4, 4)


@pytest.mark.parametrize("rate", [1, 3])
def test_reference_flow_is_that_over_rate_frames(rate: int) -> None:
    """A teacher that answers with what it was shown: dx the earlier frame, dy the later one."""

    def teacher(previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat([previous[:, :1], current[:, :1]], 1), current[:, :1] + 0.5

    found = reference_flow(teacher, frames_of(6), rate)
    for b in range(2):
        for i in range(6):
            if i < rate:
                assert found.flow[b, i].abs().max() == 0
                assert found.confidence[b, i].max() == 0
            else:
                assert found.flow[b, i].flatten(1)[:, 0].tolist() == [100 * b + i - rate, 100 * b + i]
                assert found.confidence[b, i].unique().item() == 100 * b + i + 0.5


def test_reference_flow_of_a_short_clip_is_nothing() -> None:
    def never(previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        raise AssertionError

    assert reference_flow(never, frames_of(3), 3).flow.shape == (2, 3, 2, 4, 4)


def test_the_teacher_is_asked_at_each_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Spy(step.Teacher):
        def __call__(self, previous: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
            asked.append(len(previous))
            return previous[:, :2] * 0, previous[:, :1] * 0

    trainer, state = tiny_state(tiny_config())
    train_step(Trainer(trainer.config, CPU, Spy()), state, some_clips(length=7))
    assert asked == [6, 4]


@pytest.mark.parametrize("poisoned", ["frames", "conditions"])
def test_a_broken_loss_stops_before_the_step_counts(poisoned: str) -> None:
    trainer, state = tiny_state(tiny_config())
    train_step(trainer, state, some_clips())
    average = weights_of(state.average)
    batch = some_clips()
    getattr(batch, poisoned)[0, 1, 0, 3, 3] = float("nan")
    with pytest.raises(DivergedError, match="at step 2"):
        train_step(trainer, state, batch)
    assert state.step == 1
    assert same(average, weights_of(state.average))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "changes", [{}, {"flow": False}, {"past": 0, "flow": False}, {"norm": "group"}, {"upsample": "transpose"}]
)
def test_every_precision_and_kind_steps(precision: Any, changes: dict[str, Any]) -> None:
    config = tiny_config(generator=changes, losses={"gan": "hinge"})
    trainer, state = tiny_state(config)
    trainer = Trainer(config, Machine(torch.device("cpu"), precision, True), trainer.teacher)
    terms = train_step(trainer, state, some_clips())
    assert all(value == value for value in terms.values())
    assert {weight.dtype for weight in weights_of(state.generator)} == {torch.float32}


def learn(config: Config, clip: ClipBatch, steps: int) -> tuple[float, float]:
    """The pixel difference of what is generated, before and after."""
    trainer, state = tiny_state(config, clip.conditions.shape[2])
    differences = []
    for index in range(steps + 1):
        if index in (0, steps):
            images = torch.stack([o.image for o in generate(state.generator, clip.conditions, CPU)], 1)
            differences.append(float((images - clip.frames).abs().mean()))
        train_step(trainer, state, clip)
    return differences[0], differences[1]


def test_a_tiny_clip_is_learnt_by_heart() -> None:
    config = tiny_config(generator={"width": 8}, losses={"pixel": 20.0}, optimizer={"rate": 4e-3})
    before, after = learn(config, some_clips(length=4), 30)
    assert after < 0.35 * before


def test_a_moving_clip_is_learnt_by_warping_alone() -> None:
    """With an occlusion mask that costs much, only flow that is right can make the frames; it must be learnt."""
    ramp = torch.sin(torch.arange(40.0) / 2).view(1, 1, 1, 1, 40).expand(1, 1, 3, 24, 40)
    frames = torch.cat([ramp[..., 2 * i : 2 * i + 24] for i in range(4)], 1)
    config = tiny_config(optimizer={"rate": 1e-2}, losses={"pixel": 5.0})
    trainer, state = tiny_state(config)
    clip = ClipBatch(frames[:, :, :1], frames)
    terms = [train_step(trainer, state, clip) for _ in range(40)]
    assert terms[-1]["flow"] < 0.5 * terms[0]["flow"]
    assert terms[-1]["flow_warp"] < 0.6 * terms[0]["flow_warp"]


def test_motion_begins_with_fresh_moments_and_a_past_that_nothing_has_moved() -> None:
    """Adam's of single frames would throw weights that had no gradients far off, and the pictures with them."""
    trainer, state = tiny_state(tiny_config(schedule={"stills": 2}))
    past = state.generator.networks[0].past_encoder
    before, steps = weights_of(past), []
    for index in range(3):
        assert same(weights_of(past), before)
        train_step(trainer, state, some_clips(index, length=1 if index < 2 else 4))
        moments = state.generator_optimizer.state, state.discriminator_optimizer.state
        steps.append([max(int(one["step"]) for one in each.values()) for each in moments])
    assert not same(weights_of(past), before)
    updates = 4 // trainer.config.schedule.frames_per_update
    assert steps == [[1, 1], [2, 2], [updates, updates]]
