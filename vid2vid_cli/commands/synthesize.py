"""`vid2vid synthesize`: a checkpoint renders label video."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from vid2vid_cli.commands import options


def synthesize(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="What `train` wrote, or its run folder.", show_default=False)
    ],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET", help="What `prepare` wrote, with the conditioners of the model.", show_default=False
        ),
    ],
    split: Annotated[
        Literal["all", "train", "holdout"],
        typer.Option(help="Which frames of a dataset: holdout are those never seen in training."),
    ] = "all",
    out: options.Out = None,
    compare: options.Compare = True,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    precision: options.Precision = "auto",
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Render a dataset's labels with a trained model.

    The model draws nothing at random: --seed is taken, as everywhere, and changes nothing.

    Example: vid2vid synthesize runs/video/video.ckpt datasets/video --split holdout
    """
    from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize
    from vid2vid_cli.pipelines.synthesize import synthesize as work
    from vid2vid_cli.terminal import Terminal

    request = SynthesizeRequest(
        checkpoint=checkpoint,
        source=source,
        out=out,
        split=split,
        device=device,
        overwrite=overwrite,
        compare=compare,
        precision=precision,
    )
    with Terminal("synthesize", as_json=json, quiet=quiet) as terminal:
        if dry_run:
            terminal.plan(plan_synthesize(request))
            return
        terminal.resume = options.as_typed()
        made = work(request, terminal.tell)
        words = ["vid2vid", "evaluate", str(checkpoint), str(source)]
        terminal.done(made.path, *options.rendered(made, shlex.join(words)))
