"""Looking at what was learned, on frames that training never saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vid2vid_cli.core.types import ClipBatch, FrameOutput
from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.metrics.image import psnr


@torch.inference_mode()
def generate(
    generator: SequentialGenerator, conditions: Tensor, machine: Machine, begin: Tensor | None = None
) -> list[FrameOutput]:
    """All frames of a clip from its conditions, (b, t, c, h, w) -> t outputs; `begin` as that of the rollout."""
    begin = begin if begin is None else begin.to(machine.device)
    with machine.autocast():
        return list(rollout(generator, conditions.to(machine.device).float().unbind(1), begin=begin))


def held_out_quality(outputs: Sequence[FrameOutput], clip: ClipBatch) -> float:
    """Mean PSNR in dB of generated frames against the clip's real ones."""
    images = torch.stack([output.image.cpu().float() for output in outputs], 1)
    return float(psnr(images.flatten(0, 1), clip.frames.flatten(0, 1)).mean())


def to_picture(frame: Tensor) -> NDArray[np.uint8]:
    """(3, h, w) in [-1, 1] -> (h, w, 3) uint8."""
    levels = ((frame.detach().float() + 1) * 127.5).round().clamp(0, 255).byte()
    picture: NDArray[np.uint8] = levels.permute(1, 2, 0).contiguous().cpu().numpy()
    return picture


def evenly(count: int, wanted: int) -> list[int]:
    """`wanted` indices spread over `count`, first and last included."""
    return sorted({round(float(position)) for position in np.linspace(0, count - 1, min(count, wanted))})
