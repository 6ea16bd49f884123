"""Which loss looks at which tensor: the method in one file (vid2vid section 3; pix2pixHD section 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vid2vid_cli.config.discriminators import ImageConfig, LossConfig
from vid2vid_cli.core.types import FLOW_UNIT, Flow, FrameOutput
from vid2vid_cli.losses.adversarial import GAN_LOSSES, feature_matching
from vid2vid_cli.losses.reconstruction import masked_l1
from vid2vid_cli.networks.discriminator import Judgement
from vid2vid_cli.ops.crop import cut
from vid2vid_cli.ops.warp import warp

Terms = dict[str, Tensor]
Perceptual = Callable[[Tensor, Tensor], Tensor]
Pairs = dict[str, tuple[Tensor, Tensor]]
"""What discriminators are shown, real and generated, by the name of the network."""


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
    """(k, 2, h, w) of the last k frames: all, all but the first of the clip, or none; None without flow."""
    occlusion: Tensor | None
    real_before: Tensor
    """(k, 3, h, w) the real frame before each of the last k."""
    fake_before: Tensor
    """(k, 3, h, w) the generated one, detached."""
    teacher: Tensor
    """(k, 2, h, w)"""
    confidence: Tensor
    """(k, 1, h, w)"""
    regions: Mapping[str, Tensor] = field(default_factory=dict)
    """Name -> boxes (n, r, 4)."""
    judged: ImageConfig = field(default_factory=ImageConfig)
    """How discriminators are shown the conditions."""

    def shown(self, picture: Tensor) -> Tensor:
        """Pictures below their conditions, for the image discriminator."""
        return shown(self.conditions, picture, self.judged)


def shown(conditions: Tensor, picture: Tensor, judged: ImageConfig) -> Tensor:
    """What a discriminator of single frames sees, (n, c, h, w), (n, 3, h, w) -> (n, c + 3, h, w)."""
    if not conditions.is_floating_point():  # labels travel as whole numbers, a quarter of the room
        conditions = conditions.to(picture.dtype)
    if judged.unit_conditions:
        conditions = (conditions + 1) / 2
    return torch.cat([judged.conditions * conditions, picture], 1)


def chunk_of(
    outputs: Sequence[FrameOutput],
    first: int,
    conditions: Tensor,
    frames: Tensor,
    fakes: Tensor,
    teacher: Flow | None,
    regions: Mapping[str, Tensor],
    judged: ImageConfig,
) -> Chunk:
    """Gather frames `first` .. `first + len(outputs)` of a clip; `fakes` (b, t', 3, h, w) are all up to the last.

    Without a teacher no frame moves. `regions` are name -> (b, t, r, 4).
    """
    last = first + len(outputs)
    begin = max(first, 1) if teacher is not None else last
    moving, before = slice(begin, last), slice(begin - 1, last - 1)

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
        flat(frames[:, moving, :2] if teacher is None else teacher.flow[:, moving]),
        flat(frames[:, moving, :1] if teacher is None else teacher.confidence[:, moving]),
        {name: flat(boxes[:, first:last]) for name, boxes in regions.items()},
        judged,
    )


def synthesised(chunk: Chunk) -> list[Tensor]:
    """The pictures to be judged: the blend, and the raw frames, unless they are the same (a model without flow)."""
    return [chunk.image, chunk.raw] if chunk.flow is not None else [chunk.image]


def image_terms(chunk: Chunk, judge: nn.Module, perceptual: Perceptual | None, losses: LossConfig) -> Terms:
    """The generator's terms from single frames: adversarial, feature matching, perceptual, pixel."""
    for_generator = GAN_LOSSES[losses.gan][0]
    with torch.no_grad():
        matched = losses.feature_matching > 0
        real = judge(chunk.shown(chunk.real)) if matched else []
    terms: dict[str, list[Tensor]] = {}

    def add(name: str, value: Tensor) -> None:
        terms.setdefault(name, []).append(value)

    for picture in synthesised(chunk):
        if losses.judge_frames:
            fake = judge(chunk.shown(picture))
            add("adversarial", for_generator(scores(fake)))
            if matched:
                add("feature_matching", feature_matching(real, fake))
        if perceptual is not None and losses.perceptual:
            add("perceptual", perceptual(picture, chunk.real))
        if losses.pixel:
            add("pixel", F.l1_loss(picture, chunk.real))
    return {name: torch.stack(values).sum() for name, values in terms.items()}


def motion_terms(chunk: Chunk) -> Terms:
    """The generator's terms about motion: flow, both warps, occlusion; the second warp alone for a model without flow.

    That warp is the teacher's, and keeps every model still whose frames follow each other.
    """
    count = len(chunk.teacher)
    if count == 0:
        return {}
    real, image, sure = chunk.real[-count:], chunk.image[-count:], chunk.confidence
    frame_warp = masked_l1(image, warp(chunk.fake_before, chunk.teacher), sure)
    if chunk.flow is None or chunk.occlusion is None:
        return {"frame_warp": frame_warp}
    return {
        "flow": masked_l1(chunk.flow, chunk.teacher, sure),
        "flow_warp": masked_l1(warp(chunk.real_before, chunk.flow), real, sure),
        "frame_warp": frame_warp,
        "occlusion": masked_l1(chunk.occlusion, 0.0, sure),
    }


def group_ends(kind: Literal["every", "covering", "sparse"], rate: int, size: int, first: int, last: int) -> list[int]:
    """The newest frames of the groups that are judged once frames `first` .. `last - 1` of a clip are there.

    A group is `size` frames, `rate` apart, and may reach back before `first`. every: one ends at each of the frames.
    covering: one ends at the newest, others in steps of `size` before it, until the new frames are covered, as
    published. sparse: those that share no frame with another, were every `rate`-th frame of the clip dealt out.
    """
    span = rate * (size - 1)
    ends: Sequence[int] = range(first, last)
    if kind == "covering":
        ends = range(last - 1, first - 1, -size)
    elif kind == "sparse":
        ends = [end for end in ends if (end - span) % (rate * size) == 0]
    return [end for end in ends if end >= span]


def groups(frames: Tensor, flows: Tensor, rate: int, size: int, ends: Sequence[int]) -> Tensor:
    """What a temporal discriminator sees: `size` frames, `rate` apart, and the flows between them.

    One group for each of `ends`, (b, t, 3, h, w), (b, t, 2, h, w) -> (n, 3 * size + 2 * (size - 1), h, w). The flows
    are those over `rate` frames, divided by 20.
    """
    parts = []
    for end in ends:
        start = end - rate * (size - 1)
        seen = frames[:, start : end + 1 : rate].flatten(1, 2)
        moved = flows[:, start + rate : end + 1 : rate].flatten(1, 2) / FLOW_UNIT
        parts.append(torch.cat([seen, moved], 1))
    return torch.cat(parts)


def regions(chunk: Chunk, names: Sequence[str], side: int) -> Pairs:
    """What region discriminators see: squares of `side` pixels about the boxes, conditions and frame, real and final.

    By the name of the region; one that is on no frame is left out.
    """
    pairs: Pairs = {}
    for name in names:
        boxes = chunk.regions[name]
        conditions, real, fake = (cut(each, boxes, side) for each in (chunk.conditions, chunk.real, chunk.image))
        if conditions is not None and real is not None and fake is not None:
            pairs[name] = (shown(conditions, real, chunk.judged), shown(conditions, fake, chunk.judged))
    return pairs


def pair_terms(kind: Literal["temporal", "region"], pairs: Pairs, judges: nn.ModuleDict, losses: LossConfig) -> Terms:
    """The generator's terms from one kind of discriminators, each shown its pair; the sums over the networks."""
    adversarial, matching = [], []
    for name, (real, fake) in pairs.items():
        of_fake = judges[name](fake)
        adversarial.append(GAN_LOSSES[losses.gan][0](scores(of_fake)))
        if getattr(losses, f"{kind}_feature_matching") > 0:
            with torch.no_grad():
                of_real = judges[name](real)
            matching.append(feature_matching(of_real, of_fake))
    found = {f"{kind}_adversarial": adversarial, f"{kind}_feature_matching": matching}
    return {name: torch.stack(values).sum() for name, values in found.items() if values}


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
