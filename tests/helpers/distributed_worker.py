"""The two processes of tests/engine/test_distributed.py, and what one process alone does in their place."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from helpers.factories import CPU, some_clips, tiny_config, tiny_state

from vid2vid_cli.core.errors import DiskFullError, LostProcessError
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.engine.checkpoint import load_state, save_state
from vid2vid_cli.engine.distributed import ALONE, EndedElsewhereError, Group
from vid2vid_cli.engine.events import silent
from vid2vid_cli.engine.loop import Until, train_loop
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.torchrun import join

BATCH, LENGTH, HALF, STEPS = 2, 5, 1, 2
NAN = float("nan")
CONFIG = tiny_config(
    data={"size": 32},
    generator={"width": 4, "scales": 2, "blocks_local": 1},
    temporal={"rates": (1, 2)},
    region={"scales": 1, "layers": 1, "width": 4, "part": 0.25, "names": ("face", "hands", "mouth")},
    schedule={"frames_per_update": 3, "fix_global": 1},
    optimizer={"rate": 1e-3},
)
"""All that differs between clips or changes with time: coarse scales that stand still at first, judges of groups that
the first chunk is too short for, and regions."""


def clips(step: int, own: Sequence[int]) -> ClipBatch:
    """Some clips of the batch of a step. Flow is to be trusted in few places of the odd ones.

    A face is on all frames of the first, hands on the last frames of both, but not as many, a mouth on none.
    """
    made = [some_clips(10 * step + clip, length=LENGTH, size=32) for clip in own]
    frames = torch.cat([batch.frames for batch in made])
    for index, clip in enumerate(own):
        if clip % 2:
            frames[index, ::2, :, :20] *= -1
    boxes = {"face": torch.full((BATCH, LENGTH, 1, 4), NAN), "hands": torch.full((BATCH, LENGTH, 2, 4), NAN)}
    boxes["mouth"] = boxes["face"].clone()
    boxes["face"][0] = 12.0
    boxes["hands"][:, 3:, 0] = 8.0
    boxes["hands"][1, 4, 1] = 20.0
    conditions = torch.cat([batch.conditions for batch in made])
    return ClipBatch(conditions, frames, {name: places[list(own)] for name, places in boxes.items()})


def fresh(group: Group, seed: int = 0) -> tuple[Learning, TrainState]:
    config = CONFIG.model_copy(update={"engine": CONFIG.engine.model_copy(update={"seed": seed})})
    trainer, state = tiny_state(config)
    return Learning(replace(trainer, group=group)), state


class Learning:
    """Steps, and the losses that were told."""

    def __init__(self, trainer: object) -> None:
        self.trainer = trainer
        self.told: list[dict[str, float]] = []

    def learn(self, state: TrainState, until: int) -> None:
        group = self.trainer.group  # type: ignore[attr-defined]
        while state.step < until:
            batch = clips(state.step, group.clips(BATCH))
            self.told.append(train_step(self.trainer, state, batch))  # type: ignore[arg-type]


def main(folder: Path, group: Group) -> None:
    """What several processes do; the leading one leaves it in files."""
    learning, state = fresh(group, seed=group.rank)  # other weights in each, until they are shared
    group.share(state, CPU.device)
    learning.learn(state, HALF)
    if group.leads:
        save_state(folder / "several", state, {})
    learning.learn(state, STEPS)
    save_state(folder / f"rank{group.rank}", state, {})
    (folder / f"told{group.rank}.json").write_text(json.dumps(learning.told))
    resumed, state = fresh(group, seed=5)
    group.decide(lambda: load_state(folder / "one" / f"step_{HALF:07d}", state, CPU))
    group.share(state, CPU.device)
    resumed.learn(state, STEPS)
    if group.leads:
        save_state(folder / "resumed", state, {})
    torch.set_default_dtype(torch.float32)
    endings(folder, group)


def endings(folder: Path, group: Group) -> None:
    """All end together: where one has had enough, where the leading one fails, and where one is killed."""
    learning, state = fresh(group)
    ends = []
    batches = (clips(0, group.clips(BATCH)) for _ in range(100))
    trainer, enough = learning.trainer, Until(1 if group.rank else None, None)
    train_loop(trainer, state, batches, enough, before=0.0, tell=silent, after_step=lambda _: True)  # type: ignore[arg-type]
    ends.append(state.step)

    def full(_: float) -> bool:
        if group.leads:
            raise DiskFullError("full")
        return True

    try:
        train_loop(trainer, state, batches, Until(None, None), before=0.0, tell=silent, after_step=full)  # type: ignore[arg-type]
    except (DiskFullError, EndedElsewhereError) as error:
        ends.append(type(error).__name__)
    (folder / f"ends{group.rank}.json").write_text(json.dumps(ends))
    if not group.leads:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        train_step(trainer, state, next(batches))  # type: ignore[arg-type]
    except LostProcessError:
        (folder / "lost").touch()


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    fresh(ALONE)  # loads what torch loads late, once for both
    os.environ["RANK"] = os.environ["LOCAL_RANK"] = "0" if os.fork() else "1"
    with join() as joined:
        main(Path(sys.argv[1]), joined)
    assert joined != ALONE
