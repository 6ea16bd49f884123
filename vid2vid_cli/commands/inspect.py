"""`vid2vid inspect`: what is this file or folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vid2vid_cli.commands import options


def inspect(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A dataset, run, checkpoint or video.", show_default=False)
    ],
    json: options.Json = False,
) -> None:
    """Say what a dataset, a run, a checkpoint or a video is and holds.

    Example: vid2vid inspect runs/video/video.ckpt
    """
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.inspect import inspect as work

    with Terminal("inspect", as_json=json) as terminal:
        seen = work(path)
        terminal.rows(seen.rows, seen.to_json())
