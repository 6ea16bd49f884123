"""The loss terms of generator and discriminators (vid2vid section 3; pix2pixHD section 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.engine.chunk import Chunk, RealFakePairs
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


def image_losses(
    chunk: Chunk, discriminator: nn.Module, perceptual: PerceptualFunction | None, losses: LossSettings
) -> LossTerms:
    """The generator's terms on single frames: adversarial, feature_matching, perceptual and l1."""
    generator_loss = GAN_LOSSES[losses.gan_mode][0]
    has_feature_matching = losses.has_any("feature_matching")
    real_output: list[DiscriminatorOutput] = []
    fake_outputs: list[list[DiscriminatorOutput]] = [[] for _ in chunk.fake_images]
    if losses.has_any("adversarial", "feature_matching"):
        conditions = chunk.discriminator_conditions
        fake_outputs = split_outputs(discriminator(torch.cat(chunk.fake_images), conditions), len(conditions))
        if has_feature_matching:
            with torch.no_grad():
                real_output = discriminator(chunk.real, conditions)
    terms: dict[str, list[Tensor]] = {}

    def add_term(name: str, value: Tensor) -> None:
        terms.setdefault(name, []).append(value)

    for image, fake_output in zip(chunk.fake_images, fake_outputs, strict=True):
        if fake_output:
            add_term("adversarial", generator_loss(logits(fake_output)))
            if has_feature_matching:
                add_term("feature_matching", feature_matching_loss(real_output, fake_output))
        if perceptual is not None and losses.has_any("perceptual"):
            add_term("perceptual", perceptual(image, chunk.real))
        if losses.has_any("l1"):
            add_term("l1", F.l1_loss(image, chunk.real))
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
    kind: Literal["temporal", "region"], pairs: RealFakePairs, discriminators: nn.ModuleDict, losses: LossSettings
) -> LossTerms:
    """The generator's terms of the temporal or the region discriminators, each summed over the discriminators."""
    adversarial_name, matching_name = f"{kind}_adversarial", f"{kind}_feature_matching"
    terms: dict[str, list[Tensor]] = {}
    for name, (real, fake) in pairs.items():
        fake_output = discriminators[name](fake)
        terms.setdefault(adversarial_name, []).append(GAN_LOSSES[losses.gan_mode][0](logits(fake_output)))
        if losses.has_any(matching_name):
            with torch.no_grad():
                real_output = discriminators[name](real)
            terms.setdefault(matching_name, []).append(feature_matching_loss(real_output, fake_output))
    return {name: torch.stack(values).sum() for name, values in terms.items()}


def discriminator_loss(
    real: Tensor,
    fakes: Sequence[Tensor],
    discriminator: nn.Module,
    losses: LossSettings,
    conditions: Tensor | None = None,
) -> Tensor:
    """A discriminator's loss, summed over `fakes`, each against `real`; all inputs are detached.

    `conditions`: see `PatchDiscriminator.forward`; None: the images are the whole input.
    """
    gan_loss = GAN_LOSSES[losses.gan_mode][1]
    shared = () if conditions is None else (conditions.detach(),)
    output_logits = logits(discriminator(torch.cat([real, *fakes]).detach(), *shared))
    real_logits, *fakes_logits = zip(*(torch.split(scale, len(real)) for scale in output_logits), strict=True)
    return torch.stack([gan_loss(real_logits, fake_logits) for fake_logits in fakes_logits]).sum()


def split_outputs(outputs: Sequence[DiscriminatorOutput], batch_size: int) -> list[list[DiscriminatorOutput]]:
    """The outputs of each scale for a batch of k * `batch_size` -> those of each k-th."""
    split = [[torch.split(features, batch_size) for features in scale] for scale in outputs]
    return [[[parts[index] for parts in scale] for scale in split] for index in range(len(split[0][0]))]


def logits(outputs: Sequence[DiscriminatorOutput]) -> list[Tensor]:
    """The logits of each scale."""
    return [output[-1] for output in outputs]
