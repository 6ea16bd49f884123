"""Does a conditioner keep the contract: every duty tried on what is installed, in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

from vid2vid_cli.conditioning.registry import find_conditioners, load_conditioner
from vid2vid_cli.core.errors import (
    ConfigError,
    FilesMismatchError,
    LabelFilesError,
    MissingFileError,
    MissingPackageError,
    PluginError,
    Vid2VidError,
)
from vid2vid_cli.engine.events import Advanced, Tell

Outcome = Literal["kept", "broken", "not tried"]
_OUTCOMES: Mapping[str, Outcome] = {"passed": "kept", "failed": "broken", "skipped": "not tried"}
REFUSALS: Mapping[str, type[Vid2VidError]] = {
    kind.__name__: kind for kind in (MissingFileError, FilesMismatchError, LabelFilesError)
}
"""What is wrong with the files that were given, and not with the conditioner."""


@dataclass(frozen=True)
class Duty:
    """One duty of the contract, and what became of it."""

    name: str
    """A sentence without its full stop, such as `render needs no heavy library`."""
    outcome: Outcome
    reason: str = ""
    """Why it is broken or could not be tried."""
    where: str = ""
    """file:line of the plugin at which it broke, where it raised an error."""

    def to_json(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Trial:
    """Every duty of one conditioner."""

    conditioner: str
    duties: tuple[Duty, ...]


def try_contract(name: str, options: Mapping[str, str], clip: Path | None, tell: Tell) -> Trial:
    """Try every duty of the conditioner `name` on a drawn head, or on the first frames of the video `clip`.

    Raises: PluginError (there is none, it cannot be imported, or the trial ended before its end), ConfigError (wrong
    options, labels without their video), MissingPackageError (pytest), MissingFileError and NotAVideoError (the clip),
    FilesMismatchError and LabelFilesError (labels that do not fit it).
    """
    package = Path(f"vid2vid-{name.replace('_', '-')}")
    if package.is_dir() and name not in (found.name for found in find_conditioners()):
        raise PluginError(f"The conditioner {name!r} is not installed.", f"pip install -e './{package}[dev]'")
    conditioner = load_conditioner(name, options)
    if conditioner.reads and getattr(conditioner.options, conditioner.reads) is not None and clip is None:
        message = f"{name}.{conditioner.reads} names labels of a video, and the video is not named."
        raise ConfigError(message, "Name the video they were made for: --clip VIDEO")
    if find_spec("pytest") is None:
        raise MissingPackageError("Trying the contract needs pytest, which is not installed.", "pip install pytest")
    if clip is not None:
        from vid2vid_cli.media.probe import probe

        if not clip.exists():
            raise MissingFileError(f"{clip} does not exist.", "Check the path.")
        probe(clip)
    asked = {"name": name, "options": dict(options), "clip": None if clip is None else str(clip)}
    return Trial(name, _run(name, json.dumps(asked), tell))


def _run(name: str, asked: str, tell: Tell) -> tuple[Duty, ...]:
    """The trial, followed line by line."""
    command = [sys.executable, "-m", "vid2vid_cli.testing.runner", asked]
    duties: dict[str, Duty] = {}
    refused: Vid2VidError | None = None
    began, count, strange = "", 0, deque[str](maxlen=5)
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                said = _line(line)
                if said is None:
                    strange.append(line.strip())
                elif "count" in said:
                    count = int(said["count"])
                elif "refused" in said:
                    refused = REFUSALS[said["refused"]](said["reason"], said["hint"])
                elif "began" in said:
                    began = _sentence(said["began"])
                else:
                    duty = _duty(said)
                    # What fails after a test has passed breaks it; and a duty is tried once.
                    duties[duty.name] = duty
                    tell(Advanced("contract", len(duties), count, "duties"))
        if refused is not None:
            raise refused
        if process.returncode not in (0, 1) or len(duties) < count or not duties:
            errors.seek(0)
            raise _cut_short(name, process.returncode, began, [*strange, *errors.read().splitlines()])
    return tuple(duties.values())


def _line(text: str) -> dict[str, str] | None:
    """One line of the trial; None for what a library prints."""
    try:
        said = json.loads(text)
    except ValueError:
        return None
    return said if isinstance(said, dict) and said.keys() & {"count", "began", "test", "refused"} else None


def _duty(said: Mapping[str, str]) -> Duty:
    return Duty(_sentence(said["test"]), _OUTCOMES[said["outcome"]], said["reason"], said["where"])


def _sentence(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


def _cut_short(name: str, code: int, began: str, lines: list[str]) -> PluginError:
    """The error of a trial that has no result."""
    # The last words of a crash are a list of libraries.
    told = [line for line in lines if line.strip()] if code >= 0 else []
    how = f"crashed with {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    at = f" at: {began}" if began else ""
    last = f" ({told[-1].strip()})" if told else ""
    message = f"The trial of {name} {how}{at}{last}."
    return PluginError(message, "Mend what the plugin does there, or give it other options with --option.")
