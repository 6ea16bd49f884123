"""`vid2vid styles`: shows the styles that can be selected for each class."""

from __future__ import annotations

import shlex

import typer

from vid2vid_cli.commands import options
from vid2vid_cli.commands.command_class import Command, CommandGroup
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.measure import ShowStylesRequest

app = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="Show the styles of a checkpoint.")


@app.callback()
def styles() -> None:
    """Show the styles of a checkpoint; select one with vid2vid synthesize --style car=3."""


@app.command(cls=Command)
@expand_request
def show(request: ShowStylesRequest, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Render one frame with each class in each of its styles, the most common style first.

    Writes NAME_styles.png: one row per class, one column per style, with the numbers for `synthesize --style`.

    Example: vid2vid styles show runs/street/street.ckpt
    """
    from vid2vid_cli.pipelines import styles as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("styles show", as_json=json, quiet=quiet) as terminal:
        result = pipeline.show_styles(request, terminal.emit)
        style_counts = [f"{name} {len(sizes)}" for name, sizes in result.cluster_sizes.items()]
        first_class = max(result.cluster_sizes, key=lambda name: len(result.cluster_sizes[name]), default="CLASS")
        style_option = f"--style {shlex.quote(f'{first_class}=1')}"
        next_command = shell_command("vid2vid", "inspect", result.path)
        if request.data is not None:
            command = ("vid2vid", "synthesize", request.checkpoint, request.data, "--split", "all")
            next_command = f"{shell_command(*command)} {style_option}"
        json_fields: dict[str, object] = {
            "cluster_sizes": {name: list(sizes) for name, sizes in result.cluster_sizes.items()}
        }
        summary = f"number of styles: {', '.join(style_counts)}; select one with {style_option}"
        terminal.print_result(result.path, summary, next_command, json_fields)
