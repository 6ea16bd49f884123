"""Every member of the family, trained for the same time (or number of steps) on the same clip: docs/family.md.

    python benchmarks/family.py VIDEO [--seconds 300 | --cpu-seconds 300 | --steps 1000] [--size 64]
        [--only paired|unpaired|prediction] [--members "NAME;NAME"] [--out FOLDER]

Paired: landmarks to frames. Unpaired: domain A is the first half of the clip, B the second half with red and blue
exchanged. Prediction: see `prediction.py`. Prints one Markdown table each; the sample sheets of all runs are in FOLDER.
--cpu-seconds is the processor time of the steps, so that other programs do not shorten a training; with
OMP_NUM_THREADS=1 it is the time of one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import prediction
from benchmarks.command_line import (
    copy_last_sheet,
    log_progress,
    parse_names,
    positive_float,
    positive_int,
    print_tables,
)
from benchmarks.inputs import Case, Log, format_metric, train_for
from vid2vid_cli.core.markdown import format_table
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.requests.train import TrainRequest

TABLES = ("paired", "unpaired", "prediction")
SHORT_TRAINING = (
    "schedule.lr_decay_start=null",  # the number of steps may not be known in advance
    *(
        "checkpoint.save_interval=1000000",
        "checkpoint.save_interval_minutes=1000",
        "checkpoint.sample_interval=1000000",
    ),
)
"""Settings of all members. Saved and measured at the end only, so that the time is that of the steps."""
FAST = ("losses.perceptual=0",)
CVAE_GAN = ("losses.random_adversarial=0", "losses.latent=0")
PAIRED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "pix2pix": ("tiny", ("model=pix2pix",)),
    "pix2pixHD": ("tiny", ("model=pix2pixhd", "generator.norm=instance_no_affine")),
    "cVAE-GAN": ("bicyclegan", CVAE_GAN),
    "BicycleGAN": ("bicyclegan", ()),
    "vid2vid": ("tiny", ()),
    "fast, no references": ("fast", (*FAST, "generator.num_references=0")),
    "fast, 2 references": ("fast", FAST),
    "few-shot (SPADE), blended": ("fast", (*FAST, "generator.kind=spade")),
    "few-shot (SPADE)": ("fast", (*FAST, "generator.kind=spade", "generator.blend_references=false")),
}
"""Member -> preset, settings. vid2vid is `composite`. Few-shot vid2vid is "blended" as `fast` is, or as published."""
SMALL_UNPAIRED = (
    *("generator.base_channels=16", "generator.num_res_blocks=3", "discriminators.image.base_channels=16"),
    "data.crop=center",
    "data.random_resize=[1.0,1.0]",
)
SMALL_UNET = tuple(setting for setting in SMALL_UNPAIRED if "num_res_blocks" not in setting)
TEMPORAL = ("losses.temporal_warp=10",)
UNPAIRED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "CycleGAN": ("cyclegan", SMALL_UNPAIRED),
    "CycleGAN, temporal": ("cyclegan", (*SMALL_UNPAIRED, *TEMPORAL)),
    "DualGAN": ("cyclegan", ("model=dualgan", *SMALL_UNET)),
    "DualGAN, temporal": ("cyclegan", ("model=dualgan", *SMALL_UNET, *TEMPORAL)),
    "DiscoGAN": ("cyclegan", ("model=discogan", *SMALL_UNET)),
    "DiscoGAN, temporal": ("cyclegan", ("model=discogan", *SMALL_UNET, *TEMPORAL)),
}
COUNTS = ("steps", "cpu_seconds")
METRICS = {
    "paired": ("psnr", "ssim", "sharpness", "landmark_error", "warping_error", "warping_error_real"),
    "unpaired": ("cycle_psnr", "cycle_ssim", "warping_error", "warping_error_real"),
}


@dataclass(frozen=True)
class FamilyPlan:
    """What is trained, and for how long."""

    size: int = 64
    seconds: float | None = 300.0
    """Training time of each member; None: `steps`."""
    steps: int | None = None
    cpu_seconds: float | None = None
    """Processor time of each training, in place of `seconds` and `steps`."""
    device: str = "cpu"
    members: Sequence[str] = (*PAIRED, *UNPAIRED)


def split_domains(video: Path, folder: Path) -> tuple[Path, Path]:
    """Write the videos of both domains: the halves of the clip, the second one with red and blue exchanged."""
    paths = folder / "domain_a.mp4", folder / "domain_b.mp4"
    reader = VideoReader(video)
    half = (reader.num_frames or sum(1 for _ in reader)) // 2
    with VideoWriter(paths[0], reader.fps, crf=10) as first, VideoWriter(paths[1], reader.fps, crf=10) as second:
        for index, frame in enumerate(reader):
            if index < half:
                first.write(frame)
            else:
                second.write(frame[:, :, ::-1].copy())
    return paths


def prepare_table(table: str, video: Path, folder: Path) -> tuple[Path, Path | None]:
    """The dataset of a table, and that of domain B."""
    if table == "paired":
        return prepare(PrepareRequest((video,), ("landmarks",), folder / "faces"), ignore_events).path, None
    video_a, video_b = split_domains(video, folder)
    datasets = [
        prepare(PrepareRequest((path,), ("none",), folder / path.stem), ignore_events).path
        for path in (video_a, video_b)
    ]
    return datasets[0], datasets[1]


def measure(table: str, video: Path, folder: Path, plan: FamilyPlan, log: Log) -> dict[str, Mapping[str, float]]:
    """Train and evaluate each member of a table: name -> metrics, with its steps."""
    dataset, dataset_b = prepare_table(table, video, folder)
    rows: dict[str, Mapping[str, float]] = {}
    for index, (name, (preset, settings)) in enumerate((PAIRED if table == "paired" else UNPAIRED).items()):
        if name not in plan.members:
            continue
        log(f"{name}: training")
        request = TrainRequest(
            Case(preset, plan.size, (*SHORT_TRAINING, *settings)).config,
            preset,
            dataset,
            folder / f"{table}_{index}",
            data_b=dataset_b,
            max_steps=plan.steps,
            max_seconds=plan.seconds,
            device=plan.device,
        )
        trained, cpu_seconds = train_for(request, plan.cpu_seconds, log)
        copy_last_sheet(trained.path, folder / f"{table}_{name.replace(' ', '_')}.png")
        evaluation = EvaluateRequest(
            trained.path, dataset, folder / f"evaluation_{table}_{index}", device=plan.device, report=False
        )
        rows[name] = {
            **evaluate(evaluation, ignore_events).metrics,
            "steps": trained.num_steps,
            "cpu_seconds": cpu_seconds,
        }
        log(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in rows[name].items()))
    return rows


def format_results(table: str, rows: Mapping[str, Mapping[str, float]], plan: FamilyPlan) -> str:
    """The Markdown table."""
    names = [name for name in METRICS[table] if any(name in metrics for metrics in rows.values())]
    cells = [
        [row, *(format_metric(name, metrics.get(name)) for name in (*names, *COUNTS))] for row, metrics in rows.items()
    ]
    length = f"{plan.steps} steps" if plan.seconds is None else f"{plan.seconds:g} seconds"
    if plan.cpu_seconds is not None:
        length = f"{plan.cpu_seconds:g} seconds of processor time"
    return format_table(f"{table}, {plan.size} pixels, {length} each", ["", *names, *COUNTS], cells)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; an error is one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=positive_float, default=300.0)
    length.add_argument("--cpu-seconds", type=positive_float)
    length.add_argument("--steps", type=positive_int)
    parser.add_argument("--size", type=positive_int, default=64)
    parser.add_argument("--only", choices=TABLES)
    parser.add_argument("--members", help="those of PAIRED and UNPAIRED to train, separated by semicolons")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(arguments)
    seconds = None if args.steps or args.cpu_seconds else args.seconds
    plan = FamilyPlan(args.size, seconds, args.steps, args.cpu_seconds)
    if args.members:
        plan = replace(plan, members=parse_names(parser, "members", args.members, FamilyPlan.members))
    tables = (args.only,) if args.only else TABLES
    return print_tables(args.out, lambda folder: (_measure_table(table, args.video, folder, plan) for table in tables))


def _measure_table(table: str, video: Path, folder: Path, plan: FamilyPlan) -> str:
    if table != "prediction":
        return format_results(table, measure(table, video, folder, plan, log_progress), plan)
    minutes = None if plan.seconds is None else plan.seconds / 60
    prediction_plan = prediction.PredictionPlan(minutes=minutes, steps=plan.steps, cpu_seconds=plan.cpu_seconds)
    log_progress(
        f"prediction: shapes of {prediction_plan.size} pixels; for {video.name} and other sizes see prediction.py"
    )
    predicted = prediction.measure(prediction_plan, None, folder, log_progress)
    return prediction.format_results(predicted, prediction_plan)


if __name__ == "__main__":
    sys.exit(main())
