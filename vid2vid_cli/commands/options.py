"""Options of the commands themselves, and what several commands do with a result."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.shared import OUTPUT_PANEL

if TYPE_CHECKING:
    from vid2vid_cli.rendering.video_output import RenderResult

Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print JSON, one object per line; the last is the result.", rich_help_panel=OUTPUT_PANEL
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Print only warnings, errors and the output path.", rich_help_panel=OUTPUT_PANEL
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", "-n", help="Print the plan and exit without writing files.", rich_help_panel=OUTPUT_PANEL
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.", rich_help_panel=OUTPUT_PANEL)]
ConditionerOptions = Annotated[
    list[str] | None,
    typer.Option("--conditioner-option", "-O", metavar="NAME.KEY=VALUE", help="Option of the conditioner."),
]


def command_line(without: str = "", *, add: str = "") -> str:
    """The command line of this process, quoted for a shell, without one of its flags, or with an additional one."""
    arguments = [argument for argument in sys.argv[1:] if argument != without]
    if add and add not in arguments:
        arguments.insert(1, add)  # behind the name of the command
    return shlex.join(["vid2vid", *arguments])


def render_summary(result: RenderResult, next_command: Sequence[str | Path]) -> tuple[str, str, dict[str, object]]:
    """(summary, next command, JSON fields) of a rendered video, for `Terminal.print_result`."""
    num_new_frames = result.num_frames - result.num_earlier_frames
    frames_per_second = num_new_frames / result.elapsed_seconds if result.elapsed_seconds > 0 else 0.0
    summary = f"{result.num_frames} frames, {frames_per_second:.1f} frames/s"
    if result.compare_path is not None:
        summary += f"; source, condition and result side by side: {result.compare_path}"
    summary += "".join(f"; {layer}: {path}" for layer, path in result.layer_paths.items())
    json_fields: dict[str, object] = {
        "compare_path": None if result.compare_path is None else str(result.compare_path),
        "report_path": None if result.report_path is None else str(result.report_path),
        "layer_paths": {layer: str(path) for layer, path in result.layer_paths.items()},
        "num_frames": result.num_frames,
        "elapsed_seconds": result.elapsed_seconds,
        "fps": str(result.fps),
    }
    return summary, shell_command(*next_command), json_fields
