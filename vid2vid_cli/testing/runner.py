"""The contract, tried on a conditioner as it is installed: what `vid2vid plugins test` runs in a process of its own.

`python -m vid2vid_cli.testing.runner JSON`, with {"name", "options", "clip"}, prints one JSON object per line:
{"count"}, how many tests there are; {"began": test}; {"test", "outcome": passed, failed or skipped, "reason", "where"};
and where the given files do not fit, {"refused": class of the error, "reason", "hint"}.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest

from vid2vid_cli.conditioning.video_context import Footage
from vid2vid_cli.core.errors import FilesMismatchError, LabelFilesError, MissingFileError
from vid2vid_cli.core.geometry import Bytes, View
from vid2vid_cli.media.probe import Probe, probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.testing import ConditionerContract
from vid2vid_cli.testing.contract_setup import skip

ASKED = "VID2VID_TRIAL"
FRAMES, SIDE = 6, 360
"""Of the user's footage: how many frames, and their largest short side."""


class TestConditioner(ConditionerContract):
    """The conditioner that was asked for, on a drawn head or on the user's own footage."""

    _asked: ClassVar[dict[str, Any]] = json.loads(os.environ.get(ASKED, "{}"))
    name = _asked.get("name", "")
    options: ClassVar = _asked.get("options", {})

    def clip(self) -> Sequence[Bytes]:
        """The first frames of the footage."""
        return list(_clip(self._asked["clip"])) if self._asked.get("clip") else super().clip()

    def footage(self, frames: Sequence[Bytes]) -> Footage:
        """The footage, where `frames` are the clip; files of a conditioner belong to that."""
        own = super().footage(frames)
        if not self._asked.get("clip") or len(frames) != FRAMES:
            return own
        seen = _probe(self._asked["clip"])
        view = View.of_box((0.0, 0.0, float(seen.width), float(seen.height)), own.height, own.width)
        path = Path(self._asked["clip"])
        return Footage(path, seen.height, seen.width, seen.frames, seen.fps, view, seen.fps)

    def test_something_is_found(self) -> None:
        """A drawn head is not what everybody looks for."""
        if not self._asked.get("clip") and all(one.quality == 0 for one in self.found()):
            skip("on a drawn head it finds nothing; show it footage: --clip VIDEO")
        super().test_something_is_found()


class Reporter:
    """A pytest plugin that writes a line of JSON for every test."""

    def __init__(self, descriptor: int) -> None:
        self._out = os.fdopen(descriptor, "w", encoding="utf-8")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """How many there will be."""
        self._say(count=len(session.items))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Function) -> Generator[None, None, None]:
        """Files that were not given leave a duty untried, and files that do not fit end the trial."""
        try:
            return (yield)
        except (MissingFileError, FilesMismatchError, LabelFilesError) as error:
            contract: TestConditioner = item.instance
            if contract.reads_files() and not contract.has_found():
                self._say(refused=type(error).__name__, reason=error.message, hint=error.hint)
                pytest.exit(error.message)
            if isinstance(error, MissingFileError) and contract.make().reads:
                skip(f"{error.message} {error.hint}")
            raise

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Said before, so that a crash has a name."""
        self._say(began=nodeid.rpartition("::")[2])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test says one thing, unless putting it up or away fails."""
        if report.when == "call" or report.outcome != "passed":
            reason, where = _reason(report)
            test = report.nodeid.rpartition("::")[2]
            self._say(test=test, outcome=report.outcome, reason=reason, where=where)

    def _say(self, **line: object) -> None:
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def _reason(report: pytest.TestReport) -> tuple[str, str]:
    """Why a test did not pass, in a few lines, and the line of the plugin at which it broke."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: "), ""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return "" if report.longrepr is None else str(report.longrepr), ""
    own = Path(crash.path).is_relative_to(Path(__file__).parent)
    return crash.message.removeprefix("AssertionError: "), "" if own else f"{crash.path}:{crash.lineno}"


@cache
def _probe(path: str) -> Probe:
    return probe(Path(path))


@cache
def _clip(path: str) -> tuple[Bytes, ...]:
    seen = _probe(path)
    scale = min(1.0, SIDE / min(seen.height, seen.width))
    size = (round(scale * seen.height), round(scale * seen.width))
    return tuple(islice(VideoReader(Path(path), size=size), FRAMES))


def main(asked: str) -> int:
    """Run the tests of this file, apart from the settings and plugins of pytest that happen to be about."""
    os.environ[ASKED] = asked
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    reporter = Reporter(os.dup(1))
    with TemporaryDirectory() as folder:
        settings = Path(folder) / "pytest.ini"
        settings.write_text("[pytest]\n", encoding="utf-8")
        words = [__file__, "-c", str(settings), "--rootdir", folder, "-p", "no:cacheprovider", "-p", "no:terminal"]
        return int(pytest.main([*words, "--import-mode=importlib"], plugins=[reporter]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
