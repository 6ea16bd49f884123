"""Region discriminators: what they are shown, when they take part, and what their judgement moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from engine.test_training_losses import of_numbers
from helpers.factories import same, some_clips, tiny_config, tiny_state, weights_of
from torch import Tensor

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.discriminators import ImageConfig, RegionConfig
from vid2vid_cli.core.types import ClipBatch, ShapeError
from vid2vid_cli.engine import step, training_losses
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import Trainer, train_step

NAN = float("nan")
TERMS = {"region_adversarial", "region_feature_matching"}


def regional(**changes: Any) -> Config:
    patch = {"scales": 1, "layers": 1, "width": 4, "part": 0.25, "names": ("face", "hands")}
    return tiny_config(region={**patch, **changes.pop("region", {})}, **changes)


def places(*xs: float, length: int = 4) -> Tensor:
    """(1, length, r, 4): a box at each x, at half the height."""
    return torch.tensor([[x, 12.0, x, 12.0] for x in xs]).expand(1, length, -1, 4).clone()


def clip(**regions: Tensor) -> ClipBatch:
    return replace(some_clips(length=4), regions={"face": places(NAN), "hands": places(NAN, NAN), **regions})


def judges_of(state: TrainState) -> dict[str, list[Tensor]]:
    return {name: weights_of(judge) for name, judge in state.region.items()}


def test_the_square_is_a_part_of_the_height() -> None:
    """A quarter as published: 64, 128 and 256 pixels at 256, 512 and 1024; never too small to be judged."""
    sides = [RegionConfig().side(height) for height in (256, 512, 1024, 40, 12)]
    assert sides == [64, 128, 256, 16, 12]
    assert RegionConfig(part=1.0).side(256) == 256


def test_what_is_shown_is_condition_and_frame_real_and_final() -> None:
    """Not the raw frame; each frame at its own place, all regions of a name together."""
    across = torch.arange(40.0).expand(2, 1, 40, 40)
    base = of_numbers()
    chunk = replace(
        base,
        conditions=across,
        real=100 + across.expand(2, 3, 40, 40),
        image=200 + across.expand(2, 3, 40, 40),
        raw=300 + across.expand(2, 3, 40, 40),
        judged=ImageConfig(conditions=1),
        regions={"face": places(NAN, length=2)[0], "hands": torch.stack([places(10, 30)[0, 0], places(20, NAN)[0, 0]])},
    )
    pairs = training_losses.regions(chunk, ("face", "hands"), 16)
    assert list(pairs) == ["hands"]
    real, fake = pairs["hands"]
    assert real.shape == fake.shape == (3, 4, 16, 16)
    assert real[:, 0, 0, 0].tolist() == [2, 22, 12]
    for shown, offset in ((real, 100), (fake, 200)):
        assert torch.equal(shown[:, 0], real[:, 0])
        assert all(torch.equal(shown[:, channel], real[:, 0] + offset) for channel in (1, 2, 3))


def test_a_region_is_judged_where_it_is_and_its_judge_alone_learns() -> None:
    trainer, state = tiny_state(regional())
    before = judges_of(state)
    terms = train_step(trainer, state, clip(face=places(9)))
    assert TERMS | {"region_discriminator_face"} <= set(terms)
    assert "region_discriminator_hands" not in terms
    assert not same(weights_of(state.region["face"]), before["face"])
    assert same(weights_of(state.region["hands"]), before["hands"])
    terms = train_step(trainer, state, clip(hands=places(5, NAN)))
    assert "region_discriminator_face" not in terms
    assert not same(weights_of(state.region["hands"]), before["hands"])


def test_regions_that_are_nowhere_give_no_term_and_change_nothing() -> None:
    """Bit for bit what training without region discriminators is; so is training with weights of 0."""
    plain_trainer, plain = tiny_state(tiny_config())
    wanted = train_step(plain_trainer, plain, some_clips(length=4))
    off = dict.fromkeys(TERMS, 0.0)
    for config, batch in ((regional(), clip()), (regional(losses=off), clip(face=places(9), hands=places(3, 8)))):
        trainer, state = tiny_state(config)
        before = judges_of(state)
        assert train_step(trainer, state, batch) == wanted
        assert same(weights_of(state.generator), weights_of(plain.generator))
        assert all(same(weights_of(judge), before[name]) for name, judge in state.region.items())
        assert all(weight.grad is None for weight in state.region.parameters())


def generated_gradient(batch: ClipBatch) -> Tensor:
    """Where the region terms reach into the generated frames: (t, h, w), 1 or 0."""
    trainer, state = tiny_state(regional())
    image = batch.frames.transpose(0, 1).flatten(0, 1).clone().requires_grad_()
    base = of_numbers()
    regions = {name: boxes.transpose(0, 1).flatten(0, 1) for name, boxes in batch.regions.items()}
    flat = batch.conditions.transpose(0, 1).flatten(0, 1)
    chunk = replace(base, conditions=flat, real=image.detach() * 0.5, image=image, regions=regions)
    terms = training_losses.pair_terms(
        "region", step._regions(trainer.config, chunk), state.region, trainer.config.losses
    )
    sum(terms.values()).backward()  # type: ignore[union-attr]
    assert image.grad is not None
    return (image.grad.abs().sum(1) > 0).float()


def test_the_judgement_moves_the_pixels_of_the_region_of_its_frame() -> None:
    """The face is at x = 6 on the first frame, 18 on the third, and nowhere else."""
    face = places(NAN)
    face[0, 0, 0], face[0, 2, 0] = places(8)[0, 0, 0], places(16)[0, 0, 0]
    moved = generated_gradient(clip(face=face))
    assert moved.flatten(1).any(1).tolist() == [True, False, True, False]
    assert moved[0].any(0).nonzero().flatten().tolist() == list(range(0, 16))
    assert moved[2].any(0).nonzero().flatten().tolist() == list(range(8, 24))


@pytest.mark.parametrize("gan", ["least_squares", "hinge"])
def test_a_region_is_judged_apart_from_a_wrong_one(gan: str) -> None:
    """Its loss falls in training where real and generated squares differ, in either flavour."""
    trainer, state = tiny_state(regional(losses={"gan": gan}, optimizer={"discriminator_rate": 0.01, "rate": 1e-6}))
    batch = clip(face=places(9))
    losses = [train_step(trainer, state, batch)["region_discriminator_face"] for _ in range(8)]
    assert losses[-1] < 0.8 * losses[0]


def test_judges_see_faint_conditions_beside_whole_frames_and_the_generator_whole_ones() -> None:
    """Those of frames and of regions; a discriminator shown strong conditions learns nothing for hundreds of steps."""
    seen: dict[str, torch.Tensor] = {}

    def watch(name: str, network: torch.nn.Module) -> None:
        def note(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            seen.setdefault(name, given[0].detach().clone())

        network.register_forward_pre_hook(note)

    trainer, state = tiny_state(regional(discriminator={"conditions": 0.25}))
    watch("frames", state.discriminator)
    watch("faces", state.region["face"])
    watch("generator", state.generator)
    batch = clip(face=places(9))
    train_step(trainer, state, batch)
    assert torch.equal(seen["generator"][:, -1], batch.conditions[:, 0])
    assert torch.equal(seen["frames"][:1, :1], 0.25 * batch.conditions[:, 0])
    assert torch.equal(seen["frames"][:1, 1:], batch.frames[:, 0])
    face, whole = seen["faces"][0, 0], 0.25 * batch.conditions[0, 0, 0]
    assert any(torch.equal(face, part) for part in whole.unfold(0, len(face), 1).unfold(1, len(face), 1).flatten(0, 1))


def test_the_generator_leaves_the_judges_untouched() -> None:
    trainer, state = tiny_state(regional())
    before = judges_of(state)
    batch = clip(face=places(9), hands=places(3, 20))
    flows = {1: step.no_flow(batch.frames)}
    outputs = list(step.rollout(state.generator, batch.conditions.unbind(1)))
    fakes = torch.stack([output.image for output in outputs], 1)
    chunk = training_losses.chunk_of(
        outputs, 0, batch.conditions, batch.frames, fakes, flows[1], batch.regions, trainer.config.discriminator
    )
    step._update_generator(trainer, state, chunk, step.Seen({}, step._regions(trainer.config, chunk)))
    assert all(weight.grad is None and weight.requires_grad for weight in state.region.parameters())
    assert all(same(weights_of(judge), before[name]) for name, judge in state.region.items())


def test_one_network_per_name_called_after_its_pixels() -> None:
    """They are saved with the rest, and learn at the rate of the others."""
    _, state = tiny_state(regional(data={"size": 128}, region={"scales": 2}))
    assert {name: list(judge.copies) for name, judge in state.region.items()} == {
        "face": ["32", "16"],
        "hands": ["32", "16"],
    }
    assert "face.copies.32.stages.0.0.weight" in state.state_dict()["region"]
    owned = {id(weight) for group in state.discriminator_optimizer.param_groups for weight in group["params"]}
    assert {id(weight) for weight in state.region.parameters()} <= owned
    assert len(tiny_state(tiny_config())[1].region) == 0


def test_boxes_are_checked_at_the_door_and_stay_on_the_cpu() -> None:
    with pytest.raises(ShapeError, match="face"):
        clip(face=places(3, length=3))
    assert clip(face=places(3)).to("meta").regions["face"].device.type == "cpu"


def test_both_precisions_judge_regions() -> None:
    config = regional()
    trainer, state = tiny_state(config)
    trainer = Trainer(config, Machine(torch.device("cpu"), "bf16", True), trainer.teacher)
    assert set(train_step(trainer, state, clip(face=places(9)))) >= TERMS
