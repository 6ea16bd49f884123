"""Stochastic video prediction, its variants and `model=predict`, each trained for the same time or number of steps.

    python benchmarks/prediction.py [VIDEO] [--minutes 5 | --cpu-seconds 300 | --steps 1000] [--size 32] [--samples 20]
        [--frames 10] [--variants "NAME;NAME"] [--channels 16] [--out FOLDER]

Prints one Markdown table: mean and best sample, sample diversity, and the baselines. Without VIDEO: shapes that bounce
in random directions, made by `moving_shapes.py`; only they have the variant `predict`, see `label_prediction.py`.
Prepares the last fifth of the video for validation. A variant is trained to predict as many frames as it is measured on
(--frames). The last sample sheet of each is in FOLDER.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.command_line import (
    copy_last_sheet,
    log_progress,
    parse_names,
    positive_float,
    positive_int,
    print_tables,
)
from benchmarks.inputs import Log, format_metric, train_for
from benchmarks.label_prediction import LABEL_PRESET, label_config, measure_label_prediction, prepare_label_maps
from benchmarks.moving_shapes import FPS, moving_shapes
from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.core.markdown import format_table
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.evaluation.result import MODEL
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.requests.train import TrainRequest

WITHOUT_GAN = ("losses.posterior_adversarial=0", "losses.posterior_features=0", "losses.prior_adversarial=0")
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "vae": WITHOUT_GAN,
    "deterministic": (*WITHOUT_GAN, "generator.latent_channels=0"),
    "savp": (),
    "gan": ("generator.latent_encoder=false", "losses.kl=0", "losses.prior_features=10"),
    "vae_published_latents": (
        *WITHOUT_GAN,
        *("generator.latent_injection=all", "generator.motion_encoder=false", "generator.transformation=cdna"),
    ),
}
PRESET = "savp_small"
PREDICT = "predict"
"""The variant that continues label maps, which only the shapes have."""


@dataclass(frozen=True)
class PredictionPlan:
    """What is trained, and for how long."""

    size: int = 32
    base_channels: int = 16
    minutes: float | None = 5.0
    """Training time; None: `steps`."""
    steps: int | None = None
    cpu_seconds: float | None = None
    """Processor time of each training, in place of `minutes` and `steps`."""
    expected_steps: int = 500
    """Steps that the schedules of scheduled sampling, KL and `predict`'s clip length are scaled to."""
    num_samples: int = 20
    num_frames: int = 10
    variants: Sequence[str] = (*VARIANTS, PREDICT)
    num_shape_frames: int = 3000
    """Frames of the clip that is made without a video."""
    device: str = "cpu"

    def shapes(self) -> Iterator[UInt8Array]:
        """The frames of the clip that is made without a video, the same ones in each call."""
        return moving_shapes(self.num_shape_frames, self.size)

    def config(self, variant: str) -> Config:
        """The configuration of a variant."""
        common = (
            f"data.height={self.size}",
            f"generator.base_channels={self.base_channels}",
            f"generator.num_downsamples={3 if self.size >= 64 else 2}",
            # With a time limit, the number of steps is not known in advance.
            f"schedule.lr_decay_start={self.steps // 2 if self.steps else 'null'}",
            f"schedule.lr_decay_steps={max(1, (self.steps or 0) // 2)}",
        )
        warmup_steps = max(1, self.expected_steps * 2 // 5)
        if variant == PREDICT:
            return label_config(common, num_frames=self.num_frames, growth_interval=warmup_steps)
        settings = (
            *common,
            f"schedule.clip_length={self.num_frames}",
            f"schedule.max_clip_length={self.num_frames}",
            f"savp.discriminator_channels={max(4, self.base_channels // 2)}",
            f"savp.kl_anneal_start={warmup_steps}",
            f"savp.kl_anneal_steps={self.expected_steps * 3 // 10}",
            f"savp.scheduled_sampling_k={max(1, self.expected_steps // 10)}",
            *VARIANTS[variant],
        )
        return resolve_config(PRESET, None, settings).config


def measure(plan: PredictionPlan, video: Path | None, folder: Path, log: Log) -> dict[str, Mapping[str, float]]:
    """Train and evaluate each variant: name of the row -> metrics, steps and processor time.

    `predict` needs the shapes: `video` is None.
    """
    if video is None:
        video = folder / "shapes.mp4"
        with VideoWriter(video, Fraction(FPS), crf=10) as writer:
            for frame in plan.shapes():
                writer.write(frame)
    dataset = prepare(PrepareRequest((video,), ("none",), folder / "data"), ignore_events).path
    rows: dict[str, Mapping[str, float]] = {}
    for variant in plan.variants:
        is_predict = variant == PREDICT
        data = prepare_label_maps(video, plan.shapes(), folder) if is_predict else dataset
        log(f"{variant}: training")
        request = TrainRequest(
            plan.config(variant),
            LABEL_PRESET if is_predict else PRESET,
            data,
            folder / variant,
            max_steps=plan.steps,
            max_seconds=None if plan.minutes is None else 60 * plan.minutes,
            device=plan.device,
        )
        trained, cpu_seconds = train_for(request, plan.cpu_seconds, log)
        copy_last_sheet(trained.path, folder / f"{variant}.png")
        if is_predict:
            measured = measure_label_prediction(trained.checkpoint, data, plan.num_frames, plan.device)
        else:
            measured = evaluate(_evaluate_request(plan, variant, trained.path, data, folder), ignore_events).rows
        log(f"{variant}: {measured}")
        for row, metrics in measured.items():
            if row == MODEL or row.startswith("best_of_"):
                counts = {"steps": trained.num_steps, "cpu_seconds": cpu_seconds}
                rows[f"{variant}, {'mean' if row == MODEL else row}"] = {**metrics, **counts}
            else:
                rows[row] = {**rows.get(row, {}), **metrics}
    return rows


def _evaluate_request(plan: PredictionPlan, variant: str, run: Path, dataset: Path, folder: Path) -> EvaluateRequest:
    return EvaluateRequest(
        run,
        dataset,
        folder / f"evaluation_{variant}",
        device=plan.device,
        report=False,
        num_samples=1 if variant == "deterministic" else plan.num_samples,
        num_frames=plan.num_frames,
    )


def format_results(rows: Mapping[str, Mapping[str, float]], plan: PredictionPlan) -> str:
    """The Markdown table."""
    names = list(dict.fromkeys(name for metrics in rows.values() for name in metrics))
    cells = [[row, *(format_metric(name, metrics.get(name)) for name in names)] for row, metrics in rows.items()]
    title = f"{plan.num_frames} predicted frames of {plan.size}x{plan.size}"
    return format_table(title, ["", *names], cells)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; an error is one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=positive_float, default=5.0)
    length.add_argument("--cpu-seconds", type=positive_float)
    length.add_argument("--steps", type=positive_int)
    parser.add_argument("--size", type=positive_int, default=32)
    parser.add_argument("--channels", type=positive_int, default=16)
    parser.add_argument("--samples", type=positive_int, default=20)
    parser.add_argument("--frames", type=positive_int, default=10)
    parser.add_argument("--variants", help="separated by semicolons; default: all, and without predict for a VIDEO")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(arguments)
    known = PredictionPlan.variants
    variants = known if args.video is None else tuple(VARIANTS)
    if args.variants:
        variants = parse_names(parser, "variants", args.variants, known)
    if args.video is not None and PREDICT in variants:
        parser.error(
            f"--variants {PREDICT}: it continues label maps, and {args.video} has none. Leave out one of both."
        )
    plan = PredictionPlan(
        size=args.size,
        base_channels=args.channels,
        minutes=None if args.steps or args.cpu_seconds else args.minutes,
        steps=args.steps,
        cpu_seconds=args.cpu_seconds,
        expected_steps=args.steps or 500,
        num_samples=args.samples,
        num_frames=args.frames,
        variants=variants,
    )
    return print_tables(
        args.out, lambda folder: [format_results(measure(plan, args.video, folder, log_progress), plan)]
    )


if __name__ == "__main__":
    sys.exit(main())
