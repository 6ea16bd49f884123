"""Inputs of the benchmarks: a clip, a dataset made from it, and checkpoints of untrained generators.

The speed of a generator does not depend on its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.training_data.untrained_checkpoint import save_untrained_checkpoint

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
        save_untrained_checkpoint(path, self.dataset, case.config)
        return path


def create_inputs(folder: Path, video: Path, *, conditioner: str = "landmarks", device: str = "cpu") -> BenchmarkInputs:
    """Prepare a dataset from the clip."""
    request = PrepareRequest(videos=(video,), conditioners=(conditioner,), out=folder / "dataset")
    return BenchmarkInputs(folder, video, prepare(request, ignore_events).path, device)
