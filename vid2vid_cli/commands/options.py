"""The options that several verbs share: the same name means the same everywhere."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vid2vid_cli.commands import parsers

if TYPE_CHECKING:
    from vid2vid_cli.rendering.frame_renderer import Rendered
    from vid2vid_cli.rendering.style_options import StyleWords

OUTPUT = "Output"
MACHINE = "Machine"
PART = "Part of the video"
EDIT = "Other labels than were found"
STYLE = "Styles, of a model that learned them"

Json = Annotated[
    bool,
    typer.Option("--json", help="JSON on stdout, one object per line, the result last.", rich_help_panel=OUTPUT),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Only warnings, errors and the path.", rich_help_panel=OUTPUT)
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Say what would be done; touch nothing.", rich_help_panel=OUTPUT)
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace what is there instead of adding -2 to the name.", rich_help_panel=OUTPUT),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="PATH", help="Where to write.", rich_help_panel=OUTPUT)
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option(help="auto: bf16 where it measures faster.", rich_help_panel=MACHINE),
]
Person = Annotated[
    str | None,
    typer.Option(
        metavar="largest|centre|N",
        help="Whom to follow where several are seen; N counts from the left, where so many are first seen.",
    ),
]
Compare = Annotated[
    bool,
    typer.Option(help="Also write a video of source, condition and result side by side.", rich_help_panel=OUTPUT),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda|cuda:N|mps",
        callback=parsers.device,
        help="Where to compute; auto: the fastest there is.",
        rich_help_panel=MACHINE,
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, metavar="N", help="The same seed gives the same result.", rich_help_panel=MACHINE)
]
Start = Annotated[
    float,
    typer.Option(
        metavar="TIME", parser=parsers.moment, help="Begin here: 12.5, 1:30 or 1:02:03.", rich_help_panel=PART
    ),
]
End = Annotated[
    float | None,
    typer.Option(metavar="TIME", parser=parsers.moment, help="End here.", rich_help_panel=PART),
]
MaxFrames = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="At most so many frames.", rich_help_panel=PART)
]

Replace = Annotated[
    list[str] | None,
    typer.Option(
        "--replace",
        metavar="OLD=NEW[@WHERE]",
        help="Draw a class of a label map as another: building=vegetation. May be given several times.",
        rich_help_panel=EDIT,
    ),
]
Remove = Annotated[
    list[str] | None,
    typer.Option(
        "--remove",
        metavar="NAME[@WHERE]",
        help="Take a class out: person. WHERE is a time in what is written, @10s-20s or frames @50-120, and a box, "
        "@0%,0%,50%,100% or in the source's pixels; or both.",
        rich_help_panel=EDIT,
    ),
]

StyleOf = Annotated[
    list[str] | None,
    typer.Option(
        "--style",
        metavar="CLASS=N",
        help="The style of a class, car=3, or of one thing, car#2=3. May be given several times.",
        rich_help_panel=STYLE,
    ),
]
StyleSeed = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="N", help="Draw a style for every object; another seed draws others.", rich_help_panel=STYLE
    ),
]
StyleFrom = Annotated[
    Path | None,
    typer.Option(metavar="PHOTO", help="Give each class the style that it has on a picture.", rich_help_panel=STYLE),
]
StyleLabels = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE", help="Labels of that picture, for a model that only reads its labels.", rich_help_panel=STYLE
    ),
]


def style_words(styles: list[str] | None, seed: int | None, photo: Path | None, labels: list[str] | None) -> StyleWords:
    """What is typed about styles, for a pipeline."""
    from vid2vid_cli.rendering.style_options import StyleWords

    return StyleWords(seed, tuple(styles or ()), photo, tuple(labels or ()))


First = Annotated[
    str | None,
    typer.Option(
        "--first",
        metavar="zeros|real|FRAME.png|CKPT",
        help="What each clip begins with: nothing, its real frame (of a dataset), a picture, or what a frame-wise "
        "model draws, such as one trained with --set model=pix2pixhd. Default: as the model was trained.",
    ),
]


def as_typed() -> str:
    """The whole command as it was typed, to be typed again."""
    return shlex.join(["vid2vid", *sys.argv[1:]])


def rendered(made: Rendered, next_command: str) -> tuple[str, str, dict[str, object]]:
    """What `Terminal.done` says of a rendered video besides its path."""
    speed = made.frames / made.seconds if made.seconds > 0 else 0.0
    summary = f"{made.frames} frames, {speed:.1f} frames/s"
    if made.compare is not None:
        summary += f"; source, condition and result side by side: {made.compare}"
    result: dict[str, object] = {
        "compare": None if made.compare is None else str(made.compare),
        "frames": made.frames,
        "seconds": made.seconds,
        "fps": str(made.fps),
    }
    return summary, next_command, result
