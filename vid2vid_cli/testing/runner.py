"""Runs the contract tests on an installed conditioner; `vid2vid plugins test` starts it as a subprocess.

`python -m vid2vid_cli.testing.runner JSON` with {"name", "options", "clip"} prints one JSON object per line:
{"count"}, the number of tests; {"started": test}; {"test", "outcome": passed, failed or skipped, "reason", "location"};
and {"rejected": error class, "reason", "hint"} if the given files do not match the clip.
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

from vid2vid_cli.conditioning.video_context import VideoContext
from vid2vid_cli.core.errors import InputFileMismatchError, LabelFileError, MissingFileError
from vid2vid_cli.core.geometry import UInt8Array, View
from vid2vid_cli.media.decode import picture_times
from vid2vid_cli.media.probe import Probe, image_files, probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.testing import ConditionerContract
from vid2vid_cli.testing.contract_setup import skip_test

REQUEST_VARIABLE = "VID2VID_CONTRACT_REQUEST"
MAX_FRAMES, MAX_SHORT_SIDE = 6, 360
"""Frames that are read from the user's video, and the maximum length of their shorter side in pixels."""


class TestConditioner(ConditionerContract):
    """The requested conditioner, on a synthetic head or on the user's video."""

    _request: ClassVar[dict[str, Any]] = json.loads(os.environ.get(REQUEST_VARIABLE, "{}"))
    name = _request.get("name", "")
    options: ClassVar = _request.get("options", {})

    def clip(self) -> Sequence[UInt8Array]:
        """Return the first frames of the user's video, or of the synthetic head."""
        return list(_load_clip(self._request["clip"])) if self._request.get("clip") else super().clip()

    def video_context(self, frames: Sequence[UInt8Array]) -> VideoContext:
        """Return the context of the user's video if `frames` are the clip: input files belong to this video."""
        synthetic_context = super().video_context(frames)
        if not self._request.get("clip") or len(frames) != MAX_FRAMES:
            return synthetic_context
        probe_result = _probe_video(self._request["clip"])
        view = View.from_box(
            (0.0, 0.0, float(probe_result.width), float(probe_result.height)),
            synthetic_context.height,
            synthetic_context.width,
        )
        return VideoContext(
            Path(self._request["clip"]),
            probe_result.height,
            probe_result.width,
            num_frames=probe_result.num_frames,
            fps=probe_result.fps,
            view=view,
            sampled_fps=probe_result.fps,
            frame_files=tuple(image_files(Path(self._request["clip"]))) if probe_result.kind == "images" else (),
            picture_times=picture_times(Path(self._request["clip"]), probe_result),
        )

    def test_detects_something(self) -> None:
        """Skipped without a video: not every conditioner detects something on the synthetic head."""
        if not self._request.get("clip") and all(annotation.quality == 0 for annotation in self.clip_annotations()):
            skip_test("no detection on the synthetic head; use --clip VIDEO")
        super().test_detects_something()


class JsonReporter:
    """A pytest plugin that writes one JSON line per test."""

    def __init__(self, file_descriptor: int) -> None:
        self._stream = os.fdopen(file_descriptor, "w", encoding="utf-8")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Report the number of tests."""
        self._write_record(count=len(session.items))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Function) -> Generator[None, None, None]:
        """Skip tests that lack input files; stop the run if the given files do not match the clip."""
        try:
            return (yield)
        except (MissingFileError, InputFileMismatchError, LabelFileError) as error:
            contract: TestConditioner = item.instance
            if contract.uses_input_files() and not contract.has_clip_annotations():
                self._write_record(rejected=type(error).__name__, reason=error.message, hint=error.hint)
                pytest.exit(error.message)
            if isinstance(error, MissingFileError) and contract.make_conditioner().input_option:
                skip_test(f"{error.message} {error.hint}")
            raise

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Report the start of a test, so that a crash can be attributed to it."""
        self._write_record(started=nodeid.rpartition("::")[2])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Report the outcome of a test; a failed setup or teardown is reported too."""
        if report.when == "call" or report.outcome != "passed":
            reason, location = _failure_reason(report)
            test_name = report.nodeid.rpartition("::")[2]
            self._write_record(test=test_name, outcome=report.outcome, reason=reason, location=location)

    def _write_record(self, **record: object) -> None:
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()


def _failure_reason(report: pytest.TestReport) -> tuple[str, str]:
    """Return why a test did not pass, and the line of the plugin that raised the error."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: "), ""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return "" if report.longrepr is None else str(report.longrepr), ""
    is_contract_file = Path(crash.path).is_relative_to(Path(__file__).parent)
    return crash.message.removeprefix("AssertionError: "), "" if is_contract_file else f"{crash.path}:{crash.lineno}"


@cache
def _probe_video(path: str) -> Probe:
    return probe(Path(path))


@cache
def _load_clip(path: str) -> tuple[UInt8Array, ...]:
    probe_result = _probe_video(path)
    scale = min(1.0, MAX_SHORT_SIDE / min(probe_result.height, probe_result.width))
    size = (round(scale * probe_result.height), round(scale * probe_result.width))
    return tuple(islice(VideoReader(Path(path), size=size), MAX_FRAMES))


def main(request_json: str) -> int:
    """Run the tests of this file, without the user's pytest configuration and plugins. Return the exit code."""
    os.environ[REQUEST_VARIABLE] = request_json
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    reporter = JsonReporter(os.dup(1))
    with TemporaryDirectory() as folder:
        config_file = Path(folder) / "pytest.ini"
        config_file.write_text("[pytest]\n", encoding="utf-8")
        arguments = [
            __file__,
            "-c",
            str(config_file),
            "--rootdir",
            folder,
            "-p",
            "no:cacheprovider",
            "-p",
            "no:terminal",
        ]
        return int(pytest.main([*arguments, "--import-mode=importlib"], plugins=[reporter]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
