"""Runs the conditioner contract tests on an installed conditioner, in a subprocess."""

from __future__ import annotations

import json
import signal
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal, cast

from vid2vid_cli.conditioning.registry import find_conditioners, load_conditioner
from vid2vid_cli.core.errors import (
    ConfigError,
    InputFileMismatchError,
    LabelFileError,
    MissingFileError,
    MissingPackageError,
    PluginError,
    Vid2VidError,
)
from vid2vid_cli.core.python_process import module_command, start_process
from vid2vid_cli.engine.events import EventHandler, ProgressEvent

Outcome = Literal["passed", "skipped", "failed"]
INPUT_FILE_ERRORS: Mapping[str, type[Vid2VidError]] = {
    error_class.__name__: error_class for error_class in (MissingFileError, InputFileMismatchError, LabelFileError)
}
"""Errors of the given files; they end the run without a result for the conditioner."""


@dataclass(frozen=True)
class ContractCheck:
    """The result of one contract test."""

    name: str
    """Readable name, such as `render imports no heavy library`."""
    outcome: Outcome
    reason: str = ""
    """Why the test failed or was skipped."""
    location: str = ""
    """file:line of the plugin that raised an error; "" if the contract test itself failed."""

    def to_json(self) -> dict[str, str]:
        """Return the fields as JSON data."""
        return asdict(self)


@dataclass(frozen=True)
class ContractReport:
    """The results of all contract tests of one conditioner."""

    conditioner: str
    checks: tuple[ContractCheck, ...]


def run_contract(name: str, options: Mapping[str, str], clip: Path | None, on_event: EventHandler) -> ContractReport:
    """Run all contract tests of the conditioner `name` on a synthetic head, or on the first frames of the video `clip`.

    Raises: PluginError (unknown, cannot be imported, or the run did not finish), ConfigError (invalid options, or label
    files without `clip`), MissingPackageError (pytest), MissingFileError and NotAVideoError (`clip`),
    InputFileMismatchError and LabelFileError (label files that do not match `clip`).
    """
    package = Path(f"vid2vid-{name.replace('_', '-')}")
    if package.is_dir() and name not in (plugin.name for plugin in find_conditioners()):
        raise PluginError(f"The conditioner {name!r} is not installed.", f"pip install -e './{package}[dev]'")
    conditioner = load_conditioner(name, options)
    if conditioner.input_option and getattr(conditioner.options, conditioner.input_option) is not None and clip is None:
        message = f"{name}.{conditioner.input_option} is set, but --clip is not."
        raise ConfigError(message, "Set the video of these label files: --clip VIDEO")
    if find_spec("pytest") is None:
        raise MissingPackageError("The contract tests need pytest, which is not installed.", "pip install pytest")
    if clip is not None:
        from vid2vid_cli.media.probe import probe

        if not clip.exists():
            raise MissingFileError(f"{clip} does not exist.", "Check the path.")
        probe(clip)
    request = {"name": name, "options": dict(options), "clip": None if clip is None else str(clip)}
    return ContractReport(name, _run_checks(name, json.dumps(request), on_event))


def _run_checks(name: str, request_json: str, emit: EventHandler) -> tuple[ContractCheck, ...]:
    """Run the subprocess and collect the results that it prints."""
    command = module_command("vid2vid_cli.testing.runner", request_json)
    checks: dict[str, ContractCheck] = {}
    rejection: Vid2VidError | None = None
    current_check, num_checks, unparsed_lines = "", 0, deque[str](maxlen=5)
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr_file:
        with start_process(command, stderr_file) as process:
            assert process.stdout is not None
            for line in process.stdout:
                message = _parse_line(line)
                if message is None:
                    unparsed_lines.append(line.strip())
                elif "count" in message:
                    num_checks = int(message["count"])
                elif "rejected" in message:
                    rejection = INPUT_FILE_ERRORS[message["rejected"]](message["reason"], message["hint"])
                elif "started" in message:
                    current_check = _check_title(message["started"])
                else:
                    check = _parse_check(message)
                    # A test whose teardown fails is reported twice; the second report counts.
                    checks[check.name] = check
                    emit(ProgressEvent("contract", len(checks), num_checks, "checks"))
        if rejection is not None:
            raise rejection
        if process.returncode not in (0, 1) or len(checks) < num_checks or not checks:
            stderr_file.seek(0)
            raise _incomplete_run_error(
                name, process.returncode, current_check, [*unparsed_lines, *stderr_file.read().splitlines()]
            )
    return tuple(checks.values())


def _parse_line(text: str) -> dict[str, str] | None:
    """Parse one line of the runner; return None for output of other libraries."""
    try:
        message = json.loads(text)
    except ValueError:
        return None
    return message if isinstance(message, dict) and message.keys() & {"count", "started", "test", "rejected"} else None


def _parse_check(message: Mapping[str, str]) -> ContractCheck:
    outcome = cast("Outcome", message["outcome"])
    return ContractCheck(_check_title(message["test"]), outcome, message["reason"], message["location"])


def _check_title(test_name: str) -> str:
    return test_name.removeprefix("test_").replace("_", " ")


def _incomplete_run_error(name: str, return_code: int, current_check: str, lines: list[str]) -> PluginError:
    """Return the error of a run that did not finish."""
    # After a crash, the last lines of stderr only list loaded libraries.
    output_lines = [line for line in lines if line.strip()] if return_code >= 0 else []
    ending_text = (
        f"crashed with {signal.Signals(-return_code).name}"
        if return_code < 0
        else f"ended with exit code {return_code}"
    )
    location_text = f" at: {current_check}" if current_check else ""
    last_line_text = f" ({output_lines[-1].strip()})" if output_lines else ""
    message = f"The contract tests of {name} {ending_text}{location_text}{last_line_text}."
    return PluginError(message, "Fix the plugin at this test, or set other options with --conditioner-option.")
