"""Prediction of future label maps and frames, two baselines, and their metrics."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.metrics.image import psnr
from vid2vid_cli.networks.flow_estimator import DISFlow
from vid2vid_cli.ops.warp import warp_repeatedly
from vid2vid_cli.rendering.label_channels import LabelChannels


@dataclass(frozen=True)
class ForecastClip:
    """The context frames of a clip and, if known, the frames that follow them."""

    conditions: Tensor
    """(t, c, h, w) condition channels of the context frames."""
    frames: Tensor
    """(t, 3, h, w) context frames."""
    next_conditions: Tensor | None = None
    """(n, c, h, w) condition channels of the following frames."""
    next_frames: Tensor | None = None
    """(n, 3, h, w) following frames."""


@dataclass(frozen=True)
class Forecast:
    """Predicted condition channels (n, c, h, w) and, if rendered, frames (n, 3, h, w)."""

    conditions: Tensor
    frames: Tensor | None


def predict_labels(
    generator: SequentialGenerator, past_conditions: Tensor, num_frames: int, runtime: Runtime
) -> Tensor:
    """Predict the next conditions recursively, (t, c, h, w) -> (num_frames, c, h, w); t >= generator.past_frames."""
    initial_frames = past_conditions[None, -generator.past_frames :].float().to(runtime.device)
    empty_conditions = [initial_frames.new_zeros(1, 0, *initial_frames.shape[-2:])] * num_frames
    with torch.inference_mode(), runtime.autocast():
        outputs = list(rollout(generator, empty_conditions, initial_frames=initial_frames))
    return torch.cat([output.image.float().cpu() for output in outputs])


def render_prediction(
    generator: SequentialGenerator, clip: ForecastClip, predicted_conditions: Tensor, runtime: Runtime
) -> Tensor:
    """Render predicted conditions (n, c, h, w) -> (n, 3, h, w), with the real context frames as the past."""
    conditions, past_conditions = (
        tensor.float().to(runtime.device).unsqueeze(1) for tensor in (predicted_conditions, clip.conditions)
    )
    initial_frames = clip.frames[None, -generator.past_frames :].to(runtime.device) if generator.past_frames else None
    with torch.inference_mode(), runtime.autocast():
        outputs = list(
            rollout(
                generator,
                conditions.unbind(0),
                initial_frames=initial_frames,
                past_conditions=past_conditions.unbind(0),
            )
        )
    return torch.cat([output.image.float().cpu() for output in outputs])


def repeat_last_baseline(clip: ForecastClip, num_frames: int) -> Forecast:
    """The last context frame, repeated."""
    conditions, frames = (
        tensor[-1:].float().expand(num_frames, -1, -1, -1) for tensor in (clip.conditions, clip.frames)
    )
    return Forecast(conditions, frames)


def constant_motion_baseline(clip: ForecastClip, num_frames: int) -> Forecast:
    """The last context frame, warped repeatedly by the flow between the last two context frames."""
    flow, _ = DISFlow()(clip.frames[-2:-1], clip.frames[-1:])
    return Forecast(
        warp_repeatedly(clip.conditions[-1:].float(), flow, num_frames),
        warp_repeatedly(clip.frames[-1:], flow, num_frames),
    )


def measure_forecast(forecast: Forecast, clip: ForecastClip, label_channels: LabelChannels) -> dict[str, Tensor]:
    """Metrics per frame (n,): `iou` of the label maps in %, `psnr` of the frames in dB; {} without a reference."""
    metrics: dict[str, Tensor] = {}
    if clip.next_conditions is not None:
        metrics["iou"] = label_channels.measure_iou(forecast.conditions, clip.next_conditions.float())
    if clip.next_frames is not None and forecast.frames is not None:
        metrics["psnr"] = psnr(forecast.frames, clip.next_frames).double()
    return metrics
