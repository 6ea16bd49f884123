"""Whatever happens inside, a user meets one message and an exit code."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from vid2vid_cli import cli
from vid2vid_cli.core.errors import DivergedError, Vid2VidError
from vid2vid_cli.tools import inspect as pipeline


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of `vid2vid inspect x` if its pipeline raises `error`."""

    def broken(path: Path) -> None:
        raise error

    monkeypatch.setattr(pipeline, "inspect", broken)
    return cli.run(["inspect", "x", *words])


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (DivergedError("The loss is NaN.", "Lower the rate."), 50, "Error: The loss is NaN.\nTry: Lower the rate.\n"),
        (OSError(errno.ENOSPC, "No space", "runs/a"), 43, "Error: runs/a: no space left on the device."),
        (OSError(errno.EACCES, "Denied", "/root/a"), 44, "Error: /root/a: permission denied."),
        (OSError(errno.EROFS, "Read-only", "/a"), 44, "Error: /a: permission denied."),
        (OutOfMemoryError("CUDA"), 45, "Error: The memory of the device is full."),
        (MemoryError(), 45, "Error: The memory of the device is full."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 45, "Error: The memory"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_situations_have_words_and_codes(
    error: Exception, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail_with(error, monkeypatch) == code
    assert capsys.readouterr().err.startswith(words)


def test_a_bug_is_short_and_leaves_its_traceback_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert fail_with(ZeroDivisionError("division by zero"), monkeypatch) == 70
    text = capsys.readouterr().err
    assert text.startswith("Error: This is a bug in vid2vid: ZeroDivisionError: division by zero\n")
    assert "Traceback" not in text
    (report,) = tmp_path.iterdir()
    assert str(report) in text
    assert "in broken" in report.read_text()
    monkeypatch.setenv("VID2VID_DEBUG", "1")
    assert fail_with(ZeroDivisionError("division by zero"), monkeypatch) == 70
    assert "Traceback" in capsys.readouterr().err


def test_errors_in_json_come_last_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail_with(DivergedError("NaN.", "Lower it."), monkeypatch, "--json") == 50
    assert json.loads(capsys.readouterr().out) == {
        "event": "error",
        "error": "DivergedError",
        "message": "NaN.",
        "hint": "Lower it.",
        "exit_code": 50,
    }


def test_control_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert fail_with(KeyboardInterrupt(), monkeypatch) == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_every_situation_has_its_own_exit_code() -> None:
    codes = [kind.exit_code for kind in Vid2VidError.__subclasses__()]
    assert len(set(codes)) == len(codes)
    assert not {0, 1, 2, 130} & set(codes)
