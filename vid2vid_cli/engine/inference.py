"""Generation of whole clips, and conversion and evaluation of the outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vid2vid_cli.core.model_specs import Direction
from vid2vid_cli.core.types import ClipBatch, ClipReferences, FrameOutput
from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.metrics.image import psnr
from vid2vid_cli.networks.translation import TranslationGenerator


@torch.inference_mode()
def generate_clip(
    generator: SequentialGenerator,
    conditions: Tensor,
    runtime: Runtime,
    initial_frames: Tensor | None = None,
    *,
    references: ClipReferences | None = None,
    num_given_frames: int = 0,
    on_frame: Callable[[int], None] | None = None,
) -> list[FrameOutput]:
    """Generate the frames of a clip, (b, t, c, h, w) -> t - `num_given_frames` outputs.

    `initial_frames`: as in `rollout`. The first `num_given_frames` conditions are those of the first output's past.
    `on_frame` is called with the number of generated frames after each of them.
    """
    initial_frames = initial_frames if initial_frames is None else initial_frames.to(runtime.device)
    all_conditions = conditions.to(runtime.device).float().unbind(1)
    with runtime.autocast():
        outputs: list[FrameOutput] = []
        for output in rollout(
            generator,
            all_conditions[num_given_frames:],
            initial_frames=initial_frames,
            past_conditions=all_conditions[:num_given_frames],
            references=None
            if references is None
            else islice(references.to(runtime.device).unbind(), num_given_frames, None),
        ):
            outputs.append(output)
            if on_frame is not None:
                on_frame(len(outputs))
        return outputs


@torch.inference_mode()
def translate_frames(generator: TranslationGenerator, frames: Tensor, direction: Direction, runtime: Runtime) -> Tensor:
    """Translate single frames, one after another, (n, 3, h, w) -> (n, 3, h, w) float on the CPU."""
    with runtime.autocast():
        outputs = [generator.translate(frame[None].to(runtime.device), direction) for frame in frames]
    return torch.cat([output.cpu().float() for output in outputs])


def validation_psnr(outputs: Sequence[FrameOutput], clip: ClipBatch) -> float:
    """Mean PSNR in dB of generated frames against the real frames of the clip."""
    images = torch.stack([output.image.cpu().float() for output in outputs], 1)
    return float(psnr(images.flatten(0, 1), clip.frames.flatten(0, 1)).mean())


def to_uint8_image(frame: Tensor) -> NDArray[np.uint8]:
    """(3, h, w) in [-1, 1] -> (h, w, 3) uint8."""
    uint8_frame = (frame.detach().float() + 1).mul_(127.5).round_().clamp_(0, 255).byte()
    return np.asarray(cv2.merge(list(uint8_frame.cpu().numpy())), np.uint8)  # half the time of torch's permutation


def mask_image(output: FrameOutput) -> NDArray[np.uint8]:
    """The occlusion mask as RGB: white is synthesised, black is warped; a first frame is white."""
    mask: Tensor = output.image.new_ones(1, *output.image.shape[-2:])
    if output.occlusion is not None:
        mask = output.occlusion[0]
    return to_uint8_image(mask.expand(3, -1, -1) * 2 - 1)


def to_uint16_image(frame: Tensor) -> NDArray[np.uint16]:
    """(3, h, w) in [-1, 1] -> (h, w, 3) uint16."""
    levels = ((frame.detach().float() + 1) * 32767.5).round().clamp(0, 65535)
    return levels.permute(1, 2, 0).cpu().numpy().astype(np.uint16)
