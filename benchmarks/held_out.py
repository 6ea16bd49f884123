"""Quality on held-out frames after minutes of training, beside what a model must surpass.

    python benchmarks/held_out.py VIDEO [--conditioner landmarks] [--preset fast] [--set KEY=VALUE]...
        [--minutes 3 | --steps 400] [--seeds 2] [--out FOLDER]

Trains on the first four fifths of the video and measures on the last fifth, once per seed. A limit in steps does not
depend on other load.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.command_line import positive_float, positive_int
from benchmarks.inputs import Log, format_metric
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.core.markdown import describe_machine, format_table
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.tools.machine_info import machine_info


@dataclass(frozen=True)
class HeldOutPlan:
    """What is trained, and for how long."""

    video: Path
    conditioner: str = "landmarks"
    preset: str = "fast"
    settings: tuple[str, ...] = ()
    minutes: float | None = 3.0
    """Training time; None: `steps`."""
    steps: int | None = None
    num_seeds: int = 2
    device: str = "cpu"


def measure(plan: HeldOutPlan, folder: Path, log: Log) -> dict[str, Any]:
    """Prepare the video, train and evaluate with each seed.

    {"runs": metrics per seed, "steps": per seed, "precision": of the trainings, "baselines": metrics per name}
    """
    dataset = prepare(PrepareRequest((plan.video,), (plan.conditioner,), folder / "data"), ignore_events).path
    runs: list[dict[str, float]] = []
    steps: list[int] = []
    precision = "auto"
    baselines: dict[str, dict[str, float]] = {}
    for seed in range(plan.num_seeds):
        config = resolve_config(plan.preset, None, (*plan.settings, f"runtime.seed={seed}"), {}).config
        request = TrainRequest(
            config,
            plan.preset,
            dataset,
            folder / f"run_{seed}",
            max_steps=plan.steps,
            max_seconds=None if plan.minutes is None else 60 * plan.minutes,
            device=plan.device,
        )
        trained = train(request, ignore_events)
        evaluation = evaluate(
            EvaluateRequest(trained.checkpoint, dataset, device=plan.device, report=False), ignore_events
        )
        runs.append(dict(evaluation.rows["model"]))
        steps.append(trained.num_steps)
        precision = RunFolder(trained.path).load_record().precision
        baselines = {name: dict(metrics) for name, metrics in evaluation.baselines.items()}
        log(f"seed {seed}: {trained.num_steps} steps in {trained.elapsed_seconds:.0f} s: {evaluation.comparison}")
    return {"runs": runs, "steps": steps, "precision": precision, "baselines": baselines}


def format_results(plan: HeldOutPlan, results: Mapping[str, Any]) -> str:
    """A row per metric; the mean over the seeds, each seed, and the baselines."""
    runs: Sequence[Mapping[str, float]] = results["runs"]
    baselines: Mapping[str, Mapping[str, float]] = results["baselines"]
    names = [name for name in runs[0] if all(name in run for run in runs)]
    rows = [
        [
            name,
            format_metric(name, float(np.mean([run[name] for run in runs]))),
            *(format_metric(name, run[name]) for run in runs),
            *(format_metric(name, row.get(name)) for row in baselines.values()),
        ]
        for name in names
    ]
    header = ["", "mean", *(f"seed {seed}" for seed in range(len(runs))), *baselines]
    limit = f"{plan.steps} steps" if plan.minutes is None else f"{plan.minutes:g} minutes"
    settings = "".join(f" --set {setting}" for setting in plan.settings)
    note = f"{limit}; {', '.join(map(str, results['steps']))} steps."
    return format_table(f"{plan.video.name}, --preset {plan.preset}{settings}", header, rows, note)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--conditioner", default=HeldOutPlan.conditioner)
    parser.add_argument("--preset", default=HeldOutPlan.preset)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    parser.add_argument("--minutes", type=positive_float, default=HeldOutPlan.minutes)
    parser.add_argument("--steps", type=positive_int, help="in place of --minutes")
    parser.add_argument("--seeds", type=positive_int, default=HeldOutPlan.num_seeds)
    parser.add_argument("--device", default=HeldOutPlan.device)
    parser.add_argument("--out", type=Path, help="folder in which the dataset and the runs are kept")
    args = parser.parse_args(arguments)
    plan = HeldOutPlan(
        args.video,
        args.conditioner,
        args.preset,
        tuple(args.settings),
        minutes=None if args.steps else args.minutes,
        steps=args.steps,
        num_seeds=args.seeds,
        device=args.device,
    )
    try:
        with tempfile.TemporaryDirectory(prefix="vid2vid_held_out_") as folder:
            results = measure(plan, args.out or Path(folder), lambda line: print(line, file=sys.stderr, flush=True))
    except Vid2VidError as error:
        print(f"Error: {error.message} {error.hint}", file=sys.stderr)
        return error.exit_code
    machine = machine_info(args.device, results["precision"], is_training=True)
    print(describe_machine(machine), format_results(plan, results), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
