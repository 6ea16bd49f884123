"""`vid2vid styles`: what a model with styles has learned to leave open."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from vid2vid_cli.commands import options

app = typer.Typer(no_args_is_help=True, help="The styles that a model has learned: show.")


@app.callback()
def styles() -> None:
    """Look at the styles that a model has learned, to choose from them: vid2vid synthesize --style car=3."""


@app.command()
def show(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="What `train` wrote, or its run folder.", show_default=False)
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", "-d", metavar="DATASET", help="Draw a frame of this; default: a training frame, kept in CKPT."
        ),
    ] = None,
    out: options.Out = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw one frame with each class in each of its styles, the most common one first.

    Writes NAME_styles.png: a row for each class, a column for each style, numbered as `synthesize --style` wants it.

    Example: vid2vid styles show runs/street/street.ckpt
    """
    from vid2vid_cli.pipelines.styles import ShowStylesRequest, show_styles
    from vid2vid_cli.terminal import Terminal

    request = ShowStylesRequest(checkpoint, data, out, device, precision, overwrite)
    with Terminal("styles show", as_json=json, quiet=quiet) as terminal:
        made = show_styles(request, terminal.tell)
        known = [f"{name} {len(sizes)}" for name, sizes in made.classes.items()]
        first = max(made.classes, key=lambda name: len(made.classes[name]), default="CLASS")
        words = ["vid2vid", "synthesize", str(checkpoint), "LABELS", "--style", f"{first}=1"]
        result: dict[str, object] = {"classes": {name: list(sizes) for name, sizes in made.classes.items()}}
        terminal.done(made.path, f"styles: {', '.join(known)}", shlex.join(words), result)
