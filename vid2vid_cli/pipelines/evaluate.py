"""`evaluate`: a checkpoint in numbers, on frames that training never saw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vid2vid_cli.conditioning import Conditioner, View
from vid2vid_cli.core.errors import DatasetError, MissingPackageError
from vid2vid_cli.core.nouns import ClipBatch
from vid2vid_cli.data.clips import read_clip, usable_runs
from vid2vid_cli.data.dataset import Dataset, Span, Split
from vid2vid_cli.engine.checkpoint import load_checkpoint, load_info
from vid2vid_cli.engine.device import choose_machine
from vid2vid_cli.engine.events import Advanced, Noticed, Tell
from vid2vid_cli.engine.validate import generate, to_picture
from vid2vid_cli.media.files import write_text
from vid2vid_cli.metrics.image import psnr, ssim
from vid2vid_cli.metrics.landmarks import landmark_error
from vid2vid_cli.metrics.temporal import warping_error
from vid2vid_cli.networks.flow_teacher import DisTeacher
from vid2vid_cli.pipelines.preparing.job import check_conditioners
from vid2vid_cli.pipelines.run_folder import checkpoint_file
from vid2vid_cli.pipelines.subject import open_for_checkpoint


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


@dataclass(frozen=True)
class Evaluated:
    """What was measured, and the JSON file that holds it."""

    path: Path
    metrics: Mapping[str, float]


def evaluate(request: EvaluateRequest, tell: Tell) -> Evaluated:
    """Generate the held-out frames from their conditions alone and compare them with the real ones.

    `psnr` (dB) and `ssim`: means over frames. `warping_error` and `warping_error_real`: RMS in [0, 1] along the real
    flow. `landmark_error`: % of the inter-ocular distance between the condition's points and those found on the
    output, where there is a face conditioner and its library; `landmark_error_real` is the same for the real frames,
    the least that can be expected. Raises as `synthesize`.
    """
    path = checkpoint_file(request.checkpoint)
    info = load_info(path)
    machine = choose_machine(request.device, request.precision)
    generator, _ = load_checkpoint(path, machine)
    subject = open_for_checkpoint(request.data, info, request.checkpoint)
    dataset, conditioners, view = subject.dataset, subject.conditioners, subject.view
    names = [use.name for use in info.conditioners]
    spans = [span for span in usable_runs(dataset, names, request.split) if span.frames >= 2]
    if not spans:
        raise DatasetError(f"{request.data} has no {request.split} frames to measure on.", "Prepare a longer video.")
    measured: list[dict[str, float]] = []
    weights: list[int] = []
    for index, span in enumerate(spans):
        clip = read_clip(dataset, conditioners, view, span)
        outputs = generate(generator, clip.conditions, machine)
        images = torch.cat([output.image.cpu().float() for output in outputs])
        measured.append(_likeness(images, clip) | _faces(conditioners, dataset, span, view, images, clip, tell))
        weights.append(span.frames)
        tell(Advanced("evaluate", index + 1, len(spans), "clips"))
    keys = sorted(set.intersection(*(set(found) for found in measured)), key=list(measured[0]).index)
    metrics = {key: float(np.average([found[key] for found in measured], weights=weights)) for key in keys}
    out = request.out if request.out is not None else path.with_name("evaluation.json")
    record = {"checkpoint": str(path), "data": str(request.data), "split": request.split, "frames": sum(weights)}
    write_text(out, json.dumps(record | metrics, indent=1) + "\n")
    return Evaluated(out, metrics)


def _likeness(images: Tensor, clip: ClipBatch) -> dict[str, float]:
    real = clip.frames[0]
    flow, confidence = DisTeacher()(real[:-1], real[1:])
    # The metric wants an entry per frame; the first has no frame before it and is not looked at.
    flow, confidence = (torch.cat([part[:1] * 0, part]) for part in (flow, confidence))
    return {
        "psnr": float(psnr(images, real).mean()),
        "ssim": float(ssim(images, real).mean()),
        "warping_error": float(warping_error(images, flow, confidence)),
        "warping_error_real": float(warping_error(real, flow, confidence)),
    }


def _faces(
    conditioners: Sequence[Conditioner],
    dataset: Dataset,
    span: Span,
    view: View,
    images: Tensor,
    clip: ClipBatch,
    tell: Tell,
) -> dict[str, float]:
    """Landmark errors of the first conditioner that has the 68 points of a face."""
    for conditioner in conditioners:
        annotations = [dataset.annotation(span.clip, i, conditioner.spec.name) for i in range(span.first, span.last)]
        if "face" not in annotations[0].points:
            continue
        try:
            check_conditioners([conditioner])
        except MissingPackageError as error:
            tell(Noticed(f"the landmark error is left out: {error.message} {error.hint}"))
            return {}
        wanted = np.stack([view.points(annotation.points["face"][:, :2]) for annotation in annotations])
        found = {}
        for name, frames in (("landmark_error", images), ("landmark_error_real", clip.frames[0])):
            errors = landmark_error(_points(conditioner, frames), wanted)
            if np.isfinite(errors).any():
                found[name] = float(np.nanmean(errors))
            found[name.replace("error", "found")] = float(np.isfinite(errors).mean())
        return found
    return {}


def _points(conditioner: Conditioner, frames: Tensor) -> NDArray[np.float32]:
    """What the conditioner finds on pictures, (t, 3, h, w) -> (t, 68, 2)."""
    pictures = [to_picture(frame) for frame in frames]
    return np.stack([annotation.points["face"][:, :2] for annotation in conditioner.annotate(pictures)])
