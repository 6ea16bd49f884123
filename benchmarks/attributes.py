"""Attributes of VAE-GAN: frames with other values of an attribute, and the values that are measured on them again.

    python benchmarks/attributes.py VIDEO [--steps 700] [--size 64] [--attributes "mouth_open;head_yaw"] [--value 2]
        [--members "NAME;NAME"] [--out FOLDER]

Trains on the first four fifths of a video of a face. The held-out frames and those of the training are synthesised with
`--attribute NAME=-2`, -1, 0, 1 and 2 (--value: the largest), and the landmarks are detected on the results. Frames with
and without an attribute are measured apart: where the mouth is closed, it cannot close. Prints a table of metrics and
one of the attributes, in Markdown; the videos and the last sample sheets are in FOLDER.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.command_line import (
    copy_last_sheet,
    log_progress,
    parse_names,
    positive_float,
    positive_int,
    print_tables,
)
from benchmarks.inputs import Case, Log, format_metric, train_for
from vid2vid_cli.conditioning import Annotation, Conditioner, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.markdown import format_table
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.data.frame_attributes import load_frame_attributes
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, synthesize
from vid2vid_cli.requests.render import StyleOptions
from vid2vid_cli.requests.shared import DatasetSplit
from vid2vid_cli.requests.train import TrainRequest

CONDITIONER = "landmarks"
MEMBERS: Mapping[str, tuple[str, ...]] = {
    "VAE-GAN": (),
    "VAE-GAN, published weights": ("losses.similarity=1", "losses.adversarial=1", "losses.l1=0"),
}
METRICS = ("psnr", "ssim", "landmark_error", "landmarks_found", "cpu_seconds")
SPLITS: Mapping[DatasetSplit, str] = {"val": "held out", "train": "training"}


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
        return (-self.value, -self.value / 2, 0.0, self.value / 2, self.value)


@dataclass(frozen=True)
class Change:
    """An attribute on a part of the frames: as it is, and as it is measured on synthesised frames."""

    member: str
    attribute: str
    part: str
    """`held out, without it`: the split, and the side of the threshold of the attribute."""
    num_frames: int
    real: float
    """Mean on the real frames."""
    means: Mapping[float, float]
    """Value of `--attribute` -> mean on the frames on which a face is found; NaN if there are none."""
    found: Mapping[float, float]
    """Value of `--attribute` -> share of the frames on which a face is found."""


@dataclass(frozen=True)
class AttributeResults:
    """The metrics of each member, and the changes of all of them."""

    metrics: Mapping[str, Mapping[str, float]]
    changes: Sequence[Change]


def measure(plan: AttributePlan, video: Path, folder: Path, log: Log) -> AttributeResults:
    """Train and evaluate each member."""
    dataset = prepare(PrepareRequest((video,), (CONDITIONER,), folder / "data"), ignore_events).path
    rows: dict[str, Mapping[str, float]] = {}
    changes: list[Change] = []
    for index, name in enumerate(plan.members):
        log(f"{name}: training")
        names = f"generator.attributes=[{','.join(plan.attributes)}]"
        config = Case("vaegan", plan.size, (*plan.settings, names, *MEMBERS[name])).config
        request = TrainRequest(
            config, "vaegan", dataset, folder / f"run_{index}", max_steps=plan.steps, device=plan.device
        )
        trained, cpu_seconds = train_for(request, None, log)
        copy_last_sheet(trained.path, folder / f"{name.replace(' ', '_')}.png")
        evaluation = EvaluateRequest(
            trained.path, dataset, folder / f"evaluation_{index}", device=plan.device, report=False
        )
        rows[name] = {**evaluate(evaluation, ignore_events).metrics, "cpu_seconds": cpu_seconds}
        log(f"{name}: {rows[name]}; synthesising")
        changes += _measure_changes(plan, name, trained.path, dataset)
    return AttributeResults(rows, changes)


def _measure_changes(plan: AttributePlan, member: str, run: Path, dataset: Path) -> list[Change]:
    """Synthesise all frames with each value of each attribute, and measure it on them."""
    data, conditioner = Dataset(dataset), load_conditioner(CONDITIONER)
    changes = []
    for attribute in load_frame_attributes(None, plan.attributes, data, lambda: [conditioner]):
        threshold, name = attribute.split_threshold(), attribute.name
        for split, split_name in SPLITS.items():
            ranges = data.frame_ranges(split)
            real = _measure(conditioner, data.annotations(ranges, CONDITIONER), name)
            measured = {
                value: _measure_video(plan, conditioner, run, dataset, split=split, name=name, value=value)
                for value in plan.values
            }
            for side_name, is_side in (("without it", real <= threshold), ("with it", real > threshold)):
                if is_side.any():
                    parts = {value: values[is_side] for value, values in measured.items()}
                    found = {value: float(np.isfinite(part).mean()) for value, part in parts.items()}
                    means = {value: _mean(part) for value, part in parts.items()}
                    part_name = f"{split_name}, {side_name}"
                    changes.append(
                        Change(member, name, part_name, int(is_side.sum()), _mean(real[is_side]), means, found)
                    )
    return changes


def _measure_video(
    plan: AttributePlan,
    conditioner: Conditioner,
    run: Path,
    dataset: Path,
    *,
    split: DatasetSplit,
    name: str,
    value: float,
) -> np.ndarray:
    """The attribute on each frame of a split (frames,), synthesised with a value of it."""
    options = StyleOptions(attributes=(f"{name}={value:+g}",))
    request = SynthesizeRequest(
        run,
        dataset,
        run / f"{split}_{name}_{value:+g}.mkv",  # lossless
        split=split,
        style_options=options,
        device=plan.device,
        compare=False,
    )
    frames = VideoReader(synthesize(request, ignore_events).path)
    return _measure(conditioner, conditioner.annotate(detect_cuts(frames)), name)


def _measure(conditioner: Conditioner, annotations: Iterable[Annotation], name: str) -> np.ndarray:
    """A measurement of each annotation (frames,); NaN where there is no face."""
    return np.array([conditioner.measure(annotation)[name] for annotation in annotations])


def _mean(values: np.ndarray) -> float:
    """The mean of the values that are not NaN; NaN if there are none."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def format_results(results: AttributeResults, plan: AttributePlan) -> str:
    """The Markdown tables: metrics of the members, and changes of the attributes."""
    names = [name for name in METRICS if any(name in metrics for metrics in results.metrics.values())]
    metric_rows = [
        [member, *(format_metric(name, metrics.get(name)) for name in names)]
        for member, metrics in results.metrics.items()
    ]
    change_rows = [
        [
            f"{change.member}: {change.attribute}, {change.part}",
            str(change.num_frames),
            f"{change.real:.3f}",
            *(_format_change(change, value) for value in plan.values),
        ]
        for change in results.changes
    ]
    title = f"attributes, {plan.size} pixels, {plan.steps} steps each"
    header = ["", "frames", "real", *(f"{value:+g}" if value else "0" for value in plan.values)]
    note = "Mean of the attribute, and the share of frames on which a face is found if it is not all of them."
    return "\n\n".join(
        [format_table(title, ["", *names], metric_rows), format_table("--attribute", header, change_rows, note)]
    )


def _format_change(change: Change, value: float) -> str:
    if not change.found[value]:
        return "–"
    share = "" if change.found[value] == 1 else f" ({100 * change.found[value]:.0f} %)"
    return f"{change.means[value]:.3f}{share}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; an error is one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--steps", type=positive_int, default=700)
    parser.add_argument("--size", type=positive_int, default=64)
    parser.add_argument("--attributes", default="mouth_open;head_yaw", help="separated by semicolons")
    parser.add_argument("--value", type=positive_float, default=2.0)
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
