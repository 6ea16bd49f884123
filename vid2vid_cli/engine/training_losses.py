"""The loss terms of generator and discriminators (vid2vid section 3; pix2pixHD section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.engine.chunk import Chunk
from vid2vid_cli.losses.adversarial import GAN_LOSSES, feature_matching_loss
from vid2vid_cli.losses.reconstruction import masked_l1
from vid2vid_cli.networks.discriminator import DiscriminatorOutput
from vid2vid_cli.ops.warp import warp

LossTerms = dict[str, Tensor]
PerceptualFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class LossSettings:
    """Adversarial loss, and the weight of each term by its name in the configuration."""

    gan_mode: Literal["lsgan", "hinge", "vanilla", "wgan"]
    weights: Mapping[str, float]

    def has_any(self, *names: str) -> bool:
        """Whether any of the terms has a weight above 0."""
        return any(self.weights[name] > 0 for name in names)


@dataclass(frozen=True)
class RealFakeOutputs:
    """The outputs of a discriminator for its real and for each of its generated inputs."""

    real: list[DiscriminatorOutput]
    fakes: list[list[DiscriminatorOutput]]


def discriminate(
    discriminator: nn.Module, real: Tensor, fakes: Sequence[Tensor], conditions: Tensor | None = None
) -> RealFakeOutputs:
    """The outputs for real and generated images, which have the same shape, in one pass.

    `conditions`: see `PatchDiscriminator.forward`; None: the images are the whole input.
    """
    shared = () if conditions is None else (conditions,)
    outputs = discriminator(torch.cat([real, *fakes]), *shared)
    split = [[torch.split(features, len(real)) for features in scale] for scale in outputs]
    real_output, *fake_outputs = (
        [[parts[index] for parts in scale] for scale in split] for index in range(1 + len(fakes))
    )
    return RealFakeOutputs(real_output, fake_outputs)


def image_losses(
    chunk: Chunk, outputs: RealFakeOutputs | None, perceptual: PerceptualFunction | None, losses: LossSettings
) -> LossTerms:
    """The generator's terms on single frames: adversarial, feature_matching, perceptual, l1 and synthesised_l1.

    `outputs`: of the image discriminator for `chunk.real` and `chunk.fake_images`; None: the first two have no weight.
    """
    generator_loss = GAN_LOSSES[losses.gan_mode][0]
    terms: dict[str, list[Tensor]] = {}

    def add_term(name: str, value: Tensor) -> None:
        terms.setdefault(name, []).append(value)

    for fake_output in [] if outputs is None else outputs.fakes:
        add_term("adversarial", generator_loss(logits(fake_output)))
        if outputs is not None and losses.has_any("feature_matching"):
            add_term("feature_matching", feature_matching_loss(outputs.real, fake_output))
    for image in chunk.fake_images:
        if perceptual is not None and losses.has_any("perceptual"):
            add_term("perceptual", perceptual(image, chunk.real))
        if losses.has_any("l1"):
            add_term("l1", F.l1_loss(image, chunk.real))
    if chunk.synthesised is not None and losses.has_any("synthesised_l1"):
        add_term("synthesised_l1", F.l1_loss(chunk.synthesised, chunk.real))
    return {name: torch.stack(values).sum() for name, values in terms.items()}


def flow_losses(chunk: Chunk) -> LossTerms:
    """The generator's terms on motion: flow, flow_warp, temporal_warp and occlusion.

    A model without flow has temporal_warp alone, which uses the reference flow and reduces flicker in any model that
    is trained on consecutive frames.
    """
    num_flow_frames = len(chunk.reference_flow)
    if num_flow_frames == 0:
        return {}
    real, image, confidence = chunk.real[-num_flow_frames:], chunk.image[-num_flow_frames:], chunk.confidence
    temporal_warp = masked_l1(image, warp(chunk.prev_fake, chunk.reference_flow), confidence)
    if chunk.flow is None or chunk.occlusion is None:
        return {"temporal_warp": temporal_warp}
    return {
        "flow": masked_l1(chunk.flow, chunk.reference_flow, confidence),
        "flow_warp": masked_l1(warp(chunk.prev_real, chunk.flow), real, confidence),
        "temporal_warp": temporal_warp,
        "occlusion": masked_l1(chunk.occlusion, 0.0, confidence),
    }


def adversarial_losses(
    kind: Literal["temporal", "region"], outputs: Iterable[RealFakeOutputs], losses: LossSettings
) -> LossTerms:
    """The generator's terms of the temporal or the region discriminators, each summed over the discriminators."""
    adversarial_name, matching_name = f"{kind}_adversarial", f"{kind}_feature_matching"
    terms: dict[str, list[Tensor]] = {}
    for output in outputs:
        for fake_output in output.fakes:
            terms.setdefault(adversarial_name, []).append(GAN_LOSSES[losses.gan_mode][0](logits(fake_output)))
            if losses.has_any(matching_name):
                terms.setdefault(matching_name, []).append(feature_matching_loss(output.real, fake_output))
    return {name: torch.stack(values).sum() for name, values in terms.items()}


def discriminator_loss(outputs: RealFakeOutputs, losses: LossSettings) -> Tensor:
    """A discriminator's loss, summed over the generated inputs, each against the real one."""
    gan_loss = GAN_LOSSES[losses.gan_mode][1]
    return torch.stack([gan_loss(logits(outputs.real), logits(fake_output)) for fake_output in outputs.fakes]).sum()


def logits(outputs: Sequence[DiscriminatorOutput]) -> list[Tensor]:
    """The logits of each scale."""
    return [output[-1] for output in outputs]
