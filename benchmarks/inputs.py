"""Inputs of the benchmarks: a clip, a dataset made from it, and checkpoints of untrained generators.

The speed of a generator does not depend on its weights.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import save_checkpoint
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.runtime import choose_runtime
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.training_data.open_data import open_training_data
from vid2vid_cli.training_data.reference_collection import record_references

Log = Callable[[str], None]
"""Receives lines about the progress."""


@dataclass(frozen=True)
class Case:
    """A model to measure: a preset at a height, with further settings (`KEY=VALUE`)."""

    preset: str
    height: int
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.preset}, {self.height}²"

    @property
    def config(self) -> Config:
        return resolve_config(self.preset, None, (f"data.height={self.height}", *self.settings), {}).config


@dataclass(frozen=True)
class BenchmarkInputs:
    """A clip, its dataset, and a folder for everything else."""

    folder: Path
    video: Path
    dataset: Path
    device: str

    def create_checkpoint(self, case: Case) -> Path:
        """A checkpoint of an untrained generator, with the statistics of the dataset."""
        path = self.folder / f"{case.preset}_{case.height}.ckpt"
        training_data = open_training_data(self.dataset, case.config)
        torch.manual_seed(0)
        generator = build_generator(case.config.generator, training_data.condition_spec(case.config))
        source = training_data.build_sampler(case.config).reference_source
        references = None if source is None else record_references(source.bank)
        metadata = training_data.checkpoint_metadata(path.stem, case.config, {"steps": 0}, references=references)
        save_checkpoint(path, generator, metadata, reference_frames=None if source is None else source.bank.frames)
        return path


def create_inputs(folder: Path, video: Path, *, conditioner: str = "landmarks", device: str = "cpu") -> BenchmarkInputs:
    """Prepare a dataset from the clip."""
    request = PrepareRequest(videos=(video,), conditioners=(conditioner,), out=folder / "dataset")
    return BenchmarkInputs(folder, video, prepare(request, ignore_events).path, device)


def write_looped_clip(video: Path, num_frames: int, path: Path) -> Path:
    """Repeat a clip forwards and backwards, without jumps, until it has `num_frames` frames."""
    reader = VideoReader(video, max_frames=num_frames)
    frames = list(reader)
    loop = [*frames, *frames[::-1]]
    with VideoWriter(path, reader.fps) as writer:
        for index in range(num_frames):
            writer.write(loop[index % len(loop)])
    return path


def machine_info(device: str) -> dict[str, object]:
    """The machine that the numbers were measured on."""
    runtime = choose_runtime(device)
    return {
        "processor": _processor_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "runtime": runtime.describe(),
        "gpu": torch.cuda.get_device_name() if runtime.device.type == "cuda" else None,
    }


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
