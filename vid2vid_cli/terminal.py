"""Output of the commands. The only file that imports rich.

stdout: the path of the result, requested tables, JSON. stderr: progress, notices, warnings and errors.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vid2vid_cli.conditioning.plugin_stdout import reserve_stdout
from vid2vid_cli.core.errors import ReportedInterrupt, Vid2VidError
from vid2vid_cli.core.json_values import to_json_value
from vid2vid_cli.core.text_columns import align_columns, wrap_rows
from vid2vid_cli.engine.dry_run import DryRun
from vid2vid_cli.engine.events import (
    ArtifactEvent,
    Event,
    InfoEvent,
    ProgressEvent,
    StepEvent,
    WarningEvent,
    event_name,
)
from vid2vid_cli.engine.progress import ProgressMeter, format_number


class _Console(Console):
    """A console that leaves a closed pipe to the command line, which ends quietly."""

    def on_broken_pipe(self) -> None:
        """Called while BrokenPipeError is handled."""
        raise


class Terminal:
    """Output of one command: a context manager whose `emit` handles the events of the pipelines."""

    def __init__(self, command: str, *, as_json: bool = False, quiet: bool = False) -> None:
        self.command, self.as_json, self.quiet = command, as_json, quiet
        self.resume_command = ""
        """The command that continues this one after Ctrl-C."""
        self.stderr_console, self.stdout_console = _Console(stderr=True, highlight=False), _Console(highlight=False)
        self._meters: dict[str, ProgressMeter] = {}
        self._warnings: list[str] = []
        self._artifacts: list[dict[str, object]] = []
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._exit_stack, self._json_stream = ExitStack(), sys.stdout

    def __enter__(self) -> Terminal:
        if self.as_json:
            self._json_stream = self._exit_stack.enter_context(reserve_stdout())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_live()
        self._exit_stack.close()
        if isinstance(error, KeyboardInterrupt):
            with suppress(OSError):  # after SIGHUP the terminal may be gone
                self.stderr_console.print(Text("Stopped.", "yellow"))
                if self.resume_command:
                    self._print_labelled("Continue", self.resume_command, "green")
            raise ReportedInterrupt from error

    def emit(self, event: Event) -> None:
        """Print one event. Thread-safe."""
        with self._lock:
            meter = self._record_event(event)
            if self.as_json and (meter is None or meter.should_emit_json()):
                _print_json({"event": event_name(event), **asdict(event)}, self._json_stream)
            if isinstance(event, WarningEvent):
                self._print_labelled("Warning", event.message, "yellow")
            elif self.quiet:
                return
            elif meter is not None:
                self._print_progress(meter)
            elif isinstance(event, InfoEvent):
                self.stderr_console.print(Text(event.message), soft_wrap=True)

    def print_result(
        self, path: Path | str, summary: str, next_command: str, result_fields: Mapping[str, object]
    ) -> None:
        """Print the output path, or a URL, and the next command, if any; with --json, one object with the fields."""
        self._stop_live()
        if not self.quiet and summary:
            self.stderr_console.print(Text(summary), soft_wrap=True)
        if self.as_json:
            extra_fields = {"next_command": next_command, "warnings": self._warnings, "artifacts": self._artifacts}
            _print_json(
                {"event": "result", "command": self.command, "path": str(path), **result_fields, **extra_fields},
                self._json_stream,
            )
        else:
            self.stdout_console.print(Text(str(path), "bold"), soft_wrap=True)
        reports = [str(artifact["path"]) for artifact in self._artifacts if artifact["kind"] == "report"]
        self.print_next(next_command, reports[-1:])

    def print_batch_result(self, path: Path, result_fields: Mapping[str, object], error: Vid2VidError | None) -> None:
        """Print the output path of one of several videos, or its error; with --json, one object.

        Warnings, artifacts and progress are then cleared for the next video.
        """
        self._stop_live()
        if error is not None:
            print_error(error)
        if self.as_json:
            lists = {"warnings": self._warnings, "artifacts": self._artifacts}
            _print_json({"event": "result", "command": self.command, **result_fields, **lists}, self._json_stream)
        elif error is None:
            self.stdout_console.print(Text(str(path), "bold"), soft_wrap=True)
        self._meters, self._warnings, self._artifacts = {}, [], []

    def print_batch_summary(self, rows: Sequence[Sequence[str]], summary_fields: Mapping[str, object]) -> None:
        """Print the table of several videos on stderr; with --json, also an object on stdout."""
        self._stop_live()
        if self.as_json:
            _print_json({"event": "summary", "command": self.command, **summary_fields}, self._json_stream)
        if not self.quiet:
            self.stderr_console.print(Text(align_columns(rows).rstrip()), soft_wrap=True)

    def print_table(self, rows: Sequence[Sequence[str]], data: object, header: Sequence[str] = ()) -> None:
        """Print a table on stdout; with --json, `data` instead."""
        self._stop_live()
        if self.as_json:
            _print_json(data, self._json_stream)
            return
        if not self.stdout_console.is_terminal:
            sys.stdout.write(align_columns([header, *rows] if header else rows))
            return
        table = Table(box=None, pad_edge=False, show_header=bool(header))
        for index in range(max((len(row) for row in rows), default=1)):
            title = header[index] if index < len(header) else ""
            table.add_column(title, style="cyan" if index == 0 else "", header_style="bold", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.stdout_console.print(table)

    def print_text(self, text: str, data: object) -> None:
        """Print a text on stdout; with --json, `data` instead."""
        self._stop_live()
        if self.as_json:
            _print_json(data, self._json_stream)
        else:
            sys.stdout.write(f"{text}\n")

    def print_wrapped(self, rows: Sequence[Sequence[str]], data: object) -> None:
        """Print rows of two short cells and long texts, wrapped to the width; with --json, `data` instead."""
        self.print_text(wrap_rows(rows, self.stdout_console.width), data)

    def print_plan(self, plan: DryRun) -> None:
        """Print the plan of --dry-run."""
        self.print_table(plan.rows, {"event": "plan", "command": self.command, "plan": plan.to_json()})
        self.stderr_console.print(Text("Nothing was written.", "dim"))

    def print_next(self, command: str, reports: Sequence[Path | str] = ()) -> None:
        """Print a suggested next command, if any, and the paths of reports, as the last lines of a command."""
        for heading, text in (("Next", command), *(("Report", str(path)) for path in reports)):
            if text and not self.quiet:
                self._print_labelled(heading, text, "green")

    def _record_event(self, event: Event) -> ProgressMeter | None:
        """Record the event for the result; return the meter of a progress event."""
        if isinstance(event, WarningEvent):
            self._warnings.append(event.message)
        elif isinstance(event, ArtifactEvent):
            self._artifacts.append(asdict(event))
        elif isinstance(event, ProgressEvent):
            meter = self._meters.setdefault(event.stage, ProgressMeter(event.stage, event.unit))
            meter.set_progress(event.done, event.total)
            return meter
        elif isinstance(event, StepEvent):
            meter = self._meters.setdefault("train", ProgressMeter("train", "steps"))
            meter.record_step(event)
            return meter
        return None

    def _print_progress(self, meter: ProgressMeter) -> None:
        if self.stderr_console.is_terminal and not self.as_json:
            if self._live is None:
                self._live = Live(
                    console=self.stderr_console,
                    get_renderable=self._render_progress,
                    refresh_per_second=4,
                    redirect_stdout=False,
                )
                self._live.start()
        elif meter.should_print():
            self.stderr_console.print(Text(meter.plain_line()), soft_wrap=True)

    def _render_progress(self) -> RenderableType:
        """A progress bar per stage, and the losses of the training."""
        grid, losses = Table.grid(padding=(0, 2)), Table.grid(padding=(0, 2))
        for meter in list(self._meters.values()):
            fraction = meter.fraction
            bar = ProgressBar(total=1.0, completed=fraction or 0.0, width=24, pulse=fraction is None)
            grid.add_row(Text(meter.name, "cyan"), bar, *(Text(cell) for cell in meter.status_cells()))
            for name, value in list(meter.losses.items()):
                losses.add_row(Text(f"  {name}", "dim"), Text(format_number(value), justify="right"))
        return Group(grid, losses) if losses.rows else grid

    def _print_labelled(self, heading: str, text: str, style: str) -> None:
        """Print `Heading: text` without line wrapping, so that commands can be copied."""
        self.stderr_console.print(Text.assemble((f"{heading}: ", f"bold {style}"), text), soft_wrap=True)

    def _stop_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def print_error(error: Vid2VidError, *, as_json: bool = False) -> None:
    """Print `Error: ...` and `Try: ...` on stderr, in a box on a terminal; with --json also an object on stdout."""
    console = Console(stderr=True, highlight=False)
    message, hint = error.message.rstrip(), error.hint.strip()
    if console.is_terminal:
        console.print(Panel(Text(message), title="Error", title_align="left", border_style="red"))
    else:
        console.print(Text(f"Error: {message}"), soft_wrap=True)
    if hint:
        console.print(Text.assemble(("Try: ", "bold green"), hint), soft_wrap=True)
    if as_json:
        error_name, code = type(error).__name__, error.exit_code
        record = {"event": "error", "error": error_name, "message": message, "hint": hint, "exit_code": code}
        _print_json(record, sys.stdout)


def _print_json(data: object, stream: TextIO) -> None:
    """Print one line of JSON on stdout, whose stream this is."""
    stream.write(json.dumps(to_json_value(data), ensure_ascii=False) + "\n")
    stream.flush()
