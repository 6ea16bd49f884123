"""Loss terms and chunks, with frames whose values identify them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vid2vid_cli.config.losses import LossConfig
from vid2vid_cli.core.types import FrameOutput, ReferenceFlow
from vid2vid_cli.engine import training_losses
from vid2vid_cli.engine.build import loss_settings
from vid2vid_cli.engine.chunk import Chunk, DiscriminatorInputFormat, gather_chunk
from vid2vid_cli.engine.training_losses import LossSettings, RealFakeOutputs, adversarial_losses, discriminate
from vid2vid_cli.networks.discriminator import MultiScaleDiscriminator

SIDE = 2
INPUT_FORMAT = DiscriminatorInputFormat(condition_scale=0.1, condition_range=(-1, 1))


def settings(**changes: Any) -> LossSettings:
    return loss_settings(LossConfig(**changes))


def numbered_clip(offset: float, length: int, channels: int) -> Tensor:
    """(2, length, channels, h, w): all values of clip b, frame i are offset + 100 b + i."""
    values = offset + 100 * torch.arange(2.0).view(2, 1) + torch.arange(float(length))
    return values.view(2, length, 1, 1, 1).expand(2, length, channels, SIDE, SIDE)


def frame_numbers(tensor: Tensor | None) -> list[float]:
    """The value of each constant frame."""
    assert tensor is not None
    flat = tensor.flatten(1)
    assert (flat == flat[:, :1]).all()
    return [float(value) for value in flat[:, 0]]


def numbered_outputs(start: int, stop: int, *, has_flow: bool = True) -> list[FrameOutput]:
    """Image 2000, raw 3000, flow 4000, mask 5000, each + 100 b + i; the first frame of a clip has no flow."""
    outputs = []
    for index in range(start, stop):
        image, raw, flow, occlusion = (numbered_clip(offset, stop, 1)[:, index] for offset in (2000, 3000, 4000, 5000))
        with_flow = has_flow and index > 0
        outputs.append(
            FrameOutput(
                image.expand(2, 3, SIDE, SIDE),
                raw.expand(2, 3, SIDE, SIDE),
                flow=flow.expand(2, 2, SIDE, SIDE) if with_flow else None,
                occlusion=occlusion if with_flow else None,
            )
        )
    return outputs


def numbered_chunk(start: int, stop: int, *, has_flow: bool = True) -> Chunk:
    boxes = {"face": numbered_clip(8000, 8, 2)[..., 0].expand(2, 8, 2, 2).repeat(1, 1, 1, 2)}
    return gather_chunk(
        numbered_outputs(start, stop, has_flow=has_flow),
        start=start,
        conditions=numbered_clip(1000, 8, 1),
        frames=numbered_clip(0, 8, 3),
        fakes=numbered_clip(2000, stop, 3).clone().requires_grad_(),
        reference_flow=ReferenceFlow(numbered_clip(6000, 8, 2), numbered_clip(7000, 8, 1)),
        region_boxes=boxes,
        input_format=INPUT_FORMAT,
    )


def constant_chunk(**changes: float) -> Chunk:
    """Two constant frames: previous real 0, real 0.5, previous generated 0.75, generated 0.125."""
    values = {"real": 0.5, "image": 0.125, "raw": 0.0, "prev_real": 0.0, "prev_fake": 0.75}
    values |= {"conditions": 0.0, "flow": 1.0, "occlusion": 0.75, "reference_flow": -2.0, "confidence": 1.0, **changes}
    channels = {"flow": 2, "reference_flow": 2, "occlusion": 1, "confidence": 1, "conditions": 1}
    tensors = {name: torch.full((2, channels.get(name, 3), 4, 4), value) for name, value in values.items()}
    return Chunk(**tensors, input_format=INPUT_FORMAT)


def flow_terms(chunk: Chunk) -> dict[str, float]:
    return {name: float(term) for name, term in training_losses.flow_losses(chunk).items()}


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (3, 6), (6, 8), (0, 1), (1, 2)])
def test_gather_chunk_aligns_all_tensors(start: int, stop: int) -> None:
    """The frame before frame i is frame i - 1 of the same clip, also across chunks."""
    chunk = numbered_chunk(start, stop)
    numbers = [100 * b + i for i in range(start, stop) for b in range(2)]
    assert frame_numbers(chunk.real) == numbers
    assert frame_numbers(chunk.conditions) == [1000 + n for n in numbers]
    assert frame_numbers(chunk.image) == [2000 + n for n in numbers]
    assert frame_numbers(chunk.raw) == [3000 + n for n in numbers]
    assert frame_numbers(chunk.region_boxes["face"]) == [8000 + n for n in numbers]
    numbers_with_past = [n for n in numbers if n % 100]
    assert frame_numbers(chunk.prev_real) == [n - 1 for n in numbers_with_past]
    assert frame_numbers(chunk.prev_fake) == [2000 + n - 1 for n in numbers_with_past]
    assert frame_numbers(chunk.reference_flow) == [6000 + n for n in numbers_with_past]
    assert frame_numbers(chunk.confidence) == [7000 + n for n in numbers_with_past]
    if (start, stop) == (0, 1):
        assert chunk.flow is None
        assert chunk.occlusion is None
    else:
        assert frame_numbers(chunk.flow) == [4000 + n for n in numbers_with_past]
        assert frame_numbers(chunk.occlusion) == [5000 + n for n in numbers_with_past]
    assert not chunk.prev_fake.requires_grad


def test_fake_images_include_raw_images_with_flow() -> None:
    assert [frame_numbers(images)[0] for images in numbered_chunk(1, 3).fake_images] == [2001, 3001]
    assert [frame_numbers(images)[0] for images in numbered_chunk(0, 3, has_flow=False).fake_images] == [2000]


def test_flow_losses_by_hand() -> None:
    assert flow_terms(constant_chunk()) == pytest.approx(
        {"flow": 3.0, "flow_warp": 0.5, "temporal_warp": 0.625, "occlusion": 0.75}
    )


def test_flow_losses_without_flow_are_temporal_warp() -> None:
    """The term exists for consecutive frames with reference flow only."""
    assert set(flow_terms(numbered_chunk(0, 3, has_flow=False))) == {"temporal_warp"}
    assert flow_terms(numbered_chunk(0, 1)) == {}
    without_flow = replace(constant_chunk(), flow=None, occlusion=None)
    assert flow_terms(without_flow) == pytest.approx({"temporal_warp": 0.625})
    without_reference = gather_chunk(
        numbered_outputs(0, 3, has_flow=False),
        start=0,
        conditions=numbered_clip(0, 3, 1),
        frames=numbered_clip(0, 3, 3),
        fakes=numbered_clip(0, 3, 3),
        reference_flow=None,
        region_boxes={},
        input_format=INPUT_FORMAT,
    )
    assert without_reference.reference_flow.shape == (0, 2, SIDE, SIDE)
    assert flow_terms(without_reference) == {}


def test_flow_losses_ignore_pixels_without_confidence() -> None:
    chunk = constant_chunk()
    assert chunk.flow is not None
    assert chunk.occlusion is not None
    chunk.confidence[:, :, 2:] = 0
    for tensor in (chunk.flow, chunk.occlusion, chunk.image):
        tensor[:, :, 2:] = 77
    assert flow_terms(chunk) == pytest.approx(
        {"flow": 3.0, "flow_warp": 0.5, "temporal_warp": 0.625, "occlusion": 0.75}
    )


def test_flow_losses_ignore_first_frame_of_clip() -> None:
    """Of three generated frames two have a predecessor; the error of the first one does not count."""
    chunk = constant_chunk()
    longer = {
        name: torch.cat([torch.full((1, *tensor.shape[1:]), 9.0), tensor])
        for name, tensor in vars(chunk).items()
        if name in ("real", "image", "raw", "conditions")
    }
    assert flow_terms(replace(chunk, **longer)) == pytest.approx(
        {"flow": 3.0, "flow_warp": 0.5, "temporal_warp": 0.625, "occlusion": 0.75}
    )


def test_flow_losses_warp_with_correct_direction() -> None:
    """A ramp that moves by one pixel: the correct flow gives no error, the opposite flow does."""
    ramp = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 3, 4, 8) / 8
    current = torch.cat([ramp[..., 1:], ramp[..., -1:]], -1)  # current[x] = ramp[x + 1]
    correct_flow = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 4, 8)
    ones = torch.ones(1, 1, 4, 8)
    for flow, is_correct in ((correct_flow, True), (-correct_flow, False)):
        chunk = Chunk(
            conditions=ones,
            real=current,
            image=current,
            raw=current,
            flow=flow,
            occlusion=ones,
            prev_real=ramp,
            prev_fake=ramp,
            reference_flow=flow,
            confidence=ones,
            input_format=INPUT_FORMAT,
        )
        terms = flow_terms(chunk)
        assert (terms["flow_warp"] < 1e-5) is is_correct
        assert (terms["temporal_warp"] < 1e-5) is is_correct


class IdentityDiscriminator(nn.Module):
    """One scale; its feature is the whole input, its logit the mean of the input. Counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.num_calls = 0

    def forward(self, image: Tensor, conditions: Tensor | None = None) -> list[list[Tensor]]:
        self.num_calls += 1
        if conditions is not None:
            image = torch.cat([conditions.repeat(len(image) // len(conditions), 1, 1, 1), image], 1)
        return [[image, image.mean((1, 2, 3), keepdim=True)]]


def image_outputs(chunk: Chunk) -> RealFakeOutputs:
    return discriminate(IdentityDiscriminator(), chunk.real, chunk.fake_images, chunk.discriminator_conditions)


def test_image_losses_by_hand() -> None:
    """The mean over one condition channel (0) and three colours is 3/4 of the image; one layer has the weight 4."""
    losses = training_losses.image_losses(
        constant_chunk(), image_outputs(constant_chunk()), lambda a, b: (a - b).mean(), settings(l1=1.0)
    )
    assert {name: float(term) for name, term in losses.items()} == pytest.approx(
        {
            "adversarial": (0.75 * 0.125 - 1) ** 2 + 1.0,
            "feature_matching": 4 * 0.75 * (0.375 + 0.5),
            "perceptual": -(0.375 + 0.5),
            "l1": 0.375 + 0.5,
        }
    )
    for weights, names in (
        ({"l1": 0.0}, {"adversarial", "feature_matching"}),
        ({"l1": 0.0, "feature_matching": 0.0}, {"adversarial"}),
    ):
        outputs = image_outputs(constant_chunk())
        assert set(training_losses.image_losses(constant_chunk(), outputs, None, settings(**weights))) == names
    assert set(training_losses.image_losses(constant_chunk(), None, None, settings(l1=1.0))) == {"l1"}


def test_synthesised_l1_is_that_of_the_image_before_the_blend() -> None:
    chunk = constant_chunk(synthesised=-0.25)
    terms = training_losses.image_losses(chunk, None, None, settings(l1=1.0, synthesised_l1=2.0))
    assert float(terms["synthesised_l1"]) == 0.75
    assert float(terms["l1"]) == 0.375 + 0.5
    for other, weight in ((chunk, 0.0), (constant_chunk(), 2.0)):  # no weight, no references
        assert "synthesised_l1" not in training_losses.image_losses(other, None, None, settings(synthesised_l1=weight))


@pytest.mark.parametrize("kind", ["temporal", "region"])
def test_adversarial_losses_sum_over_discriminators(kind: Any) -> None:
    first, second = constant_chunk(), constant_chunk(image=1.5)
    outputs = [discriminate(IdentityDiscriminator(), chunk.real, [chunk.image]) for chunk in (first, second)]
    terms = {name: float(term) for name, term in adversarial_losses(kind, outputs, settings()).items()}
    adversarial, matching = (0.125 - 1) ** 2 + (1.5 - 1) ** 2, 4 * (0.375 + 1.0)
    assert terms == pytest.approx({f"{kind}_adversarial": adversarial, f"{kind}_feature_matching": matching})
    assert adversarial_losses(kind, [], settings()) == {}
    assert set(adversarial_losses(kind, outputs, settings(**{f"{kind}_feature_matching": 0.0}))) == {
        f"{kind}_adversarial"
    }


def test_feature_matching_has_no_gradient_for_real_frames() -> None:
    chunk = constant_chunk()
    chunk.real.requires_grad_()
    chunk.image.requires_grad_()
    losses = training_losses.image_losses(chunk, image_outputs(chunk), None, settings())
    temporal = discriminate(IdentityDiscriminator(), chunk.real, [chunk.image])
    losses |= adversarial_losses("temporal", [temporal], settings())
    torch.stack(list(losses.values())).sum().backward()
    assert chunk.real.grad is None or not chunk.real.grad.any()
    assert chunk.image.grad is not None
    assert float(losses["temporal_adversarial"].detach()) == pytest.approx((0.125 - 1) ** 2)
    assert float(losses["temporal_feature_matching"].detach()) == pytest.approx(4 * 0.375)


@pytest.mark.parametrize("gan_mode", ["lsgan", "hinge"])
def test_discriminator_loss_compares_each_fake_with_real(gan_mode: str) -> None:
    """One batched forward pass gives the same loss as separate passes."""
    torch.manual_seed(0)
    discriminator = MultiScaleDiscriminator(2, height=16, num_scales=2, base_channels=4, num_layers=1)
    losses = settings(gan_mode=gan_mode)
    real, *fakes = (torch.rand(3, 2, 16, 16) for _ in range(3))
    gan_loss = training_losses.GAN_LOSSES[gan_mode][1]
    real_logits = training_losses.logits(discriminator(real))
    separate = [gan_loss(real_logits, training_losses.logits(discriminator(fake))) for fake in fakes]
    batched = training_losses.discriminator_loss(discriminate(discriminator, real, fakes), losses)
    assert float(batched.detach()) == pytest.approx(float((separate[0] + separate[1]).detach()), rel=1e-5)
