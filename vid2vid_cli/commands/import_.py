"""`vid2vid import`: networks that other programs have trained."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from vid2vid_cli.commands import options, parsers

app = typer.Typer(no_args_is_help=True, help="Networks of other programs as checkpoints: nvidia.")


@app.callback()
def root() -> None:
    """Networks of other programs as checkpoints."""


@app.command(no_args_is_help=True)
def nvidia(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder with latest_net_G0.pth.", show_default=False)
    ],
    preset: Annotated[
        Literal["street", "face", "pose"],
        typer.Option("--preset", "-p", help="What the network was trained on.", show_default=False),
    ],
    out: options.Out = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: that of the folder.", show_default=False)
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="WIDTHxHEIGHT", help="Of the picture. Default: as published.", show_default=False),
    ] = None,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a checkpoint of the files that NVIDIA's vid2vid published or wrote, for research and play.

    What comes out of it is what came out there: the same layers, norms, flow and warp; discriminators come along, for
    `vid2vid train --config NAME.yaml --from NAME.ckpt`, whose settings are written too. The published weights are under
    CC BY-NC-SA 4.0, not for commercial use.

    Example: vid2vid import nvidia checkpoints/label2city_1024_g1 --preset street
    """
    from vid2vid_cli.nvidia_import.importer import ImportRequest, import_release, plan_import
    from vid2vid_cli.terminal import Terminal

    picture = None if size is None else parsers.picture_size(size)
    request = ImportRequest(folder, preset, out, name, picture, overwrite)
    with Terminal("import nvidia", as_json=json, quiet=quiet) as terminal:
        if dry_run:
            terminal.plan(plan_import(request))
            return
        made = import_release(request, terminal.tell)
        summary = "\n".join(f"{file:<24} {count / 1e6:.2f} million weights" for file, count in made.counts.items())
        if made.settings is not None:
            summary += f"\nto train on: {made.settings}, which says how"
        if made.first is not None:
            summary += f"\nfor the first frames: {made.first}"
        if preset != "street":
            summary += f"\nfrom a prepared video: vid2vid synthesize {shlex.quote(str(made.path))} datasets/VIDEO"
        first = None if made.first is None else str(made.first)
        settings = None if made.settings is None else str(made.settings)
        extra = {"first": first, "settings": settings, "weights": made.counts}
        then = made.footage
        if preset == "street":  # labels drive it as they are
            begin = "" if first is None else f" --first {shlex.quote(first)}"
            then = f"vid2vid synthesize {shlex.quote(str(made.path))} LABELS --option labels.instances=INSTANCES{begin}"
        terminal.done(made.path, summary, then, extra)
