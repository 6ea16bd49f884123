"""Training steps per second in fp32 and bf16, measured alternately in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from benchmarks.inputs import BenchmarkInputs, Case, Log
from vid2vid_cli.core.markdown import format_number, format_table
from vid2vid_cli.core.prefetch import prefetch
from vid2vid_cli.engine.distributed import SINGLE_PROCESS
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.families.registry import build_train_state
from vid2vid_cli.engine.runtime import Precision, choose_runtime
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.train_context import TrainContext
from vid2vid_cli.networks.flow_estimator import DISFlow
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.training.job import resolve_train_job
from vid2vid_cli.training.perceptual import load_chosen_network

CASES = (Case("tiny", 128), Case("fast", 256), Case("face", 256))
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


@dataclass(frozen=True)
class TrainingPlan:
    """What is trained, and for how long: blocks of steps, one block of each precision per round."""

    cases: Sequence[Case] = CASES
    num_rounds: int = 3
    block_seconds: float = 10.0
    """Shortest time of a block; at least one step."""
    case_seconds: float = 240.0
    """No further round starts after this time: CPUs without bf16 instructions take minutes per step in bf16."""


def measure(inputs: BenchmarkInputs, log: Log, plan: TrainingPlan | None = None) -> dict[str, Any]:
    """Steps per second of each case in each precision; clips are loaded by a thread, as in `train`."""
    plan = plan or TrainingPlan()
    return {"cases": {case.name: _measure_case(case, inputs, log, plan) for case in plan.cases}}


def format_results(results: Mapping[str, Any]) -> str:
    """As Markdown."""
    cases: Mapping[str, Any] = results["cases"]
    rows = [
        [
            name,
            *(format_number(case["median"][precision]) for precision in PRECISIONS),
            f"{case['gain']:.2f}",
            str(case["frames_per_step"]),
            case["auto_precision"],
        ]
        for name, case in cases.items()
    ]
    header = ["preset", *(f"{name}, steps/s" for name in PRECISIONS), "bf16 / fp32", "frames per step", "auto uses"]
    notices = dict.fromkeys(case["notice"] for case in cases.values() if case["notice"])
    num_blocks = " / ".join(str(len(case["steps_per_second"]["fp32"])) for case in cases.values())
    note = f"Clips of the initial length; medians of {num_blocks} blocks of each precision, measured alternately."
    return format_table("Training", header, rows, " ".join([note, *notices]))


def _measure_case(case: Case, inputs: BenchmarkInputs, log: Log, plan: TrainingPlan) -> dict[str, Any]:
    job = resolve_train_job(TrainRequest(config=case.config, data=inputs.dataset), SINGLE_PROCESS)
    config, training_data = job.config, job.training_data
    sampler = training_data.build_sampler(config)
    runtimes = {
        name: choose_runtime(inputs.device, name, config.runtime.channels_last, is_training=True) for name in PRECISIONS
    }
    condition_spec = training_data.condition_spec(config)
    states = {name: build_train_state(config, condition_spec, runtime) for name, runtime in runtimes.items()}
    device = runtimes["fp32"].device
    perceptual_loss, choice = load_chosen_network(config.losses, runtimes["fp32"], SINGLE_PROCESS, ignore_events)
    contexts = {
        name: TrainContext(config, runtime, DISFlow(), perceptual_loss=perceptual_loss)
        for name, runtime in runtimes.items()
    }
    length = min(config.schedule.clip_length, sampler.max_range_length)
    rates: dict[str, list[float]] = {name: [] for name in PRECISIONS}
    with closing(prefetch(sampler.iter_batches(0, lambda step: length), depth=2)) as batches:

        def run_block(name: Precision, seconds: float) -> float:
            num_steps, start = 0, time.perf_counter()
            while num_steps == 0 or time.perf_counter() - start < seconds:
                train_step(contexts[name], states[name], next(batches).to(device))
                num_steps += 1
            return num_steps / (time.perf_counter() - start)

        for name in PRECISIONS:
            run_block(name, 0.0)  # the first step allocates optimiser state and selects kernels
        start = time.perf_counter()
        for index in range(plan.num_rounds):
            if index and time.perf_counter() - start > plan.case_seconds:
                break
            for name in PRECISIONS:
                rates[name].append(run_block(name, plan.block_seconds))
                rate = f"{rates[name][-1]:.3g} steps/s"
                log(f"training, round {index + 1} of {plan.num_rounds}: {case.name}, {name}: {rate}")
    median = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "steps_per_second": rates,
        "median": median,
        "gain": median["bf16"] / median["fp32"],
        "frames_per_step": length * config.schedule.batch_size,
        "auto_precision": choose_runtime(inputs.device).precision,
        "notice": choice.warning,
    }
