"""The command-line application: registers the commands and turns every error into a message and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vid2vid_cli import __version__
from vid2vid_cli.commands import (
    adapt,
    bench,
    demo,
    doctor,
    evaluate,
    export,
    inspect,
    live,
    plugins,
    predict,
    prepare,
    presets,
    pull,
    push,
    styles,
    synthesize,
    train,
    ui,
    weights,
)
from vid2vid_cli.commands import import_ as import_command
from vid2vid_cli.commands import transfer as transfer_command
from vid2vid_cli.commands.command_class import Command, CommandGroup
from vid2vid_cli.core.errors import (
    BROKEN_PIPE_EXIT_CODE,
    ConfigError,
    DeviceError,
    DiskFullError,
    PermissionDeniedError,
    ReportedInterrupt,
    Vid2VidError,
    is_out_of_memory,
)
from vid2vid_cli.core.paths import printable

BUG_EXIT_CODE = 70
MAIN_PANEL, INSPECTION_PANEL, LIBRARY_PANEL = (
    "Main commands",
    "Inspection and evaluation",
    "Presets, plugins, weights, sharing",
)


class InternalError(Vid2VidError):
    """A bug in vid2vid."""

    exit_code = BUG_EXIT_CODE


class RootGroup(CommandGroup):
    """The commands. What ends one of them without an error message is given a message or an exit code here."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except EOFError as error:  # click would print "Aborted." without a reason
            raise RuntimeError(f"unexpected end of a file: {error}") from error
        except ReportedInterrupt:
            raise
        except KeyboardInterrupt:  # before the command has opened its terminal output
            sys.stderr.write("Stopped.\n")
            raise
        except BrokenPipeError:  # the reader of a pipe, such as `head`, has ended
            raise SystemExit(BROKEN_PIPE_EXIT_CODE) from None
        except SystemExit as error:
            if error.code:
                raise
            raise InternalError("A library ended the command with sys.exit before it was finished.") from error


app = typer.Typer(
    name="vid2vid",
    cls=RootGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=Command, rich_help_panel=MAIN_PANEL, no_args_is_help=True)(prepare.prepare)
app.command(cls=Command, rich_help_panel=MAIN_PANEL)(train.train)
app.command(cls=Command, rich_help_panel=MAIN_PANEL, no_args_is_help=True)(synthesize.synthesize)
app.command(cls=Command, rich_help_panel=MAIN_PANEL, no_args_is_help=True)(transfer_command.transfer)
app.command(cls=Command, rich_help_panel=MAIN_PANEL, no_args_is_help=True)(live.live)
app.command(cls=Command, rich_help_panel=MAIN_PANEL, no_args_is_help=True)(adapt.adapt)
app.command(cls=Command, rich_help_panel=MAIN_PANEL)(ui.ui)
app.command(cls=Command, rich_help_panel=INSPECTION_PANEL)(demo.demo)
app.command(cls=Command, rich_help_panel=INSPECTION_PANEL, no_args_is_help=True)(evaluate.evaluate)
app.command(cls=Command, rich_help_panel=INSPECTION_PANEL, no_args_is_help=True)(predict.predict)
app.command(cls=Command, rich_help_panel=INSPECTION_PANEL, no_args_is_help=True)(inspect.inspect)
app.command(cls=Command, rich_help_panel=LIBRARY_PANEL, no_args_is_help=True)(export.export)
app.command(cls=Command, rich_help_panel=LIBRARY_PANEL, no_args_is_help=True)(push.push)
app.command(cls=Command, rich_help_panel=LIBRARY_PANEL, no_args_is_help=True)(pull.pull)
app.add_typer(presets.app, name="presets", rich_help_panel=LIBRARY_PANEL)
app.add_typer(plugins.app, name="plugins", rich_help_panel=LIBRARY_PANEL)
app.add_typer(weights.app, name="weights", rich_help_panel=LIBRARY_PANEL)
app.add_typer(styles.app, name="styles", rich_help_panel=INSPECTION_PANEL)
app.add_typer(import_command.app, name="import", rich_help_panel=LIBRARY_PANEL)
app.command(cls=Command, rich_help_panel=INSPECTION_PANEL)(doctor.doctor)
app.command(cls=Command, rich_help_panel=INSPECTION_PANEL)(bench.bench)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"vid2vid {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train a video-to-video synthesis model on a short video of one person or scene and generate new video.

    Start with `vid2vid demo`, or with your own video: vid2vid prepare --conditioner landmarks video.mp4
    """


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; never raises an Exception."""
    try:
        app(args=list(arguments), prog_name="vid2vid")
    except SystemExit as exit_exception:
        return exit_exception.code if isinstance(exit_exception.code, int) else int(exit_exception.code is not None)
    except Exception as error:
        from vid2vid_cli.terminal import print_error

        known_error = _to_known_error(error)
        if known_error is None:
            known_error = _report_bug(error)
        print_error(known_error, as_json="--json" in arguments)
        if os.environ.get("VID2VID_DEBUG") == "1":
            traceback.print_exception(error)
        return known_error.exit_code
    return 0


def _to_known_error(error: Exception) -> Vid2VidError | None:
    """The error of this project that an exception corresponds to; None for a bug."""
    if isinstance(error, Vid2VidError):
        return error
    if isinstance(error, OSError):
        name = error.filename or "the output"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DiskFullError(f"{name}: no space left on the device.", "Free disk space, or choose another --out.")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return PermissionDeniedError(f"{name}: permission denied.", "Choose an --out that is writable.")
        if error.errno == errno.ENAMETOOLONG:
            return ConfigError(f"{printable(str(name))}: the name is too long for a file.", "Use a shorter name.")
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return ConfigError(f"The name {printable(str(error.object))} is not valid UTF-8.", "Rename the file or folder.")
    if is_out_of_memory(error):
        hint = "In training, use --set data.height=128 or --set schedule.batch_size=1; or use --device cpu."
        return DeviceError("The device is out of memory.", hint)
    return None


def _report_bug(error: Exception) -> Vid2VidError:
    """Write the traceback to a file and return an error that names it."""
    import tempfile

    report_hint = ""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="vid2vid-bug-", suffix=".txt", delete=False) as file:
            file.write(f"vid2vid {__version__}, Python {sys.version}\n{sys.argv}\n\n")
            traceback.print_exception(error, file=file)
            report_hint = f"Report it with {Path(file.name)}; VID2VID_DEBUG=1 prints the traceback."
    except OSError:
        report_hint = "VID2VID_DEBUG=1 prints the traceback."
    return InternalError(f"This is a bug in vid2vid: {type(error).__name__}: {error}", report_hint)
