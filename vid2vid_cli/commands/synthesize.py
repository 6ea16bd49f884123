"""`vid2vid synthesize`: a checkpoint renders label video."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from vid2vid_cli.commands import options, parsers


def synthesize(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="What `train` wrote, or its run folder.", show_default=False)
    ],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="What `prepare` wrote; a label video; a folder of label pictures, JSON or text files.",
            show_default=False,
        ),
    ],
    split: Annotated[
        Literal["all", "train", "holdout"],
        typer.Option(help="Which frames of a dataset: holdout are those never seen in training."),
    ] = "all",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="NAME.KEY=VALUE",
            help="Of label video: further files, such as labels.instances=FOLDER.",
        ),
    ] = None,
    retarget: Annotated[
        bool,
        typer.Option(
            "--retarget/--no-retarget",
            help="Bring the points of a label video to the model's place and proportions.",
        ),
    ] = True,
    replace: options.Replace = None,
    remove: options.Remove = None,
    first: options.First = None,
    style: options.StyleOf = None,
    style_seed: options.StyleSeed = None,
    style_from: options.StyleFrom = None,
    style_labels: options.StyleLabels = None,
    start: options.Start = 0.0,
    end: options.End = None,
    max_frames: options.MaxFrames = None,
    out: options.Out = None,
    compare: options.Compare = True,
    device: options.Device = "auto",
    seed: options.Seed = 0,
    precision: options.Precision = "auto",
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Render labels with a trained model: a dataset's, or a label video.

    Label pictures are a video or a folder; points are a folder with a JSON or text file for each frame.

    A folder has the model's frame rate. Datasets of vid2vid, pix2pixHD and imaginaire are read as they are.

    Nothing but --style-seed draws at random: --seed is taken, as everywhere, and changes nothing.

    Examples:
      vid2vid synthesize runs/video/video.ckpt datasets/video --split holdout
      vid2vid synthesize runs/street/street.ckpt labels.mkv --option labels.instances=ids/
      vid2vid synthesize runs/street/street.ckpt labels.mkv --remove person --replace car=bus@9s-
      vid2vid synthesize runs/street/street.ckpt labels.mkv --style-seed 7 --style car=3
    """
    from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize
    from vid2vid_cli.pipelines.synthesize import synthesize as work
    from vid2vid_cli.terminal import Terminal

    request = SynthesizeRequest(
        checkpoint=checkpoint,
        source=source,
        out=out,
        split=split,
        start=start,
        end=end,
        max_frames=max_frames,
        options=parsers.conditioner_options(option or ()),
        retarget=retarget,
        device=device,
        overwrite=overwrite,
        compare=compare,
        precision=precision,
        replace=tuple(replace or ()),
        remove=tuple(remove or ()),
        first=first,
        style=options.style_words(style, style_seed, style_from, style_labels),
    )
    with Terminal("synthesize", as_json=json, quiet=quiet) as terminal:
        if dry_run:
            terminal.plan(plan_synthesize(request))
            return
        terminal.resume = options.as_typed()
        made = work(request, terminal.tell)
        dataset = (source / "dataset.json").is_file()
        words = ["vid2vid", *(("evaluate", str(checkpoint), str(source)) if dataset else ("inspect", str(made.path)))]
        terminal.done(made.path, *options.rendered(made, shlex.join(words)))
