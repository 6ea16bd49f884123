"""The two processes of tests/engine/test_distributed.py, and helpers for the single process they are compared with."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from helpers.factories import CPU, random_clips, tiny_config, tiny_state

from vid2vid_cli.core.errors import DiskFullError, WorkerLostError
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.distributed import SINGLE_PROCESS, ProcessGroup, RankStoppedError
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.loop import StopCondition, train_loop
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.state_files import load_train_state, save_train_state
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.torchrun import join_process_group
from vid2vid_cli.engine.train_context import TrainContext

BATCH_SIZE, CLIP_LENGTH, HALF_STEPS, NUM_STEPS = 2, 5, 1, 2
NAN = float("nan")
CONFIG = tiny_config(
    data={"height": 32},
    generator={"base_channels": 4, "num_scales": 2, "num_local_res_blocks": 1},
    temporal_discriminator={"frame_strides": (1, 2)},
    region_discriminator={
        "num_scales": 1,
        "num_layers": 1,
        "base_channels": 4,
        "crop_fraction": 0.25,
        "names": ("face", "hands", "mouth"),
    },
    schedule={"frames_per_update": 3, "freeze_coarse_steps": 1},
    optimizer={"lr": 1e-3},
)
"""Everything that differs between clips or steps: frozen coarse scales, strides that need past chunks, regions."""


def make_clips(step: int, clip_indices: Sequence[int]) -> ClipBatch:
    """Clips of the batch of a step. The reference flow of odd clips has few confident pixels.

    The face is on all frames of the first clip, hands are on a different number of frames of both, a mouth on none.
    """
    batches = [random_clips(10 * step + clip, length=CLIP_LENGTH, size=32) for clip in clip_indices]
    frames = torch.cat([batch.frames for batch in batches])
    for index, clip in enumerate(clip_indices):
        if clip % 2:
            frames[index, ::2, :, :20] *= -1
    boxes = {
        "face": torch.full((BATCH_SIZE, CLIP_LENGTH, 1, 4), NAN),
        "hands": torch.full((BATCH_SIZE, CLIP_LENGTH, 2, 4), NAN),
    }
    boxes["mouth"] = boxes["face"].clone()
    boxes["face"][0] = 12.0
    boxes["hands"][:, 3:, 0] = 8.0
    boxes["hands"][1, 4, 1] = 20.0
    conditions = torch.cat([batch.conditions for batch in batches])
    regions = {name: region_boxes[list(clip_indices)] for name, region_boxes in boxes.items()}
    return ClipBatch(conditions, frames, regions=regions)


class RecordedTraining:
    """Training steps in this process, and the losses of each step."""

    def __init__(self, context: TrainContext) -> None:
        self.context = context
        self.losses: list[dict[str, float]] = []

    def train_until(self, state: TrainState, max_steps: int) -> None:
        while state.step < max_steps:
            clips = make_clips(state.step, self.context.process_group.shard(BATCH_SIZE))
            self.losses.append(train_step(self.context, state, clips))


def new_training(process_group: ProcessGroup, seed: int = 0) -> tuple[RecordedTraining, TrainState]:
    context, state = tiny_state(CONFIG.with_settings({"runtime.seed": seed}))
    return RecordedTraining(replace(context, process_group=process_group)), state


def main(folder: Path, process_group: ProcessGroup) -> None:
    """Train in two processes and write states and losses to `folder`."""
    training, state = new_training(process_group, seed=process_group.rank)  # different weights before the broadcast
    process_group.broadcast_state(state, CPU.device)
    training.train_until(state, HALF_STEPS)
    if process_group.is_main:
        save_train_state(folder / "distributed", state, {})
    training.train_until(state, NUM_STEPS)
    save_train_state(folder / f"rank{process_group.rank}", state, {})
    (folder / f"losses{process_group.rank}.json").write_text(json.dumps(training.losses))
    resumed, state = new_training(process_group, seed=5)
    single_state_folder = folder / "single" / f"step_{HALF_STEPS:07d}"
    process_group.run_on_main(lambda: load_train_state(single_state_folder, state, CPU))
    process_group.broadcast_state(state, CPU.device)
    resumed.train_until(state, NUM_STEPS)
    if process_group.is_main:
        save_train_state(folder / "resumed", state, {})
    torch.set_default_dtype(torch.float32)
    check_endings(folder, process_group)


def check_endings(folder: Path, process_group: ProcessGroup) -> None:
    """End a training in three ways: one rank reaches its limit, the main process fails, one rank is killed."""
    training, state = new_training(process_group)
    endings: list[int | str] = []
    batches = (make_clips(0, process_group.shard(BATCH_SIZE)) for _ in range(100))

    def run_loop(stop_condition: StopCondition, after_step: Callable[[float], bool]) -> None:
        train_loop(
            training.context,
            state,
            batches,
            stop_condition,
            previous_seconds=0.0,
            emit=ignore_events,
            after_step=after_step,
        )

    def raise_disk_full(_: float) -> bool:
        if process_group.is_main:
            raise DiskFullError("full")
        return True

    run_loop(StopCondition(1 if process_group.rank else None, None), lambda _: True)
    endings.append(state.step)
    try:
        run_loop(StopCondition(None, None), raise_disk_full)
    except (DiskFullError, RankStoppedError) as error:
        endings.append(type(error).__name__)
    (folder / f"endings{process_group.rank}.json").write_text(json.dumps(endings))
    if not process_group.is_main:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        train_step(training.context, state, next(batches))
    except WorkerLostError:
        (folder / "worker_lost").touch()


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    new_training(SINGLE_PROCESS)  # performs torch's lazy imports once, before the fork
    os.environ["RANK"] = os.environ["LOCAL_RANK"] = "0" if os.fork() else "1"
    with join_process_group() as joined:
        main(Path(sys.argv[1]), joined)
    assert joined != SINGLE_PROCESS
