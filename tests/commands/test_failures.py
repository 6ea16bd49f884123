"""Errors of the command line: one message and one exit code each."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from vid2vid_cli import cli
from vid2vid_cli.core.errors import DivergenceError, Vid2VidError
from vid2vid_cli.tools import inspect as pipeline


def run_failing_inspect(error: BaseException, monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    """The exit code of `vid2vid inspect x` if its pipeline raises `error`."""

    def raise_error(path: Path) -> None:
        """Stands for `inspect_path`."""
        raise error

    monkeypatch.setattr(pipeline, "inspect_path", raise_error)
    return cli.run_command_line(["inspect", "x", *args])


class OutOfMemoryError(RuntimeError):
    """Has the name of torch.OutOfMemoryError."""


@pytest.mark.parametrize(
    ("error", "exit_code", "location"),
    [
        (DivergenceError("The loss is NaN.", "Lower the rate."), 50, "The loss is NaN.\nTry: Lower the rate.\n"),
        (OSError(errno.ENOSPC, "No space", "runs/a"), 43, "runs/a: "),
        (OSError(errno.EACCES, "Denied", "/root/a"), 44, "/root/a: "),
        (OSError(errno.EROFS, "Read-only", "/a"), 44, "/a: "),
        (OutOfMemoryError("CUDA"), 45, ""),
        (MemoryError(), 45, ""),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 45, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_cli_errors_have_message_and_exit_code(
    error: Exception, exit_code: int, location: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_failing_inspect(error, monkeypatch) == exit_code
    assert capsys.readouterr().err.startswith(f"Error: {location}")


def test_cli_internal_error_writes_traceback_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run_failing_inspect(ZeroDivisionError("division by zero"), monkeypatch) == 70
    text = capsys.readouterr().err
    assert text.startswith("Error: ")
    assert "ZeroDivisionError: division by zero\n" in text
    assert "Traceback" not in text
    (report,) = tmp_path.iterdir()
    assert str(report) in text
    assert "in raise_error" in report.read_text()
    monkeypatch.setenv("VID2VID_DEBUG", "1")
    assert run_failing_inspect(ZeroDivisionError("division by zero"), monkeypatch) == 70
    assert "Traceback" in capsys.readouterr().err


def test_cli_end_of_file_is_an_internal_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run_failing_inspect(EOFError("No data left in file"), monkeypatch) == 70
    text = capsys.readouterr().err
    assert "No data left in file" in text
    assert "Aborted" not in text


def test_cli_json_error_is_last_stdout_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_failing_inspect(DivergenceError("NaN.", "Lower it."), monkeypatch, "--json") == 50
    assert json.loads(capsys.readouterr().out) == {
        "event": "error",
        "error": "DivergenceError",
        "message": "NaN.",
        "hint": "Lower it.",
        "exit_code": 50,
    }


def test_cli_keyboard_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_failing_inspect(KeyboardInterrupt(), monkeypatch) == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_error_exit_codes_are_unique() -> None:
    codes = [kind.exit_code for kind in Vid2VidError.__subclasses__()]
    assert len(set(codes)) == len(codes)
    assert not {0, 1, 2, 130} & set(codes)
