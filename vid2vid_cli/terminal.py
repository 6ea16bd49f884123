"""What a person, or with --json a program, sees of a command. The only file that imports rich.

On stdout: the path of what was made, tables that were asked for, JSON. On stderr: everything said on the way.
"""

from __future__ import annotations

import json
import math
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.engine.dry_run import Plan
from vid2vid_cli.engine.events import Advanced, Event, Noticed, Stepped, Warned, Wrote
from vid2vid_cli.engine.progress import Pace, short


class Terminal:
    """One command's voice: a context manager whose `tell` is what the pipelines speak to."""

    def __init__(self, command: str, *, as_json: bool = False, quiet: bool = False) -> None:
        self.command, self.as_json, self.quiet = command, as_json, quiet
        self.resume = ""
        """The command that continues this one after Ctrl-C."""
        self.err, self.out = Console(stderr=True, highlight=False), Console(highlight=False)
        self._paces: dict[str, Pace] = {}
        self._warnings: list[str] = []
        self._wrote: list[dict[str, object]] = []
        self._live: Live | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if isinstance(error, KeyboardInterrupt):
            self.err.print(Text("Stopped.", "yellow"))
            if self.resume:
                self._line("Continue", self.resume, "green")

    def tell(self, event: Event) -> None:
        """Show one event; may be called from any thread."""
        with self._lock:
            pace = self._follow(event)
            if self.as_json and (pace is None or pace.due_for_json()):
                _print_json({"event": type(event).__name__.lower(), **asdict(event)})
            if isinstance(event, Warned):
                self._line("Warning", event.message, "yellow")
            elif self.quiet:
                return
            elif pace is not None:
                self._progress(pace)
            elif isinstance(event, Noticed):
                self.err.print(Text(event.message), soft_wrap=True)

    def done(self, path: Path, summary: str, next_command: str, result: Mapping[str, object]) -> None:
        """The end of a command: what it made, in one path, and what to type next; with --json `result` too."""
        self._stop()
        if not self.quiet and summary:
            self.err.print(Text(summary), soft_wrap=True)
        if self.as_json:
            extra = {"next": next_command, "warnings": self._warnings, "wrote": self._wrote}
            _print_json({"event": "done", "command": self.command, "path": str(path), **result, **extra})
        else:
            self.out.print(Text(str(path), "bold"), soft_wrap=True)
        if not self.quiet:
            self._line("Next", next_command, "green")

    def rows(self, rows: Sequence[Sequence[str]], data: object, header: Sequence[str] = ()) -> None:
        """A table that was asked for, on stdout; with --json, `data` instead."""
        self._stop()
        if self.as_json:
            _print_json(data)
            return
        if not self.out.is_terminal:
            sys.stdout.write(_aligned([header, *rows] if header else rows))
            return
        table = Table(box=None, pad_edge=False, show_header=bool(header))
        for index in range(max((len(row) for row in rows), default=1)):
            title = header[index] if index < len(header) else ""
            table.add_column(title, style="cyan" if index == 0 else "", header_style="bold", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.out.print(table)

    def plan(self, plan: Plan) -> None:
        """The answer to --dry-run."""
        self.rows(plan.rows, {"event": "plan", "command": self.command, "plan": plan.to_json()})
        self.err.print(Text("Nothing was written.", "dim"))

    def next(self, command: str) -> None:
        """The line that says what to type next."""
        if not self.quiet:
            self._line("Next", command, "green")

    def _follow(self, event: Event) -> Pace | None:
        """Remember what the event says; its pace, if it is about progress."""
        if isinstance(event, Warned):
            self._warnings.append(event.message)
        elif isinstance(event, Wrote):
            self._wrote.append(asdict(event))
        elif isinstance(event, Advanced):
            pace = self._paces.setdefault(event.stage, Pace(event.stage, event.unit))
            pace.move(event.done, event.total)
            return pace
        elif isinstance(event, Stepped):
            pace = self._paces.setdefault("train", Pace("train", "steps"))
            pace.step(event)
            return pace
        return None

    def _progress(self, pace: Pace) -> None:
        if self.err.is_terminal and not self.as_json:
            if self._live is None:
                self._live = Live(
                    console=self.err, get_renderable=self._draw, refresh_per_second=4, redirect_stdout=False
                )
                self._live.start()
        elif pace.due():
            losses = [f"{name} {short(value)}" for name, value in pace.losses.items()]
            line = "  ".join([pace.name, *filter(None, pace.cells()), *losses])
            self.err.print(Text(line), soft_wrap=True)

    def _draw(self) -> RenderableType:
        """All stages with bars, and under them the losses of training."""
        grid, losses = Table.grid(padding=(0, 2)), Table.grid(padding=(0, 2))
        for pace in list(self._paces.values()):
            part = pace.part
            bar = ProgressBar(total=1.0, completed=part or 0.0, width=24, pulse=part is None)
            grid.add_row(Text(pace.name, "cyan"), bar, *(Text(cell) for cell in pace.cells()))
            for name, value in list(pace.losses.items()):
                losses.add_row(Text(f"  {name}", "dim"), Text(short(value), justify="right"))
        return Group(grid, losses) if losses.rows else grid

    def _line(self, word: str, text: str, style: str) -> None:
        """`Word: text`, the word in colour, never folded, so that commands can be copied."""
        self.err.print(Text.assemble((f"{word}: ", f"bold {style}"), text), soft_wrap=True)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def show_error(error: Vid2VidError, *, as_json: bool = False) -> None:
    """`Error: ...` and `Try: ...` on stderr, in a frame on a terminal; with --json also an object on stdout."""
    console = Console(stderr=True, highlight=False)
    message, hint = error.message.rstrip(), error.hint.strip()
    if console.is_terminal:
        console.print(Panel(Text(message), title="Error", title_align="left", border_style="red"))
    else:
        console.print(Text(f"Error: {message}"), soft_wrap=True)
    if hint:
        console.print(Text.assemble(("Try: ", "bold green"), hint), soft_wrap=True)
    if as_json:
        kind, code = type(error).__name__, error.exit_code
        _print_json({"event": "error", "error": kind, "message": message, "hint": hint, "exit_code": code})


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart, for pipes: nothing is folded or cut."""
    count = max((len(row) for row in rows), default=0)
    widths = [max(len(row[index]) for row in rows if index < len(row)) for index in range(count)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _print_json(data: object) -> None:
    """One line on stdout."""
    sys.stdout.write(json.dumps(_plain(data), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _plain(data: Any) -> Any:
    """Only what JSON knows: no NaN, no paths, no tuples."""
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data if isinstance(data, (str, int, float, bool)) or data is None else str(data)
