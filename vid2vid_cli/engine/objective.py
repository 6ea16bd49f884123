"""Which loss looks at which tensor: the method in one file (vid2vid section 3; pix2pixHD section 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.config.model import LossConfig
from vid2vid_cli.core.nouns import FLOW_UNIT, Flow, FrameOutput
from vid2vid_cli.losses.adversarial import GAN_LOSSES, feature_matching
from vid2vid_cli.losses.reconstruction import masked_l1
from vid2vid_cli.networks.patch import Judgement
from vid2vid_cli.ops.warp import warp

Terms = dict[str, Tensor]
Perceptual = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Chunk:
    """Some frames of a clip, as generated, beside what they should be; n = t * b frames, oldest first."""

    conditions: Tensor
    """(n, c, h, w)"""
    real: Tensor
    """(n, 3, h, w)"""
    image: Tensor
    raw: Tensor
    flow: Tensor | None
    """(k, 2, h, w) of the last k frames: all, or all but the first of the clip; None without flow."""
    occlusion: Tensor | None
    real_before: Tensor
    """(k, 3, h, w) the real frame before each of the last k."""
    fake_before: Tensor
    """(k, 3, h, w) the generated one, detached."""
    teacher: Tensor
    """(k, 2, h, w)"""
    confidence: Tensor
    """(k, 1, h, w)"""


def chunk_of(
    outputs: Sequence[FrameOutput],
    first: int,
    conditions: Tensor,
    frames: Tensor,
    fakes: Tensor,
    teacher: Flow,
) -> Chunk:
    """Gather frames `first` .. `first + len(outputs)` of a clip; `fakes` (b, t', 3, h, w) are all up to the last."""
    last = first + len(outputs)
    moving = slice(max(first, 1), last)
    before = slice(max(first, 1) - 1, last - 1)

    def flat(tensor: Tensor) -> Tensor:
        return tensor.transpose(0, 1).flatten(0, 1)

    flows = [o.flow for o in outputs if o.flow is not None]
    masks = [o.occlusion for o in outputs if o.occlusion is not None]
    return Chunk(
        flat(conditions[:, first:last]),
        flat(frames[:, first:last]),
        torch.cat([o.image for o in outputs]),
        torch.cat([o.raw for o in outputs]),
        torch.cat(flows) if flows else None,
        torch.cat(masks) if masks else None,
        flat(frames[:, before]),
        flat(fakes[:, before].detach()),
        flat(teacher.flow[:, moving]),
        flat(teacher.confidence[:, moving]),
    )


def synthesised(chunk: Chunk) -> list[Tensor]:
    """The pictures to be judged: the blend, and the raw frames, unless they are the same (a model without flow)."""
    return [chunk.image, chunk.raw] if chunk.flow is not None else [chunk.image]


def image_terms(chunk: Chunk, judge: nn.Module, perceptual: Perceptual | None, losses: LossConfig) -> Terms:
    """The generator's terms from single frames: adversarial, feature matching, perceptual, pixel."""
    for_generator = GAN_LOSSES[losses.gan][0]
    judged = is_judged(losses)
    with torch.no_grad():
        real = judge(torch.cat([chunk.conditions, chunk.real], 1)) if judged else []
    terms: dict[str, list[Tensor]] = {}

    def add(name: str, value: Tensor) -> None:
        terms.setdefault(name, []).append(value)

    for picture in synthesised(chunk):
        if judged:
            fake = judge(torch.cat([chunk.conditions, picture], 1))
            add("adversarial", for_generator(scores(fake)))
            add("feature_matching", feature_matching(real, fake))
        if perceptual is not None and losses.perceptual:
            add("perceptual", perceptual(picture, chunk.real))
        if losses.pixel:
            add("pixel", F.l1_loss(picture, chunk.real))
    return {name: torch.stack(values).sum() for name, values in terms.items()}


def is_judged(losses: LossConfig) -> bool:
    """Whether any term needs the image discriminator; where none does, it is neither asked nor trained."""
    return losses.adversarial > 0 or losses.feature_matching > 0


def is_judged_over_time(losses: LossConfig) -> bool:
    """The same for the temporal discriminators."""
    return losses.temporal_adversarial > 0 or losses.temporal_feature_matching > 0


def motion_terms(chunk: Chunk) -> Terms:
    """The generator's terms about motion: flow, both warps, occlusion; none for a model without flow."""
    if chunk.flow is None or chunk.occlusion is None:
        return {}
    count = len(chunk.teacher)
    real, image, sure = chunk.real[-count:], chunk.image[-count:], chunk.confidence
    return {
        "flow": masked_l1(chunk.flow, chunk.teacher, sure),
        "flow_warp": masked_l1(warp(chunk.real_before, chunk.flow), real, sure),
        "frame_warp": masked_l1(image, warp(chunk.fake_before, chunk.teacher), sure),
        "occlusion": masked_l1(chunk.occlusion, 0.0, sure),
    }


def groups(frames: Tensor, flows: Tensor, rate: int, size: int, first: int, last: int) -> Tensor | None:
    """What a temporal discriminator sees: `size` frames `rate` apart and the flows between them.

    One group ends at each frame of `first` .. `last` that has enough past: (b, t, 3, h, w), (b, t, 2, h, w) ->
    (n, 3 * size + 2 * (size - 1), h, w), or None. Flows are those of `rate`, divided by 20.
    """
    parts = []
    for end in range(first, last):
        start = end - rate * (size - 1)
        if start < 0:
            continue
        seen = frames[:, start : end + 1 : rate].flatten(1, 2)
        moved = flows[:, start + rate : end + 1 : rate].flatten(1, 2) / FLOW_UNIT
        parts.append(torch.cat([seen, moved], 1))
    return torch.cat(parts) if parts else None


def temporal_terms(real: Tensor, fake: Tensor, judge: nn.Module, losses: LossConfig) -> Terms:
    """The generator's terms from groups of frames, from one temporal discriminator."""
    with torch.no_grad():
        of_real = judge(real)
    of_fake = judge(fake)
    return {
        "temporal_adversarial": GAN_LOSSES[losses.gan][0](scores(of_fake)),
        "temporal_feature_matching": feature_matching(of_real, of_fake),
    }


def discriminator_loss(real: Tensor, fakes: Sequence[Tensor], judge: nn.Module, losses: LossConfig) -> Tensor:
    """What a discriminator minimises: each of `fakes` against `real`, all of them detached here."""
    compare = GAN_LOSSES[losses.gan][1]
    count = len(real)
    judged = judge(torch.cat([real, *fakes]).detach())
    of_real = [score[:count] for score in scores(judged)]
    parts = []
    for index in range(len(fakes)):
        of_fake = [score[(index + 1) * count : (index + 2) * count] for score in scores(judged)]
        parts.append(compare(of_real, of_fake))
    return torch.stack(parts).sum()


def scores(judgements: Sequence[Judgement]) -> list[Tensor]:
    """The score map of each scale."""
    return [judgement[-1] for judgement in judgements]
