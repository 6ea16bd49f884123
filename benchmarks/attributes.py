"""Attributes of VAE-GAN: frames with other values of an attribute, and the values that are measured on them again.

    python benchmarks/attributes.py VIDEO [--steps 700] [--size 64] [--attributes "mouth_open;head_yaw"] [--value 2]
        [--members "NAME;NAME"] [--out FOLDER]

Trains on the first four fifths of a video of a face. The held-out frames are synthesised with `--attribute NAME=-2`, 0
and 2, and the landmarks are detected on the results. Prints one Markdown table; the videos and the last sample sheets
are in FOLDER.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.command_line import copy_last_sheet, log_progress, parse_names, print_tables
from benchmarks.inputs import Case, Log, format_metric, train_for
from vid2vid_cli.conditioning import Annotation, Conditioner, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.markdown import format_table
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.requests.render import StyleOptions
from vid2vid_cli.requests.train import TrainRequest

CONDITIONER = "landmarks"
MEMBERS: Mapping[str, tuple[str, ...]] = {
    "VAE-GAN": (),
    "VAE-GAN, published weights": ("losses.similarity=1", "losses.adversarial=1", "losses.l1=0"),
}
METRICS = ("psnr", "ssim", "landmark_error", "landmarks_found")


@dataclass(frozen=True)
class AttributePlan:
    """What is trained, for how long, and which attributes are changed."""

    size: int = 64
    steps: int = 700
    attributes: tuple[str, ...] = ("mouth_open", "head_yaw")
    value: float = 2.0
    members: Sequence[str] = tuple(MEMBERS)
    settings: tuple[str, ...] = ("generator.base_channels=16", "schedule.batch_size=8")
    device: str = "cpu"

    @property
    def values(self) -> tuple[float, ...]:
        return (-self.value, 0.0, self.value)


def measure(plan: AttributePlan, video: Path, folder: Path, log: Log) -> dict[str, Mapping[str, float]]:
    """Train and evaluate each member: name -> metrics; the last row has the measurements of the real frames."""
    dataset = prepare(PrepareRequest((video,), (CONDITIONER,), folder / "data"), ignore_events).path
    conditioner = load_conditioner(CONDITIONER)
    rows: dict[str, Mapping[str, float]] = {}
    for index, name in enumerate(plan.members):
        log(f"{name}: training")
        names = f"generator.attributes=[{','.join(plan.attributes)}]"
        config = Case("vaegan", plan.size, (*plan.settings, names, *MEMBERS[name])).config
        request = TrainRequest(
            config, "vaegan", dataset, folder / f"run_{index}", max_steps=plan.steps, device=plan.device
        )
        trained, cpu_seconds = train_for(request, None)
        copy_last_sheet(trained.path, folder / f"{name.replace(' ', '_')}.png")
        evaluation = EvaluateRequest(
            trained.path, dataset, folder / f"evaluation_{index}", device=plan.device, report=False
        )
        rows[name] = {
            **evaluate(evaluation, ignore_events).metrics,
            **_measure_changes(plan, trained.path, dataset, conditioner),
            "cpu_seconds": cpu_seconds,
        }
        log(f"{name}: {rows[name]}")
    data = Dataset(dataset)
    annotations = list(data.annotations(data.frame_ranges("val"), CONDITIONER))
    rows["real frames"] = {_column(name, 0): _mean(conditioner, annotations, name) for name in plan.attributes}
    return rows


def _measure_changes(plan: AttributePlan, run: Path, dataset: Path, conditioner: Conditioner) -> dict[str, float]:
    """The mean of each attribute on frames that are synthesised with each of its values."""
    means = {}
    for name in plan.attributes:
        for value in plan.values:
            out = run / f"{name}_{value:+g}.mkv"  # lossless
            options = StyleOptions(attributes=(f"{name}={value:+g}",))
            request = SynthesizeRequest(
                run, dataset, out, split="val", style_options=options, device=plan.device, compare=False
            )
            frames = VideoReader(synthesize(request, ignore_events).path)
            means[_column(name, value)] = _mean(conditioner, conditioner.annotate(detect_cuts(frames)), name)
    return means


def _column(name: str, value: float) -> str:
    return f"{name}={value:+g}" if value else name


def _mean(conditioner: Conditioner, annotations: Iterable[Annotation], name: str) -> float:
    """The mean of a measurement over the frames on which it was measured; NaN if there are none."""
    values = np.array([conditioner.measure(annotation)[name] for annotation in annotations])
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def format_results(rows: Mapping[str, Mapping[str, float]], plan: AttributePlan) -> str:
    """The Markdown table."""
    changes = [_column(name, value) for name in plan.attributes for value in plan.values]
    names = [name for name in METRICS if any(name in metrics for metrics in rows.values())]
    cells = [
        [
            row,
            *(format_metric(name, metrics.get(name)) for name in names),
            *(_format_change(metrics.get(name)) for name in changes),
            format_metric("cpu_seconds", metrics.get("cpu_seconds")),
        ]
        for row, metrics in rows.items()
    ]
    title = f"attributes, {plan.size} pixels, {plan.steps} steps each"
    return format_table(title, ["", *names, *changes, "cpu_seconds"], cells)


def _format_change(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.3f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; an error is one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--attributes", default="mouth_open;head_yaw", help="separated by semicolons")
    parser.add_argument("--value", type=float, default=2.0)
    parser.add_argument("--members", default=";".join(MEMBERS), help="separated by semicolons")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(arguments)
    plan = AttributePlan(
        size=args.size,
        steps=args.steps,
        attributes=tuple(args.attributes.split(";")),
        value=args.value,
        members=parse_names(parser, "members", args.members, tuple(MEMBERS)),
    )
    return print_tables(
        args.out, lambda folder: [format_results(measure(plan, args.video, folder, log_progress), plan)]
    )


if __name__ == "__main__":
    sys.exit(main())
