"""`vid2vid prepare`: videos become a dataset."""

from __future__ import annotations

import shlex
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from vid2vid_cli.commands import options, parsers

DATA = "Dataset"


def prepare(
    videos: Annotated[
        list[Path],
        typer.Argument(
            metavar="VIDEO",
            help="Videos, GIFs, folders of images; or a dataset of vid2vid, pix2pixHD or imaginaire.",
            show_default=False,
        ),
    ],
    conditioner: Annotated[
        list[str] | None,
        typer.Option(
            "--conditioner",
            "-c",
            metavar="NAME",
            help="What to draw the labels from: landmarks, edges, ... Repeat to combine. A dataset tells its own.",
            rich_help_panel=DATA,
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="NAME.KEY=VALUE",
            help="An option of a conditioner, or labels that exist already; `vid2vid plugins show NAME` lists them.",
            rich_help_panel=DATA,
        ),
    ] = None,
    person: options.Person = None,
    out: options.Out = None,
    size: Annotated[
        int | None,
        typer.Option(min=16, metavar="PX", help="Largest short side of stored frames.", rich_help_panel=DATA),
    ] = 512,
    fps: Annotated[
        Fraction | None,
        typer.Option(
            metavar="RATE",
            parser=parsers.rate,
            help="Frame rate: 25, 29.97, 30000/1001. Default: the video's own.",
            rich_help_panel=DATA,
        ),
    ] = None,
    holdout: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="Part at the end kept out of training.", rich_help_panel=DATA),
    ] = 0.2,
    cuts: Annotated[
        bool,
        typer.Option("--cuts/--no-cuts", help="Make a clip of each shot, at scene cuts.", rich_help_panel=DATA),
    ] = True,
    jpeg: Annotated[
        bool | None,
        typer.Option(
            "--jpeg/--png",
            help="How frames are stored. Default: JPEG, quality 95; PNG where the video is lossless.",
            rich_help_panel=DATA,
            show_default=False,
        ),
    ] = None,
    start: options.Start = 0.0,
    end: options.End = None,
    max_frames: options.MaxFrames = None,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    device: options.Device = "auto",
    seed: options.Seed = 0,
) -> None:
    """Turn videos into a dataset: frames, and what a conditioner finds on each of them.

    Writes datasets/NAME. A killed `prepare` continues where it was when the same line is typed again.

    Labels made elsewhere are read, with options such as pose.json_dir=FOLDER; it may hold a folder for each video.

    It computes on the CPU and draws nothing at random: --device and --seed are taken and change nothing.

    Examples:
      vid2vid prepare --conditioner landmarks video.mp4
      vid2vid prepare -c edges --option edges.sigma=2 --start 0:10 --end 1:00 walk.mp4
      vid2vid prepare -c landmarks --option landmarks.points_dir=keypoints/ frames/
    """
    names = tuple(conditioner or ())
    if not names and not all(video.is_dir() for video in videos):
        from vid2vid_cli.conditioning.registry import find_conditioners

        known = ", ".join(found.name for found in find_conditioners())
        raise typer.BadParameter(f"name at least one of {known}.", param_hint="--conditioner")
    extras = parsers.conditioner_options(option or (), names or None)
    from vid2vid_cli.pipelines.prepare import PrepareRequest, plan_prepare
    from vid2vid_cli.pipelines.prepare import prepare as work
    from vid2vid_cli.terminal import Terminal

    request = PrepareRequest(
        videos=tuple(videos),
        conditioners=names,
        out=out,
        options=extras,
        person=person,
        size=size,
        fps=fps,
        start=start,
        end=end,
        max_frames=max_frames,
        holdout=holdout,
        cuts=cuts,
        overwrite=overwrite,
        jpeg=jpeg,
    )
    with Terminal("prepare", as_json=json, quiet=quiet) as terminal:
        if dry_run:
            terminal.plan(plan_prepare(request))
            return
        terminal.resume = options.as_typed()
        made = work(request, terminal.tell)
        found = {name: {"found": part, "total": whole} for name, (part, whole) in made.found.items()}
        words = [f"{name} on {n['found']} of {n['total']} frames" for name, n in found.items()]
        result = {"frames": made.frames, "found": found, "seconds": made.seconds}
        terminal.done(made.path, ", ".join(words), _next(made.path, tuple(made.found)), result)


def _next(path: Path, conditioners: tuple[str, ...]) -> str:
    """The training that fits; the newest dataset under datasets/ need not be named."""
    from vid2vid_cli.config.resolve import preset_for

    words = ["vid2vid", "train", "--preset", preset_for(conditioners)]
    return shlex.join(words if path.parent == Path("datasets") else [*words, "--data", str(path)])
