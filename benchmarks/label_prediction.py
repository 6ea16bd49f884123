"""The row `predict` of `prediction.py`: `model=predict` continues the label maps of the same shapes.

A frame of `moving_shapes.py` is, but for the antialiased borders, a label map in class colours: background, disc and
square. The predicted label maps are shown in these colours and compared with the real frames, so that the row has the
metrics of the models that predict frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks.moving_shapes import BACKGROUND, COLOURS
from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.rollout import SequentialGenerator
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.evaluation.baselines import COPY_LAST
from vid2vid_cli.evaluation.measured import Measured, mean_metrics
from vid2vid_cli.evaluation.perceptual import PerceptualMetric, choose_perceptual_metric
from vid2vid_cli.evaluation.prediction_metrics import CONSTANT_FLOW, measure_samples
from vid2vid_cli.evaluation.result import MODEL
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.rendering.checkpoint_file import open_checkpoint
from vid2vid_cli.rendering.forecast import (
    ForecastClip,
    constant_motion_baseline,
    predict_labels,
    repeat_last_baseline,
)
from vid2vid_cli.rendering.forecast_input import open_dataset_input
from vid2vid_cli.rendering.label_channels import LabelChannels, build_label_channels
from vid2vid_cli.rendering.loaded_model import load_model

LABEL_PRESET = "tiny"
CLASSES = {"background": BACKGROUND, "disc": COLOURS[0], "square": COLOURS[1]}
"""Class -> its colour in the frames; the position is the id."""
PALETTE = np.array(list(CLASSES.values()), dtype=np.uint8)


def label_config(common_settings: Sequence[str], *, num_frames: int, growth_interval: int) -> Config:
    """The configuration: settings of all models, two known frames as in `savp_small`, and no adversarial terms.

    The clip has one frame at first and is doubled every `growth_interval` steps, up to `num_frames`: with clips of ten
    frames from the first step on, predicted label maps hardly move.
    """
    settings = (
        *common_settings,
        *("model=predict", "generator.past_frames=2", "data.size_rule=height", "data.aspect_ratio=1.0"),
        *("losses.adversarial=0", "losses.feature_matching=0"),
        *("losses.temporal_adversarial=0", "losses.temporal_feature_matching=0"),
        "optimizer.lr=1e-3",
        *("schedule.batch_size=16", "schedule.frames_per_update=4", "schedule.bptt_frames=4"),
        *("schedule.clip_length=1", f"schedule.max_clip_length={num_frames}"),
        f"schedule.clip_growth_interval={growth_interval}",
    )
    return resolve_config(LABEL_PRESET, None, settings).config


def class_map(frame: UInt8Array) -> UInt8Array:
    """(h, w, 3) RGB -> (h, w) ids: the class with the nearest colour."""
    distances = np.square(frame[:, :, None].astype(np.int32) - PALETTE).sum(-1)
    return distances.argmin(-1).astype(np.uint8)


def class_records() -> list[dict[str, Any]]:
    """The option `classes` of the conditioner `labels`."""
    return [{"id": i, "name": name, "colour": list(colour)} for i, (name, colour) in enumerate(CLASSES.items())]


def prepare_label_maps(video: Path, frames: Iterable[UInt8Array], folder: Path) -> Path:
    """The dataset of a video with the label maps of its frames, as they were before compression."""
    maps = folder / "label_maps"
    maps.mkdir(exist_ok=True)
    for index, frame in enumerate(frames):
        cv2.imwrite(str(maps / f"{index:05d}.png"), class_map(frame))
    options = {"labels": {"input_dir": str(maps), "format": "ids", "classes": class_records()}}
    request = PrepareRequest((video,), ("labels",), folder / "label_data", options=options)
    return prepare(request, ignore_events).path


def measure_label_prediction(
    checkpoint_path: Path, dataset: Path, num_frames: int, device: str
) -> dict[str, Mapping[str, float]]:
    """Predict the validation clips that `evaluate` continues: row -> metrics of the frames, and `iou` of the maps in %.

    Rows: the model, the last frame and label map repeated, and both warped repeatedly by the flow of the last frames.
    """
    checkpoint = open_checkpoint(checkpoint_path, "labels")
    model = load_model(checkpoint, device, "auto")
    num_known = model.generator.past_frames
    clips = open_dataset_input(dataset, "val", checkpoint, num_context_frames=num_known, num_frames=num_frames)
    channels = build_label_channels(clips.conditioners)
    metric, _ = choose_perceptual_metric((), model.runtime.device, ignore_events)
    measured = [
        measure_clip(model.generator, clip, channels, runtime=model.runtime, metric=metric) for clip in clips.clips
    ]
    return {row: mean_metrics([rows[row].means for rows in measured]) for row in measured[0]}


def measure_clip(
    generator: SequentialGenerator,
    clip: ForecastClip,
    channels: LabelChannels,
    *,
    runtime: Runtime,
    metric: PerceptualMetric | None,
) -> dict[str, Measured]:
    """Continue the label maps of a clip; see `measure_label_prediction`."""
    assert clip.next_conditions is not None
    assert clip.next_frames is not None
    num_frames = len(clip.next_frames)
    predicted = predict_labels(generator, clip.conditions, num_frames, runtime)
    rows = measure_samples(colour(predicted, channels)[:, None], clip.frames, clip.next_frames, metric)
    label_maps = {
        MODEL: predicted,
        COPY_LAST: repeat_last_baseline(clip, num_frames).conditions,
        CONSTANT_FLOW: constant_motion_baseline(clip, num_frames).conditions,
    }
    for row, conditions in label_maps.items():
        iou = channels.measure_iou(conditions, clip.next_conditions.float()).mean()
        rows[row] |= Measured({"iou": (float(iou), num_frames)})
    return rows


def colour(conditions: Tensor, channels: LabelChannels) -> Tensor:
    """Label maps (t, c, h, w) as frames (t, 3, h, w) in the colours of their classes."""
    return torch.stack([frame_to_tensor(channels.visualize(frame)) for frame in conditions])
