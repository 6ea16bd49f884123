"""Small inputs for tests: a video of a moving blob, tiny configurations, networks and clips, stub generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers.video_files import SAMPLE_RATE, click_track, write_video
from torch import Tensor

from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.core.types import ClipBatch, FrameOutput
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.cropping import crop_view
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.engine.families.paired import PairedState
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.networks.flow_estimator import DISFlow

HEIGHT, WIDTH, NUM_FRAMES, FPS = 40, 56, 24, Fraction(30000, 1001)
CPU = Runtime(torch.device("cpu"), "fp32", True)


def blob_frame(index: int, height: int = HEIGHT, width: int = WIDTH, *, offset: float = 0.0) -> np.ndarray:
    """A bright disc that moves over a static background with a few bars; `offset`: frames that it is ahead."""
    y, x = np.mgrid[:height, :width]
    frame = np.stack([60 + 0 * x, 60 + x, 90 - y], axis=-1).astype(np.float32)
    frame[:, ::14] = 20
    time = index + offset
    distance = np.hypot(x - 12 - 1.2 * time, y - height / 2 - 5 * np.sin(time / 3))
    frame[distance < 7] = (230, 200, 40)
    return frame.clip(0, 255).astype(np.uint8)


def make_blob_video(path: Path, num_frames: int = NUM_FRAMES) -> Path:
    """Write `num_frames` blob frames at 29.97 frames per second, with a tone at 0.2 seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = click_track(float(num_frames / FPS), [0.2], SAMPLE_RATE)
    return write_video(path, [blob_frame(index) for index in range(num_frames)], FPS, audio=audio)


def tiny_config(**sections: Mapping[str, Any]) -> Config:
    """A configuration whose training step takes about ten milliseconds.

    `sections` override single settings: schedule={"max_steps": 3}. The sections of the discriminators are named
    image_discriminator, temporal_discriminator and region_discriminator.
    """
    patch_settings = {"num_scales": 1, "num_layers": 1, "base_channels": 4}
    data: dict[str, dict[str, Any]] = {
        "data": {"height": 24, "size_rule": "height", "aspect_ratio": 1.0},
        "generator": {"base_channels": 4, "num_downsamples": 1, "num_res_blocks": 2, "kernel_size": 3},
        "image_discriminator": dict(patch_settings),
        "temporal_discriminator": {**patch_settings, "frame_strides": (1, 3)},
        "losses": {"perceptual": 0.0, "l1": 1.0},
        "schedule": {
            "max_steps": 4,
            "clip_length": 4,
            "max_clip_length": 8,
            "clip_growth_interval": 6,
            "frames_per_update": 2,
        },
        "runtime": {"precision": "fp32"},
        "checkpoint": {"save_interval": 2, "sample_interval": 2},
    }
    for name, section in sections.items():
        data[name] = {**data.get(name, {}), **section}
    suffix = "_discriminator"
    nested = {name.removesuffix(suffix): data.pop(name) for name in list(data) if name.endswith(suffix)}
    return Config(**{**data, "discriminators": nested})


def tiny_state(config: Config, num_channels: int = 1) -> tuple[TrainContext, PairedState]:
    """New networks on the CPU, and the context of their training steps."""
    state = build_train_state(config, ConditionSpec(num_channels), CPU)
    assert isinstance(state, PairedState)
    return TrainContext(config, CPU, DISFlow()), state


def tiny_sampler(folder: Path, **changes: Any) -> ClipSampler:
    """Sampler of a prepared dataset: 24 x 24 pixels, or `size` (height, width), and two clips per batch."""
    dataset = Dataset(folder)
    size = changes.pop("size", (24, 24))
    conditioners = load_conditioners([(record.name, record.options) for record in dataset.manifest.conditioners])
    view = crop_view(dataset.height, dataset.width, size, "center", {})
    return ClipSampler(dataset, conditioners, view, **{"seed": 0, "batch_size": 2, **changes})


def random_clips(
    seed: int = 0, *, batch_size: int = 1, length: int = 4, num_channels: int = 1, size: int = 24
) -> ClipBatch:
    """Smooth random conditions, and frames that are a linear function of them."""
    generator = torch.Generator().manual_seed(seed)
    coarse_noise = torch.rand(batch_size, length * num_channels, size // 4, size // 4, generator=generator) * 2 - 1
    smooth_noise = torch.nn.functional.interpolate(coarse_noise, size=(size, size), mode="bilinear", align_corners=True)
    conditions = smooth_noise.view(batch_size, length, num_channels, size, size)
    return ClipBatch(conditions, conditions[:, :, :1].repeat(1, 1, 3, 1, 1) * torch.tensor([1, 0.5, -1]).view(3, 1, 1))


def copy_weights(network: torch.nn.Module) -> list[Tensor]:
    """A copy of all parameters and buffers."""
    return [value.detach().clone() for value in network.state_dict().values()]


def tensors_equal(first: list[Tensor], second: list[Tensor]) -> bool:
    """Whether two lists of tensors are equal bit for bit."""
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


class CountingGenerator:
    """A stub generator that returns the last frame plus one and records its inputs."""

    def __init__(self, past_frames: int = 2) -> None:
        self.num_scales, self.past_frames, self.window_size = 1, past_frames, past_frames + 1
        self.window_inputs: list[Tensor] = []
        self.past_inputs: list[Tensor] = []
        self.first_frame_flags: list[bool] = []

    def __call__(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
        self.window_inputs.append(window)
        self.past_inputs.append(past[0])
        self.first_frame_flags.append(is_first_frame)
        image = past[0][:, -1] + 1
        return FrameOutput(image, image)
