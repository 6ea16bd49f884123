"""`evaluate`: a checkpoint in numbers, on frames that training never saw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vid2vid_cli.core.errors import DatasetError
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.augmentation import Take
from vid2vid_cli.data.clip_sampler import read_clip, usable_runs
from vid2vid_cli.data.dataset import Split
from vid2vid_cli.engine.checkpoint import load_checkpoint, load_info
from vid2vid_cli.engine.events import Advanced, Tell
from vid2vid_cli.engine.inference import generate
from vid2vid_cli.engine.output_kind import check_draws
from vid2vid_cli.engine.run_folder import checkpoint_file
from vid2vid_cli.engine.runtime import choose_machine
from vid2vid_cli.engine.style_bank import StyleChoice, Styler
from vid2vid_cli.engine.styles import give_styles
from vid2vid_cli.media.files import write_text
from vid2vid_cli.metrics.image import psnr, ssim
from vid2vid_cli.metrics.temporal import warping_error
from vid2vid_cli.networks.flow_estimator import DisTeacher
from vid2vid_cli.pipelines.redetection import Measured, refind, refinders
from vid2vid_cli.rendering.initial_frame import open_first
from vid2vid_cli.training_data.training_data import open_for_checkpoint


@dataclass(frozen=True)
class EvaluateRequest:
    """What `evaluate` is asked to do."""

    checkpoint: Path
    data: Path
    out: Path | None = None
    """None: evaluation.json beside the checkpoint."""
    device: str = "auto"
    split: Split = "holdout"
    precision: str = "auto"
    first: str | None = None
    """What clips begin with: zeros, real, a picture, or the .ckpt of a frame-wise model. None: as in training."""


@dataclass(frozen=True)
class Evaluated:
    """What was measured, and the JSON file that holds it."""

    path: Path
    metrics: Mapping[str, float]


def evaluate(request: EvaluateRequest, tell: Tell) -> Evaluated:
    """Generate the held-out frames from their conditions alone and compare them with the real ones.

    `psnr` (dB) and `ssim`: means over frames. `warping_error` and `warping_error_real`: RMS in [0, 1] along the real
    flow. And of every conditioner that says how: the distance between what it finds on the output and what that was
    made from, such as `landmark_error` in % of the distance of the eyes; ending in `_real`, the same for the real
    frames, the least that can be expected. A model with styles gives all objects of a class that
    of most in training. Raises as `synthesize`.
    """
    path = checkpoint_file(request.checkpoint)
    info = load_info(path)
    check_draws(info, path, "frames")
    machine = choose_machine(request.device, request.precision)
    generator, _ = load_checkpoint(path, machine)
    subject = open_for_checkpoint(request.data, info, request.checkpoint)
    dataset, conditioners, view = subject.dataset, subject.conditioners, subject.view
    names = [use.name for use in info.conditioners]
    spans = [span for span in usable_runs(dataset, names, request.split) if span.frames >= 2]
    if not spans:
        raise DatasetError(f"{request.data} has no {request.split} frames to measure on.", "Prepare a longer video.")
    again = refinders(info.conditioners, tell)
    before = open_first(request.first, info, request.checkpoint, machine, tell, real=True)
    styler = Styler(info.styles, StyleChoice()) if info.styles is not None else None
    things = info.styles.things if info.styles is not None else None
    measured: list[Measured] = []
    for index, span in enumerate(spans):
        clip = read_clip(dataset, conditioners, Take(view, span), things=things)
        with machine.autocast():
            head = clip.conditions[:, 0].to(machine.device).float()
            begin = None if before is None else before(clip.frames[:, 0], head)
        outputs = generate(generator, give_styles(clip, styler), machine, begin)
        images = torch.cat([output.image.cpu().float() for output in outputs])
        found = refind(again, dataset, span, view, {"": images, "_real": clip.frames[0]})
        measured.append(_likeness(images, clip) | found)
        tell(Advanced("evaluate", index + 1, len(spans), "clips"))
    metrics = _mean(measured)
    out = request.out if request.out is not None else path.with_name("evaluation.json")
    frames = sum(span.frames for span in spans)
    record = {"checkpoint": str(path), "data": str(request.data), "split": request.split, "frames": frames}
    write_text(out, json.dumps(record | metrics, indent=1) + "\n")
    return Evaluated(out, metrics)


def _likeness(images: Tensor, clip: ClipBatch) -> Measured:
    real, count = clip.frames[0], len(images)
    flow, confidence = DisTeacher()(real[:-1], real[1:])
    # The metric wants an entry per frame; the first has no frame before it and is not looked at.
    flow, confidence = (torch.cat([part[:1] * 0, part]) for part in (flow, confidence))
    return {
        "psnr": (float(psnr(images, real).mean()), count),
        "ssim": (float(ssim(images, real).mean()), count),
        "warping_error": (float(warping_error(images, flow, confidence)), count),
        "warping_error_real": (float(warping_error(real, flow, confidence)), count),
    }


def _mean(measured: Sequence[Measured]) -> dict[str, float]:
    """Over all frames on which each was measured, whatever stretch they lie in."""
    names = dict.fromkeys(name for found in measured for name in found)
    parts = {name: np.array([found[name] for found in measured if name in found]) for name in names}
    return {name: float(np.average(part[:, 0], weights=part[:, 1])) for name, part in parts.items()}
