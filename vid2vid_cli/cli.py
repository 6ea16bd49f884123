"""The command line: gathers the commands, and turns every failure into one message and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from vid2vid_cli import __version__
from vid2vid_cli.commands import (
    demo,
    doctor,
    evaluate,
    inspect,
    plugins,
    predict,
    prepare,
    presets,
    styles,
    synthesize,
    train,
)
from vid2vid_cli.commands import import_ as import_command
from vid2vid_cli.commands import transfer as transfer_command
from vid2vid_cli.core.errors import DeviceError, DiskFullError, PermissionDeniedError, Vid2VidError

BUG = 70
MAIN, LOOK, LIBRARY = "The four verbs", "Look and check", "Library"

app = typer.Typer(
    name="vid2vid",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(rich_help_panel=MAIN, no_args_is_help=True)(prepare.prepare)
app.command(rich_help_panel=MAIN)(train.train)
app.command(rich_help_panel=MAIN, no_args_is_help=True)(synthesize.synthesize)
app.command(rich_help_panel=MAIN, no_args_is_help=True)(transfer_command.transfer)
app.command(rich_help_panel=LOOK)(demo.demo)
app.command(rich_help_panel=LOOK, no_args_is_help=True)(evaluate.evaluate)
app.command(rich_help_panel=LOOK, no_args_is_help=True)(predict.predict)
app.command(rich_help_panel=LOOK, no_args_is_help=True)(inspect.inspect)
app.add_typer(presets.app, name="presets", rich_help_panel=LIBRARY)
app.add_typer(plugins.app, name="plugins", rich_help_panel=LIBRARY)
app.add_typer(styles.app, name="styles", rich_help_panel=LOOK)
app.add_typer(import_command.app, name="import", rich_help_panel=LIBRARY)
app.command(rich_help_panel=LOOK)(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vid2vid {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Learn one person or place from ordinary video, then render it from label video.

    Begin with `vid2vid demo`, or with a video of your own: vid2vid prepare --conditioner landmarks video.mp4
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code; nothing but an exit code ever leaves."""
    try:
        app(args=list(arguments), prog_name="vid2vid")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception as error:
        from vid2vid_cli.terminal import show_error

        known = _known(error)
        if known is None:
            known = _bug(error)
        show_error(known, as_json="--json" in arguments)
        if os.environ.get("VID2VID_DEBUG") == "1":
            traceback.print_exception(error)
        return known.exit_code
    return 0


def _known(error: Exception) -> Vid2VidError | None:
    """The situation behind an exception that no room has named."""
    if isinstance(error, Vid2VidError):
        return error
    if isinstance(error, OSError):
        name = error.filename or "the output"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DiskFullError(f"{name}: no space left on the device.", "Free some space, or choose --out elsewhere.")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return PermissionDeniedError(f"{name}: permission denied.", "Choose --out where you may write.")
    exhausted = "out of memory" in str(error).lower() or "can't allocate memory" in str(error).lower()
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or exhausted:
        hint = "Try a smaller --set data.size=128 or --set schedule.batch=1 in training, or --device cpu."
        return DeviceError("The memory of the device is full.", hint)
    return None


class _Bug(Vid2VidError):
    """Not the user's fault."""

    exit_code = BUG


def _bug(error: Exception) -> Vid2VidError:
    """A bug: a short message, and the traceback in a file for whoever mends it."""
    import tempfile

    where = ""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="vid2vid-bug-", suffix=".txt", delete=False) as file:
            file.write(f"vid2vid {__version__}, Python {sys.version}\n{sys.argv}\n\n")
            traceback.print_exception(error, file=file)
            where = f"Report it with {Path(file.name)}, or see it with VID2VID_DEBUG=1."
    except OSError:
        where = "See it with VID2VID_DEBUG=1."
    return _Bug(f"This is a bug in vid2vid: {type(error).__name__}: {error}", where)
