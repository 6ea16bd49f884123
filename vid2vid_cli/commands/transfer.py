"""`vid2vid transfer`: one person's motion in another person's picture."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from vid2vid_cli.commands import options, parsers


def transfer(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="The video whose motion is wanted.", show_default=False),
    ],
    target: Annotated[
        Path,
        typer.Option(
            "--target", "-t", metavar="CKPT", help="Who is to move: a .ckpt, or its run folder.", show_default=False
        ),
    ],
    retarget: Annotated[
        bool,
        typer.Option(
            "--retarget/--no-retarget",
            help="Bring the source's labels to the target's place and proportions.",
        ),
    ] = True,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="NAME.KEY=VALUE",
            help="How a conditioner looks at the source, or files made beside it: pose.json_dir=FOLDER.",
        ),
    ] = None,
    person: options.Person = None,
    replace: options.Replace = None,
    remove: options.Remove = None,
    first: options.First = None,
    style: options.StyleOf = None,
    style_seed: options.StyleSeed = None,
    style_from: options.StyleFrom = None,
    style_labels: options.StyleLabels = None,
    out: options.Out = None,
    compare: options.Compare = True,
    start: options.Start = 0.0,
    end: options.End = None,
    max_frames: options.MaxFrames = None,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    precision: options.Precision = "auto",
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make the target do what the source does, with the source's sound.

    Writes SOURCE_as_TARGET.mp4, and beside it a comparison: source, condition, result.

    Nothing but --style-seed draws at random: --seed is taken, as everywhere, and changes nothing.

    Example: vid2vid transfer other.mp4 --target runs/video/video.ckpt
    """
    from vid2vid_cli.pipelines.transfer import TransferRequest, plan_transfer
    from vid2vid_cli.pipelines.transfer import transfer as work
    from vid2vid_cli.terminal import Terminal

    request = TransferRequest(
        source=source,
        target=target,
        out=out,
        options=parsers.conditioner_options(option or ()),
        person=person,
        retarget=retarget,
        compare=compare,
        device=device,
        overwrite=overwrite,
        start=start,
        end=end,
        max_frames=max_frames,
        precision=precision,
        replace=tuple(replace or ()),
        remove=tuple(remove or ()),
        first=first,
        style=options.style_words(style, style_seed, style_from, style_labels),
    )
    with Terminal("transfer", as_json=json, quiet=quiet) as terminal:
        if dry_run:
            terminal.plan(plan_transfer(request))
            return
        terminal.resume = options.as_typed()
        made = work(request, terminal.tell)
        words = ["vid2vid", "inspect", str(made.path)]
        terminal.done(made.path, *options.rendered(made, shlex.join(words)))
