"""`vid2vid inspect`: describes a file or folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vid2vid_cli.commands import completion, options


def inspect(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="A dataset, run, checkpoint or video.",
            show_default=False,
            autocompletion=completion.complete_datasets_and_runs,
        ),
    ],
    json: options.Json = False,
) -> None:
    """Describe a dataset, run, checkpoint or video.

    Example: vid2vid inspect runs/video/video.ckpt
    """
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.inspect import inspect_path

    with Terminal("inspect", as_json=json) as terminal:
        description = inspect_path(path)
        terminal.print_table(description.rows, description.to_json())
