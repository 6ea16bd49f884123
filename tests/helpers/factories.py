"""Small real things for tests: a film with a moving blob, a dataset and a run made from it, settings, stubs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers.video_files import RATE, clicks, make_clip
from torch import Tensor

from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.types import ClipBatch, ConditionLayout, FrameOutput
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.cropping import frame_view
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.engine.build import build_state
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import Trainer
from vid2vid_cli.networks.flow_estimator import DisTeacher

HEIGHT, WIDTH, COUNT, FPS = 40, 56, 24, Fraction(30000, 1001)
CPU = Machine(torch.device("cpu"), "fp32", True)


def blob_frame(index: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A bright disc that moves over a still ground with a few bars."""
    y, x = np.mgrid[:height, :width]
    frame = np.stack([60 + 0 * x, 60 + x, 90 - y], axis=-1).astype(np.float32)
    frame[:, ::14] = 20
    away = np.hypot(x - 12 - 1.2 * index, y - height / 2 - 5 * np.sin(index / 3))
    frame[away < 7] = (230, 200, 40)
    return frame.clip(0, 255).astype(np.uint8)


def make_film(path: Path, count: int = COUNT) -> Path:
    """The blob at 29.97 frames a second, with a tone at 0.2 seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = clicks(float(count / FPS), [0.2], RATE)
    return make_clip(path, [blob_frame(index) for index in range(count)], FPS, sound=sound)


def tiny_config(**sections: Mapping[str, Any]) -> Config:
    """A whole model that steps in some ten milliseconds; `sections` overlay it, e.g. schedule={"steps": 3}."""
    patch = {"scales": 1, "layers": 1, "width": 4}
    data: dict[str, dict[str, Any]] = {
        "data": {"size": 24},
        "generator": {"width": 4, "downsamples": 1, "blocks": 2, "kernel": 3},
        "discriminator": dict(patch),
        "temporal": {**patch, "rates": (1, 3)},
        "losses": {"perceptual": 0.0, "pixel": 1.0},
        "schedule": {"steps": 4, "clip": 4, "clip_max": 8, "grow_every": 6, "frames_per_update": 2},
        "engine": {"precision": "fp32"},
        "output": {"save_every": 2, "sample_every": 2},
    }
    for name, section in sections.items():
        data[name] = {**data.get(name, {}), **section}
    return Config(**data)


def tiny_state(config: Config, channels: int = 1) -> tuple[Trainer, TrainState]:
    """Fresh networks on the CPU, and what steps them."""
    return Trainer(config, CPU, DisTeacher()), build_state(config, ConditionLayout(channels), CPU)


def tiny_sampler(folder: Path, **changes: Any) -> ClipSampler:
    """Clips of a prepared dataset, 24 pixels square unless `size` (height, width) says otherwise."""
    dataset = Dataset(folder)
    size = changes.pop("size", (24, 24))
    conditioners = load_conditioners([(record.name, record.options) for record in dataset.manifest.conditioners])
    view = frame_view(dataset.height, dataset.width, size, "whole", {})
    return ClipSampler(dataset, conditioners, view, **{"seed": 0, "batch": 2, **changes})


def some_clips(seed: int = 0, *, batch: int = 1, length: int = 4, channels: int = 1, size: int = 24) -> ClipBatch:
    """Smooth random clips, frames a shifted copy of the condition, so that there is something to learn."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, length * channels, size // 4, size // 4, generator=random) * 2 - 1
    fine = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=True)
    conditions = fine.view(batch, length, channels, size, size)
    return ClipBatch(conditions, conditions[:, :, :1].repeat(1, 1, 3, 1, 1) * torch.tensor([1, 0.5, -1]).view(3, 1, 1))


def weights_of(network: torch.nn.Module) -> list[Tensor]:
    return [value.detach().clone() for value in network.state_dict().values()]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    """Bit for bit."""
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


class Counting:
    """A generator that answers the last frame plus one, and remembers what it was shown."""

    def __init__(self, past: int = 2) -> None:
        self.scales, self.past, self.window = 1, past, past + 1
        self.windows: list[Tensor] = []
        self.pasts: list[Tensor] = []
        self.firsts: list[bool] = []

    def __call__(self, window: Tensor, past: Sequence[Tensor], first: bool = False) -> FrameOutput:
        self.windows.append(window)
        self.pasts.append(past[0])
        self.firsts.append(first)
        image = past[0][:, -1] + 1
        return FrameOutput(image, image)
