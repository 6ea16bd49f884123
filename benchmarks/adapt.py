"""A base of several faces, adapted to one that it has not seen, against a training from nothing for ten times as long.

    python benchmarks/adapt.py [--seconds 60 | --steps 100] [--base-steps 4000] [--seeds 3] [--frames 10] [--out FILE]

The frames of the new face are spread over the first four fifths of its video; the last fifth is held out. Limits in
steps do not depend on other load.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.command_line import positive_float, positive_int
from benchmarks.inputs import Log
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.core.markdown import describe_machine, format_number, format_table
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.probe import probe
from vid2vid_cli.pipelines.adapt import AdaptRequest, adapt
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.tools.machine_info import machine_info

DATA = Path(os.environ.get("VID2VID_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
BASE_VIDEOS = ("talking_man.mp4", "turning_man.mp4", "man_with_glasses.mp4", "carphone_pristine.mp4")
NEW_VIDEO = "woman_expressions.mp4"
METRICS = ("psnr", "ssim", "landmark_error", "gaze_error", "sharpness", "warping_error")
TIME_RATIO = 10


@dataclass(frozen=True)
class AdaptPlan:
    """Videos, limits and settings."""

    base_videos: tuple[Path, ...]
    new_video: Path
    conditioner: str = "landmarks"
    settings: tuple[str, ...] = ("data.height=128", "data.aspect_ratio=1.0")
    base_steps: int = 4000
    seconds: float | None = 60.0
    """Training time of the adaptation; None: `steps`."""
    steps: int | None = None
    num_frames: int = 10
    num_seeds: int = 3
    device: str = "cpu"


def measure(plan: AdaptPlan, folder: Path, log: Log) -> dict[str, Any]:
    """Train the base, adapt it, train from nothing, for each seed; the metrics of each."""
    base_data = tuple(_prepare(video, folder / f"data_{video.stem}", plan) for video in plan.base_videos)
    held_out = _prepare(plan.new_video, folder / "held_out", plan)
    results: dict[str, list[dict[str, float]]] = {}
    for seed in range(plan.num_seeds):
        settings = (*plan.settings, f"runtime.seed={seed}")
        run = folder / f"base_{seed}"
        config = resolve_config("fast", None, settings, {}).config
        base = TrainRequest(
            config, "fast", base_data, run, max_steps=plan.base_steps, device=plan.device, overwrite=True
        )
        train(base, ignore_events)
        log(f"seed {seed}: base trained for {plan.base_steps} steps")
        prepared = _prepare(plan.new_video, folder / f"few_{seed}", plan, plan.num_frames)
        rows = {
            "adapted": (run, 1),
            "from nothing": (None, 1),
            f"from nothing, {TIME_RATIO} times as long": (None, TIME_RATIO),
        }
        for name, (init_from, factor) in rows.items():
            out = folder / f"run_{seed}_{len(results)}_{factor}_{init_from is not None}"
            limits: dict[str, Any] = {
                "max_steps": None if plan.steps is None else plan.steps * factor,
                "max_seconds": None if plan.seconds is None else plan.seconds * factor,
            }
            if init_from is not None:
                os.chdir(folder)  # `adapt` writes datasets/ in the working directory
                request = AdaptRequest(
                    init_from,
                    plan.new_video,
                    out,
                    max_frames=plan.num_frames,
                    end=_training_seconds(plan.new_video),
                    device=plan.device,
                    **limits,
                )
                result = adapt(request, ignore_events)
            else:
                result = train(TrainRequest(config, "fast", prepared, out, device=plan.device, **limits), ignore_events)
            evaluation = evaluate(
                EvaluateRequest(result.checkpoint, held_out, device=plan.device, baselines=False, report=False),
                ignore_events,
            )
            metrics = {key: float(evaluation.metrics[key]) for key in METRICS if key in evaluation.metrics}
            results.setdefault(name, []).append({**metrics, "steps": result.num_steps})
            log(f"seed {seed}: {name}: {results[name][-1]}")
    return {"rows": results, "base_steps": plan.base_steps, "num_frames": plan.num_frames}


def _prepare(video: Path, out: Path, plan: AdaptPlan, max_frames: int | None = None) -> Path:
    request = PrepareRequest((video,), (plan.conditioner,), out)
    if max_frames is not None:
        request = replace(request, num_spread_frames=max_frames, end=_training_seconds(video), val_fraction=0.0)
    return prepare(request, ignore_events).path


def _training_seconds(video: Path) -> float:
    """The time before the frames that are held out."""
    return (1 - PrepareRequest.val_fraction) * float(probe(video).duration)


def format_results(results: Mapping[str, Any]) -> str:
    """A row per training, a column per metric: mean ± standard deviation over the seeds."""
    rows = []
    for name, runs in results["rows"].items():
        cells = []
        for key in (*METRICS, "steps"):
            values = [run[key] for run in runs if key in run]
            text = format_number(float(np.mean(values))) if values else format_number(None)
            cells.append(f"{text} ± {format_number(float(np.std(values)))}" if len(values) > 1 else text)
        rows.append([name, *cells])
    note = f"Base: {results['base_steps']} steps; {results['num_frames']} frames of the new face."
    return format_table("Adaptation to a new face", ["", *METRICS, "steps"], rows, note)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=positive_float, default=60.0, help="training time of the adaptation")
    parser.add_argument("--steps", type=positive_int, help="steps of the adaptation, in place of --seconds")
    parser.add_argument("--base-steps", type=positive_int, default=4000)
    parser.add_argument("--seeds", type=positive_int, default=3)
    parser.add_argument("--frames", type=positive_int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, default=DATA / "face", help="folder of the videos")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    args = parser.parse_args(arguments)
    plan = AdaptPlan(
        tuple(args.data.resolve() / name for name in BASE_VIDEOS),
        args.data.resolve() / NEW_VIDEO,
        base_steps=args.base_steps,
        seconds=None if args.steps else args.seconds,
        steps=args.steps,
        num_frames=args.frames,
        num_seeds=args.seeds,
        device=args.device,
    )
    out = None if args.out is None else args.out.resolve()
    try:
        with tempfile.TemporaryDirectory(prefix="vid2vid_adapt_") as folder:
            results = measure(plan, Path(folder), lambda line: print(line, file=sys.stderr, flush=True))
    except Vid2VidError as error:
        print(f"Error: {error.message} {error.hint}", file=sys.stderr)
        return error.exit_code
    print(describe_machine(machine_info(args.device, is_training=True)), format_results(results), sep="\n\n")
    if out is not None:
        out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
