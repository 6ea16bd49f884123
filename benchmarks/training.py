"""Training steps a second, in bf16 and in fp32, in turn within one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, get_args

from benchmarks.inputs import Case, Material, Say
from benchmarks.tables import figures, table
from vid2vid_cli.core.prefetch import ahead
from vid2vid_cli.engine.build import build_state
from vid2vid_cli.engine.distributed import ALONE
from vid2vid_cli.engine.runtime import Precision, choose_machine
from vid2vid_cli.engine.step import Trainer, train_step
from vid2vid_cli.networks.flow_estimator import DisTeacher
from vid2vid_cli.networks.perceptual import find_perceptual
from vid2vid_cli.training.job import TrainRequest, find_job

CASES = (Case("tiny", 128), Case("fast", 256), Case("face", 256))
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class TrainingPlan:
    """What is trained, and for how long: blocks of steps, one block of each precision per round."""

    cases: Sequence[Case] = CASES
    rounds: int = 3
    block_seconds: float = 10.0
    """A block goes on at least so long, and has one step at least."""
    case_seconds: float = 240.0
    """No further round is begun after so long: without its instructions, a CPU takes minutes for a step in bf16."""


def measure(material: Material, say: Say, plan: TrainingPlan | None = None) -> dict[str, Any]:
    """Steps of each case in each precision; clips are drawn by a thread beside it, as in `train`."""
    plan = plan or TrainingPlan()
    return {"cases": {case.name: _case(case, material, say, plan) for case in plan.cases}}


def show(found: Mapping[str, Any]) -> str:
    """As Markdown."""
    cases: Mapping[str, Any] = found["cases"]
    rows = [
        [
            name,
            *(figures(one["median"][precision]) for precision in PRECISIONS),
            f"{one['gain']:.2f}",
            str(one["frames_per_step"]),
            one["chosen"],
        ]
        for name, one in cases.items()
    ]
    header = ["preset", *(f"{name}, steps/s" for name in PRECISIONS), "bf16 / fp32", "frames a step", "auto takes"]
    notices = dict.fromkeys(one["notice"] for one in cases.values() if one["notice"])
    blocks = " / ".join(str(len(one["steps_per_second"]["fp32"])) for one in cases.values())
    note = f"Clips as long as at the start of a run; medians of {blocks} blocks of each precision, in turn."
    return table(
        "Training", header, rows, " ".join([note, *(f"{notice[0].upper()}{notice[1:]}." for notice in notices)])
    )


def _case(case: Case, material: Material, say: Say, plan: TrainingPlan) -> dict[str, Any]:
    job = find_job(TrainRequest(case.config, data=material.dataset), ALONE)
    config, subject = job.config, job.subject
    sampler = subject.sampler(config)
    machines = {name: choose_machine(material.device, name, config.engine.channels_last) for name in PRECISIONS}
    states = {name: build_state(config, subject.layout(config), machine) for name, machine in machines.items()}
    device = machines["fp32"].device
    perceptual, notice = find_perceptual(config.losses.perceptual, device)
    trainers = {name: Trainer(config, machine, DisTeacher(), perceptual) for name, machine in machines.items()}
    length = min(config.schedule.clip, sampler.longest)
    rates: dict[str, list[float]] = {name: [] for name in PRECISIONS}
    with closing(ahead(sampler.stream(0, lambda step: length), depth=2)) as batches:

        def block(name: Precision, seconds: float) -> float:
            steps, start = 0, time.perf_counter()
            while steps == 0 or time.perf_counter() - start < seconds:
                train_step(trainers[name], states[name], next(batches).to(device))
                steps += 1
            return steps / (time.perf_counter() - start)

        for name in PRECISIONS:
            block(name, 0.0)  # the first step makes the optimiser's memory and picks kernels
        began = time.perf_counter()
        for index in range(plan.rounds):
            if index and time.perf_counter() - began > plan.case_seconds:
                break
            for name in PRECISIONS:
                rates[name].append(block(name, plan.block_seconds))
                say(f"training, round {index + 1} of {plan.rounds}: {case.name}, {name}: {rates[name][-1]:.3g} steps/s")
    median = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "steps_per_second": rates,
        "median": median,
        "gain": median["bf16"] / median["fp32"],
        "frames_per_step": length * config.schedule.batch,
        "chosen": choose_machine(material.device).precision,
        "notice": notice,
    }
