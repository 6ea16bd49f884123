"""`vid2vid predict`: what comes next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from vid2vid_cli.commands import options, parsers


def predict(
    checkpoint: Annotated[
        Path,
        typer.Argument(metavar="CKPT", help="What `train --set model=predict` wrote.", show_default=False),
    ],
    clip: Annotated[
        Path,
        typer.Argument(
            metavar="CLIP", help="A dataset, to compare with what came; or a video, to go on with.", show_default=False
        ),
    ],
    frames: Annotated[int, typer.Option(min=1, metavar="N", help="How many frames ahead.")] = 10,
    render: Annotated[
        Path | None,
        typer.Option(metavar="CKPT", help="A model of the same dataset, which draws the predicted labels."),
    ] = None,
    out: options.Out = None,
    split: Annotated[
        Literal["all", "train", "holdout"], typer.Option(help="Of a dataset, which frames are gone on with.")
    ] = "holdout",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME.KEY=VALUE", help="An option of a conditioner, for this video."),
    ] = None,
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the next label maps of a clip, and draw them.

    On a dataset each stretch is compared with what really came, beside two guesses that cost nothing: the last frame
    held, and its motion kept.

    Examples:
      vid2vid train --preset street_256 --set model=predict --out runs/future
      vid2vid predict runs/future datasets/street --frames 10 --render runs/street
    """
    from vid2vid_cli.pipelines.predict import PredictRequest
    from vid2vid_cli.pipelines.predict import predict as work
    from vid2vid_cli.terminal import Terminal

    request = PredictRequest(
        checkpoint=checkpoint,
        clip=clip,
        frames=frames,
        render=render,
        out=out,
        split=split,
        device=device,
        precision=precision,
        overwrite=overwrite,
        options=parsers.conditioner_options(option or ()),
    )
    with Terminal("predict", as_json=json, quiet=quiet) as terminal:
        terminal.resume = options.as_typed()
        made = work(request, terminal.tell)
        summary = "\n".join(f"{name:<24} {value:.4g}" for name, value in made.metrics.items())
        words = ["vid2vid", "inspect", str(made.path)]
        terminal.done(made.path, summary, shlex.join(words), {"frames": made.frames, "metrics": dict(made.metrics)})
