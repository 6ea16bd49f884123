"""One command that the page has started: a process, its events, and how it ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal

from vid2vid_cli.core.errors import INTERRUPT_EXIT_CODE
from vid2vid_cli.core.parsing import parse_json
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.core.python_process import module_command
from vid2vid_cli.engine.events import StepEvent
from vid2vid_cli.engine.progress import ProgressMeter, format_number

JobState = Literal["queued", "running", "stopping", "done", "failed", "stopped"]
ACTIVE_STATES = ("queued", "running", "stopping")
MAX_LOG_LINES, MAX_SHOWN_LINES, MAX_ERROR_LINES = 400, 60, 8
MAX_LINE_CHARACTERS = 500
CONTINUE_PREFIX = "Continue: "
"""Beginning of the line with which a stopped command names the command that continues it."""

_BOX_PATTERN = re.compile("^[╭╰╮╯│─ ]+(Error)?|[╮╯│─ ]+$")
"""The frame that Typer draws around the message of a wrong option."""
_USAGE_LINES = ("Usage: ", "Try '")


class Job:
    """A command. Its methods may be called from any thread."""

    def __init__(self, number: int, form: str, arguments: Sequence[str]) -> None:
        self.number, self.form, self.arguments = number, form, tuple(arguments)
        self.state: JobState = "queued"
        self.created, self.started, self.ended = time.time(), 0.0, 0.0
        self.exit_code: int | None = None
        self._process: subprocess.Popen[str] | None = None
        self._num_stops = 0
        self._lock = threading.Lock()
        self._meter: ProgressMeter | None = None
        self._last_progress: dict[str, object] | None = None
        self._messages: deque[str] = deque(maxlen=MAX_SHOWN_LINES)
        self._warnings: list[str] = []
        self._log: deque[str] = deque(maxlen=MAX_LOG_LINES)
        self._artifacts: dict[str, str] = {}
        self._result: dict[str, Any] = {}
        self._error: dict[str, str] = {}

    @property
    def command_line(self) -> str:
        """The command line, quoted for a shell."""
        return shell_command("vid2vid", *self.arguments)

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE_STATES

    def run(self, folder: Path) -> None:
        """Run the command in a folder until it ends, unless it was removed from the queue."""
        with self._lock:
            if self.state != "queued":
                return
            self.state, self.started = "running", time.time()
            name, *rest = self.arguments
            try:
                self._process = subprocess.Popen(
                    module_command("vid2vid_cli", name, "--json", *rest),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    cwd=folder,
                    env={**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"},
                    start_new_session=True,  # Ctrl-C in the terminal of the page ends the jobs in order
                )
            except OSError as error:
                self._error = {"message": f"The command could not be started: {error}", "hint": ""}
                self.state, self.ended = "failed", time.time()
                return
        self._follow(self._process)

    def _follow(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        log_thread = threading.Thread(target=self._read_log, args=(process.stderr,), daemon=True)
        log_thread.start()
        for line in process.stdout:
            self._read_event(line)
        exit_code = process.wait()
        log_thread.join()
        with self._lock:
            self.exit_code, self.ended = exit_code, time.time()
            self._last_progress = self._measure_progress()
            if exit_code == 0:
                self.state = "done"
            elif self.state == "stopping" or exit_code == INTERRUPT_EXIT_CODE:
                self.state = "stopped"
            else:
                self.state = "failed"

    def stop(self) -> None:
        """Ask the command to end, as Ctrl-C does. A training saves; asked again, it ends at once; then by force."""
        with self._lock:
            if self.state == "queued":
                self.state, self.ended = "stopped", time.time()
                return
            self._num_stops += 1
            if self.state in ("running", "stopping") and self._process is not None and self._num_stops <= 2:
                self.state = "stopping"
                interrupt(self._process)
                return
        self.kill()

    def kill(self) -> None:
        """End the command and its processes at once."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self.state = "stopping"
                if sys.platform == "win32":
                    self._process.kill()
                else:
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _read_log(self, stream: IO[str]) -> None:
        for line in stream:
            with self._lock:
                self._log.append(line.rstrip("\n")[:MAX_LINE_CHARACTERS])

    def _read_event(self, line: str) -> None:
        """Record one line of the command's JSON output; lines that are not events are ignored."""
        try:
            event = parse_json(line)
        except ValueError:
            return
        if isinstance(event, dict):
            with self._lock, suppress(KeyError, TypeError, AttributeError):  # it lacks fields, or has others
                self._record(event)

    def _record(self, event: Mapping[str, Any]) -> None:
        match event.get("event"):
            case "progress":
                self._meter_of(str(event["stage"]), str(event["unit"])).set_progress(event["done"], event["total"])
            case "step":
                names = ("step", "max_steps", "losses", "elapsed_seconds", "max_seconds")
                losses = {key: float("nan") if value is None else value for key, value in event["losses"].items()}
                values = {**{name: event[name] for name in names}, "losses": losses}
                self._meter_of("train", "steps").record_step(StepEvent(**values))
            case "info":
                self._messages.append(str(event["message"]))
            case "warning":
                self._warnings.append(str(event["message"]))
            case "artifact":
                self._artifacts[str(event["kind"])] = str(event["path"])
            case "result" | "summary":
                self._result = dict(event)
            case "error":
                self._error = {"message": str(event["message"]), "hint": str(event["hint"])}

    def _meter_of(self, stage: str, unit: str) -> ProgressMeter:
        if self._meter is None or self._meter.name != stage:
            self._meter = ProgressMeter(stage, unit)
        return self._meter

    def to_json(self) -> dict[str, object]:
        """What the page shows."""
        with self._lock:
            return {
                "number": self.number,
                "form": self.form,
                "command": self.command_line,
                "state": self.state,
                "created": self.created,
                "started": self.started,
                "ended": self.ended,
                "exit_code": self.exit_code,
                "progress": self._last_progress if self.ended else self._measure_progress(),
                "messages": list(self._messages),
                "warnings": list(dict.fromkeys(self._warnings)),
                "error": self._final_error(),
                "log": [] if self.state == "done" else list(self._log)[-MAX_SHOWN_LINES:],
                "path": str(self._result.get("path") or self._artifacts.get("checkpoint", "")),
                "report": self._artifacts.get("report", ""),
                "sample": self._artifacts.get("sample", ""),
                "comparison": str(self._result.get("comparison") or ""),
                "continue": self._continue_command(),
            }

    def _measure_progress(self) -> dict[str, object] | None:
        """Progress now; remaining times go on changing after the end."""
        meter = self._meter
        if meter is None:
            return None
        losses = {name: format_number(value) for name, value in meter.losses.items()}
        text = " · ".join(filter(None, meter.status_cells()))
        return {"stage": meter.name, "fraction": meter.fraction, "text": text, "losses": losses}

    def _final_error(self) -> dict[str, str] | None:
        """The error of a failed command; without an event, as for wrong options, the end of its messages."""
        if self.state != "failed":
            return None
        if self._error:
            return self._error
        lines = [_BOX_PATTERN.sub("", line).strip() for line in self._log]
        text = "\n".join([line for line in lines if line and not line.startswith(_USAGE_LINES)][-MAX_ERROR_LINES:])
        return {"message": text or "The command ended without a message.", "hint": f"Exit code {self.exit_code}."}

    def _continue_command(self) -> str:
        lines = [line for line in self._log if line.startswith(CONTINUE_PREFIX)]
        if not lines or self.state != "stopped":
            return ""
        return lines[-1].removeprefix(CONTINUE_PREFIX).replace(" --json ", " ", 1)  # --json is of this program


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ask a command to end in order, as Ctrl-C does. On Windows it is ended at once."""
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.terminate()
        return
    # A process that a script has started in the background ignores SIGINT, and so do its children.
    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    process.send_signal(signal.SIGTERM if is_ignored else signal.SIGINT)
