"""`vid2vid weights`: lists and downloads weight files."""

from __future__ import annotations

from typing import Annotated

import typer

from vid2vid_cli.commands import options
from vid2vid_cli.commands.command_class import Command, CommandGroup

app = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="List and download pretrained weight files.")


@app.command("list", cls=Command)
def list_files(json: options.Json = False) -> None:
    """List the weight files of vid2vid and its plugins: what uses them, size, licence, state and path.

    States: present, missing, damaged (the sha256 is not the published one). In place of the path, a missing file has
    its source.
    """
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.weights import list_weights

    with Terminal("weights list", as_json=json) as terminal:
        listed = list_weights()
        terminal.print_wrapped([item.wrapped_row() for item in listed], [item.to_json() for item in listed])


@app.command(cls=Command)
def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Files, by the beginning of their names, such as vgg19. Default: all that can be downloaded (1 GB).",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Download weight files that are missing, once, to torch's cache ($TORCH_HOME); verify their sha256.

    An interrupted download continues when the command is run again. With VID2VID_OFFLINE=1 nothing is downloaded.

    Example: vid2vid weights fetch vgg19
    """
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.weights import TABLE_HEADER, fetch_weights

    with Terminal("weights fetch", as_json=json, quiet=quiet) as terminal:
        fetched = fetch_weights(names or (), terminal.emit)
        terminal.print_table([item.table_row() for item in fetched], [item.to_json() for item in fetched], TABLE_HEADER)
