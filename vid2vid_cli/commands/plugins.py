"""`vid2vid plugins`: which conditioners there are, and what each still needs."""

from __future__ import annotations

from typing import Annotated

import typer

from vid2vid_cli.commands import options

app = typer.Typer(no_args_is_help=True, help="Conditioners: list, show.")


@app.command("list")
def list_(json: options.Json = False) -> None:
    """List the conditioners: those that are ready, and what the others need."""
    from vid2vid_cli.conditioning.registry import find_conditioners
    from vid2vid_cli.terminal import Terminal

    found = find_conditioners()
    rows = [(one.name, one.status, one.spec.summary if one.spec else "", one.problem, str(one.origin)) for one in found]
    keys = ("name", "status", "summary", "problem", "origin")
    with Terminal("plugins list", as_json=json) as terminal:
        terminal.rows(rows, [dict(zip(keys, row, strict=True)) for row in rows], keys)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A conditioner.", show_default=False)],
    json: options.Json = False,
) -> None:
    """Show what a conditioner yields, which options it takes, and what it needs.

    Example: vid2vid plugins show landmarks
    """
    from vid2vid_cli.pipelines.inspect import inspect_conditioner
    from vid2vid_cli.terminal import Terminal

    with Terminal("plugins show", as_json=json) as terminal:
        seen = inspect_conditioner(name)
        terminal.rows(seen.rows, seen.to_json())
