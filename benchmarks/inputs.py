"""What the benchmarks work on: a clip, a dataset of it, and checkpoints of generators that have learned nothing.

How fast a generator is does not depend on its weights; all else in these checkpoints is as training leaves it.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import load_layers
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import save_checkpoint
from vid2vid_cli.engine.events import silent
from vid2vid_cli.engine.runtime import choose_machine
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.training_data.training_data import open_subject

Say = Callable[[str], None]
"""Takes a line for whoever waits."""


@dataclass(frozen=True)
class Case:
    """A generator to be measured."""

    preset: str
    size: int
    sets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.preset}, {self.size}²"

    @property
    def config(self) -> Config:
        return load_layers(self.preset, None, (f"data.size={self.size}", *self.sets), {}).config


@dataclass(frozen=True)
class Material:
    """A clip and a dataset of it, in a folder where everything else may be put."""

    folder: Path
    video: Path
    dataset: Path
    device: str

    def checkpoint(self, case: Case) -> Path:
        """A generator as it is before the first step, with the statistics of the dataset."""
        path = self.folder / f"{case.preset}_{case.size}.ckpt"
        subject = open_subject(self.dataset, case.config)
        torch.manual_seed(0)
        generator = build_generator(case.config.generator, subject.layout(case.config))
        save_checkpoint(path, generator, subject.info(path.stem, case.config, {"steps": 0}))
        return path


def gather(folder: Path, video: Path, *, conditioner: str = "landmarks", device: str = "cpu") -> Material:
    """Prepare the clip."""
    made = prepare(PrepareRequest((video,), (conditioner,), folder / "dataset"), silent)
    return Material(folder, video, made.path, device)


def looped(video: Path, frames: int, path: Path) -> Path:
    """A clip again and again until there are `frames` frames; every second round runs backwards, so nothing jumps."""
    reader = VideoReader(video, max_frames=frames)
    pictures = list(reader)
    back_and_forth = [*pictures, *pictures[::-1]]
    with VideoWriter(path, reader.fps) as writer:
        for index in range(frames):
            writer.write(back_and_forth[index % len(back_and_forth)])
    return path


def surroundings(device: str) -> dict[str, object]:
    """The machine that the numbers belong to."""
    machine = choose_machine(device)
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": machine.describe(),
        "gpu": torch.cuda.get_device_name() if machine.device.type == "cuda" else None,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names: Sequence[str] = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
