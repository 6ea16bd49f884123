"""Region discriminators: inputs, updates and gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from engine.test_training_losses import constant_chunk
from helpers.factories import copy_weights, random_clips, tensors_equal, tiny_config, tiny_state
from torch import Tensor

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.discriminators import RegionConfig
from vid2vid_cli.core.types import ClipBatch, ShapeError
from vid2vid_cli.engine.build import loss_settings
from vid2vid_cli.engine.chunk import DiscriminatorInputFormat
from vid2vid_cli.engine.discriminator_inputs import region_pairs
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.engine.training_losses import adversarial_losses, discriminate

NAN = float("nan")
TERMS = {"region_adversarial", "region_feature_matching"}


def region_config(**changes: Any) -> Config:
    """A tiny configuration with discriminators for the regions face and hands."""
    patch = {"num_scales": 1, "num_layers": 1, "base_channels": 4, "crop_fraction": 0.25, "names": ("face", "hands")}
    return tiny_config(region_discriminator={**patch, **changes.pop("region_discriminator", {})}, **changes)


def boxes_at(*xs: float, length: int = 4) -> Tensor:
    """(1, length, r, 4): a box at each x, at half the height."""
    return torch.tensor([[x, 12.0, x, 12.0] for x in xs]).expand(1, length, -1, 4).clone()


def clip_with_regions(**regions: Tensor) -> ClipBatch:
    """A clip of four frames; regions that are not given are not detected."""
    return replace(random_clips(length=4), regions={"face": boxes_at(NAN), "hands": boxes_at(NAN, NAN), **regions})


def copy_discriminators(state: TrainState) -> dict[str, list[Tensor]]:
    return {name: copy_weights(discriminator) for name, discriminator in state.region_discriminators.items()}


def test_crop_size_is_fraction_of_height() -> None:
    """A quarter as published, and at least 16 pixels if the frame has them."""
    crop_sizes = [RegionConfig().crop_size(height) for height in (256, 512, 1024, 40, 12)]
    assert crop_sizes == [64, 128, 256, 16, 12]
    assert RegionConfig(crop_fraction=1.0).crop_size(256) == 256


def test_region_crops_contain_condition_and_frame() -> None:
    """Crops of the real and the final image at the boxes of each frame, concatenated per region name."""
    ramp = torch.arange(40.0).expand(2, 1, 40, 40)
    chunk = replace(
        constant_chunk(),
        conditions=ramp,
        real=100 + ramp.expand(2, 3, 40, 40),
        image=200 + ramp.expand(2, 3, 40, 40),
        raw=300 + ramp.expand(2, 3, 40, 40),
        input_format=DiscriminatorInputFormat(condition_scale=1, condition_range=(-1, 1)),
        region_boxes={
            "face": boxes_at(NAN, length=2)[0],
            "hands": torch.stack([boxes_at(10, 30)[0, 0], boxes_at(20, NAN)[0, 0]]),
        },
    )
    pairs = chunk.region_crops(("face", "hands"), 16)
    assert list(pairs) == ["hands"]
    real, fake = pairs["hands"]
    assert real.shape == fake.shape == (3, 4, 16, 16)
    assert real[:, 0, 0, 0].tolist() == [2, 22, 12]
    for crops, offset in ((real, 100), (fake, 200)):
        assert torch.equal(crops[:, 0], real[:, 0])
        assert all(torch.equal(crops[:, channel], real[:, 0] + offset) for channel in (1, 2, 3))


def test_train_step_updates_discriminators_of_detected_regions() -> None:
    context, state = tiny_state(region_config())
    before = copy_discriminators(state)
    terms = train_step(context, state, clip_with_regions(face=boxes_at(9)))
    assert TERMS | {"region_discriminator_face"} <= set(terms)
    assert "region_discriminator_hands" not in terms
    assert not tensors_equal(copy_weights(state.region_discriminators["face"]), before["face"])
    assert tensors_equal(copy_weights(state.region_discriminators["hands"]), before["hands"])
    terms = train_step(context, state, clip_with_regions(hands=boxes_at(5, NAN)))
    assert "region_discriminator_face" not in terms
    assert not tensors_equal(copy_weights(state.region_discriminators["hands"]), before["hands"])


def test_undetected_regions_do_not_affect_training() -> None:
    """The result equals training without region discriminators bit for bit; so does training with weights of 0."""
    plain_context, plain = tiny_state(tiny_config())
    expected = train_step(plain_context, plain, random_clips(length=4))
    no_weights = dict.fromkeys(TERMS, 0.0)
    for config, batch in (
        (region_config(), clip_with_regions()),
        (region_config(losses=no_weights), clip_with_regions(face=boxes_at(9), hands=boxes_at(3, 8))),
    ):
        context, state = tiny_state(config)
        before = copy_discriminators(state)
        assert train_step(context, state, batch) == expected
        assert tensors_equal(copy_weights(state.generator), copy_weights(plain.generator))
        assert all(tensors_equal(weights, before[name]) for name, weights in copy_discriminators(state).items())
        assert all(weight.grad is None for weight in state.region_discriminators.parameters())


def gradient_mask(batch: ClipBatch) -> Tensor:
    """(t, h, w): 1 where the region losses have a gradient with respect to the generated frames, otherwise 0."""
    context, state = tiny_state(region_config())
    image = batch.frames.transpose(0, 1).flatten(0, 1).clone().requires_grad_()
    region_boxes = {name: boxes.transpose(0, 1).flatten(0, 1) for name, boxes in batch.regions.items()}
    conditions = batch.conditions.transpose(0, 1).flatten(0, 1)
    chunk = replace(
        constant_chunk(), conditions=conditions, real=image.detach() * 0.5, image=image, region_boxes=region_boxes
    )
    outputs = [
        discriminate(state.region_discriminators[name], real, [fake])
        for name, (real, fake) in region_pairs(context.config, chunk).items()
    ]
    terms = adversarial_losses("region", outputs, loss_settings(context.config.losses))
    torch.stack(list(terms.values())).sum().backward()
    assert image.grad is not None
    return (image.grad.abs().sum(1) > 0).float()


def test_region_losses_have_gradients_in_crops_only() -> None:
    """The face is at x = 8 on the first frame, at x = 16 on the third, and not detected on the others."""
    face = boxes_at(NAN)
    face[0, 0, 0], face[0, 2, 0] = boxes_at(8)[0, 0, 0], boxes_at(16)[0, 0, 0]
    mask = gradient_mask(clip_with_regions(face=face))
    assert mask.flatten(1).any(1).tolist() == [True, False, True, False]
    assert mask[0].any(0).nonzero().flatten().tolist() == list(range(0, 16))
    assert mask[2].any(0).nonzero().flatten().tolist() == list(range(8, 24))


@pytest.mark.parametrize("gan_mode", ["lsgan", "hinge"])
def test_region_discriminator_loss_decreases(gan_mode: str) -> None:
    context, state = tiny_state(
        region_config(losses={"gan_mode": gan_mode}, optimizer={"discriminator_lr": 0.01, "lr": 1e-6})
    )
    batch = clip_with_regions(face=boxes_at(9))
    losses = [train_step(context, state, batch)["region_discriminator_face"] for _ in range(8)]
    assert losses[-1] < 0.8 * losses[0]


def test_condition_scale_applies_to_discriminators_only() -> None:
    """Image and region discriminators get scaled conditions, the generator unscaled ones."""
    inputs: dict[str, list[list[torch.Tensor]]] = {"frames": [], "faces": [], "generator": []}

    def record_input(name: str, network: torch.nn.Module) -> None:
        def hook(_: torch.nn.Module, arguments: tuple[Any, ...]) -> None:
            inputs[name].append([item.detach().clone() for item in arguments if isinstance(item, torch.Tensor)])

        network.register_forward_pre_hook(hook)

    context, state = tiny_state(region_config(image_discriminator={"condition_scale": 0.25}))
    record_input("frames", state.image_discriminator)
    record_input("faces", state.region_discriminators["face"])
    record_input("generator", state.generator)
    batch = clip_with_regions(face=boxes_at(9))
    train_step(context, state, batch)
    assert torch.equal(inputs["generator"][0][0][:, -1], batch.conditions[:, 0])
    first = [
        images for images, conditions in inputs["frames"] if torch.equal(conditions[:1], 0.25 * batch.conditions[:, 0])
    ]
    assert any(torch.equal(images[:1], batch.frames[:, 0]) for images in first)
    face, scaled = inputs["faces"][0][0][0, 0], 0.25 * batch.conditions[0, 0, 0]
    assert any(torch.equal(face, crop) for crop in scaled.unfold(0, len(face), 1).unfold(1, len(face), 1).flatten(0, 1))


def test_one_discriminator_per_region_named_after_crop_size() -> None:
    """They are part of the saved state, and share the optimiser of the other discriminators."""
    _, state = tiny_state(region_config(data={"height": 128}, region_discriminator={"num_scales": 2}))
    assert {name: list(network.discriminators) for name, network in state.region_discriminators.items()} == {
        "face": ["32", "16"],
        "hands": ["32", "16"],
    }
    assert "face.discriminators.32.stages.0.0.weight" in state.state_dict()["region_discriminators"]
    optimized = {id(weight) for group in state.discriminator_optimizer.param_groups for weight in group["params"]}
    assert {id(weight) for weight in state.region_discriminators.parameters()} <= optimized
    assert len(tiny_state(tiny_config())[1].region_discriminators) == 0


def test_clip_batch_checks_boxes_and_keeps_them_on_cpu() -> None:
    with pytest.raises(ShapeError, match="face"):
        clip_with_regions(face=boxes_at(3, length=3))
    assert clip_with_regions(face=boxes_at(3)).to("meta").regions["face"].device.type == "cpu"


def test_region_discriminators_support_bf16() -> None:
    config = region_config()
    context, state = tiny_state(config)
    context = TrainContext(config, Runtime(torch.device("cpu"), "bf16", True), context.flow_estimator)
    assert set(train_step(context, state, clip_with_regions(face=boxes_at(9)))) >= TERMS
