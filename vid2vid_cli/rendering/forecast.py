"""Going on with what was seen: label maps by a model, and by the two guesses that it must be better than."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.metrics.image import psnr
from vid2vid_cli.networks.flow_estimator import DisTeacher
from vid2vid_cli.ops.warp import warp
from vid2vid_cli.rendering.label_channels import Planes


@dataclass(frozen=True)
class Stretch:
    """Some frames of a clip: those that were seen, and perhaps those that followed."""

    planes: Tensor
    """(t, c, h, w) condition channels of what was seen."""
    pictures: Tensor
    """(t, 3, h, w)"""
    next_planes: Tensor | None = None
    """(n, c, h, w) what really came then."""
    next_pictures: Tensor | None = None


@dataclass(frozen=True)
class Guess:
    """What may come next, (n, c, h, w), and how it looks, (n, 3, h, w)."""

    planes: Tensor
    pictures: Tensor | None


def go_on(generator: SequentialGenerator, seen: Tensor, count: int, machine: Machine) -> Tensor:
    """The next `count` planes, each from those before it, (t, c, h, w) -> (count, c, h, w); t at least its past."""
    begin = seen[None, -generator.past :].float().to(machine.device)
    nothing = [begin.new_zeros(1, 0, *begin.shape[-2:])] * count
    with torch.inference_mode(), machine.autocast():
        outputs = list(rollout(generator, nothing, begin=begin))
    return torch.cat([output.image.float().cpu() for output in outputs])


def draw_on(generator: SequentialGenerator, stretch: Stretch, planes: Tensor, machine: Machine) -> Tensor:
    """Frames for planes (n, c, h, w) that follow a stretch, going on from its real frames, (n, 3, h, w)."""
    conditions, seen = (part.float().to(machine.device).unsqueeze(1) for part in (planes, stretch.planes))
    begin = stretch.pictures[None, -generator.past :].to(machine.device) if generator.past else None
    with torch.inference_mode(), machine.autocast():
        outputs = list(rollout(generator, conditions.unbind(0), begin=begin, seen=seen.unbind(0)))
    return torch.cat([output.image.float().cpu() for output in outputs])


def stand_still(stretch: Stretch, count: int) -> Guess:
    """The last frame again and again."""
    return Guess(*(part[-1:].float().expand(count, -1, -1, -1) for part in (stretch.planes, stretch.pictures)))


def keep_moving(stretch: Stretch, count: int) -> Guess:
    """The last frame moved on, at each pixel as it moved between the last two."""
    flow, _ = DisTeacher()(stretch.pictures[-2:-1], stretch.pictures[-1:])
    return Guess(_moved(stretch.planes[-1:].float(), flow, count), _moved(stretch.pictures[-1:], flow, count))


def _moved(last: Tensor, flow: Tensor, count: int) -> Tensor:
    frames = []
    for _ in range(count):
        last = warp(last, flow)
        frames.append(last)
    return torch.cat(frames)


def measure(guess: Guess, stretch: Stretch, planes: Planes) -> dict[str, Tensor]:
    """How right a guess was, for each frame (n,): `iou` in % of the label maps, `psnr` in dB of the pictures."""
    found: dict[str, Tensor] = {}
    if stretch.next_planes is not None:
        found["iou"] = planes.overlap(guess.planes, stretch.next_planes.float())
    if stretch.next_pictures is not None and guess.pictures is not None:
        found["psnr"] = psnr(guess.pictures, stretch.next_pictures).double()
    return found
