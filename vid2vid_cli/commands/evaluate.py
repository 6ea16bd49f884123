"""`vid2vid evaluate`: how good is a checkpoint, in numbers."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from vid2vid_cli.commands import options


def evaluate(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="What `train` wrote, or its run folder.", show_default=False)
    ],
    data: Annotated[
        Path,
        typer.Argument(metavar="DATASET", help="The dataset with held-out frames.", show_default=False),
    ],
    out: options.Out = None,
    split: Annotated[
        Literal["all", "train", "holdout"],
        typer.Option(help="Which frames: holdout are those never seen in training."),
    ] = "holdout",
    first: options.First = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure a model on frames that it never saw.

    PSNR and SSIM against the real frames, warping error beside the real clip's own, and how well a face, a body or
    classes are found again where they should be.

    Example: vid2vid evaluate runs/video/video.ckpt datasets/video
    """
    from vid2vid_cli.pipelines.evaluate import EvaluateRequest
    from vid2vid_cli.pipelines.evaluate import evaluate as work
    from vid2vid_cli.terminal import Terminal

    request = EvaluateRequest(
        checkpoint=checkpoint, data=data, out=out, device=device, split=split, precision=precision, first=first
    )
    with Terminal("evaluate", as_json=json, quiet=quiet) as terminal:
        terminal.resume = options.as_typed()
        made = work(request, terminal.tell)
        numbers = dict(made.metrics)
        words = ["vid2vid", "transfer", "your_video.mp4", "--target", str(checkpoint)]
        summary = "\n".join(f"{name:<24} {value:.4g}" for name, value in numbers.items())
        terminal.done(made.path, summary, shlex.join(words), {"metrics": numbers})
