"""`doctor` reports checks that crash, hang or fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vid2vid_cli.tools import doctor, doctor_checks
from vid2vid_cli.tools.doctor_checks import describe_bf16_speed


def write_fake_python(folder: Path, shell_command: str) -> str:
    """Write an executable that replaces Python and runs `shell_command`."""
    executable = folder / "python"
    executable.write_text(f"#!/bin/sh\n{shell_command}\n")
    executable.chmod(0o755)
    return str(executable)


@pytest.mark.parametrize(
    ("shell_command", "status", "detail"),
    [
        ("kill -SEGV $$", "failed", "SIGSEGV"),
        ("sleep 20", "failed", "1 s"),
        ("echo 'ImportError: no libfoo' >&2; exit 1", "failed", "ImportError: no libfoo"),
        ("exit 3", "failed", "exit code 3"),
        ('echo noise; echo \'["ok", "2.9", ""]\'', "ok", "2.9"),
        ('echo \'["warning", "two copies", "pip uninstall"]\'', "warning", "two copies"),
    ],
    ids=["crash", "hang", "error", "silent", "ok", "warning"],
)
def test_run_subprocess_check_reports_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell_command: str, status: str, detail: str
) -> None:
    monkeypatch.setattr(sys, "executable", write_fake_python(tmp_path, shell_command))
    monkeypatch.setattr(doctor, "CHECK_TIMEOUT_SECONDS", 1.0)
    (check,) = doctor._run_subprocess_checks({"torch": ("torch", "pip install torch")})
    assert check.status == status
    assert detail in check.detail
    assert check.remedy == {"failed": "pip install torch", "warning": "pip uninstall", "ok": ""}[status]


def test_run_checks_without_subprocesses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "_run_subprocess_checks", lambda checks: [])
    monkeypatch.setenv("VID2VID_PLUGINS", "bad=absent_module:SPEC")
    checks = {check.name: check for check in doctor.run_checks()}
    assert {"Python", "memory", "disk", "current folder", "presets", "plugin edges", "plugin bad"} <= set(checks)
    assert checks["plugin bad"].status == "warning"
    assert checks["plugin bad"].remedy
    assert checks["presets"].status == "ok"
    assert [check.name for check in checks.values() if check.status == "failed"] == []
    assert list(tmp_path.iterdir()) == []


def test_run_subprocess_checks_import_nothing_from_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("av", "json", "tempfile"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('code of the working folder was executed')")
    (check,) = doctor._run_subprocess_checks({"codecs": ("codecs", "")})
    assert check.status == "ok", check.detail


@pytest.mark.parametrize("name", ["codecs", "opencv", "video", "training_step"])
def test_checks_return_status_and_detail(name: str) -> None:
    status, detail, _ = doctor_checks.CHECKS[name]()
    assert status in ("ok", "warning")
    assert detail


@pytest.mark.parametrize(
    ("fp32_seconds", "bf16_seconds", "numbers"),
    [(1.0, 0.4, "2.5 times as fast in bf16"), (0.4, 1.0, "2.5 times as fast in fp32"), (1.0, 80.0, "80 times")],
)
def test_describe_bf16_speed_gives_a_factor_of_at_least_one(
    fp32_seconds: float, bf16_seconds: float, numbers: str
) -> None:
    assert numbers in describe_bf16_speed("cpu", fp32_seconds, bf16_seconds)
