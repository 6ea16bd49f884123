"""Doctor reports what crashes, hangs or is missing, and lives on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vid2vid_cli.tools import doctor, doctor_checks


def pretend_python(folder: Path, line: str) -> str:
    """A program that stands in for Python and does one thing."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{line}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("line", "status", "detail"),
    [
        ("kill -SEGV $$", "failed", "crashed: SIGSEGV"),
        ("sleep 20", "failed", "no answer within 1 s"),
        ("echo 'ImportError: no libfoo' >&2; exit 1", "failed", "ImportError: no libfoo"),
        ("exit 3", "failed", "exit code 3"),
        ('echo noise; echo \'["ok", "2.9", ""]\'', "ok", "2.9"),
        ('echo \'["warning", "two copies", "pip uninstall"]\'', "warning", "two copies"),
    ],
    ids=["crash", "hang", "error", "silent", "ok", "warning"],
)
def test_a_trial_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, status: str, detail: str
) -> None:
    monkeypatch.setattr(sys, "executable", pretend_python(tmp_path, line))
    monkeypatch.setattr(doctor, "TIME_OUT", 1.0)
    check = doctor._trial("torch", "torch", "pip install torch")
    assert (check.status, check.detail) == (status, detail)
    assert check.remedy == {"failed": "pip install torch", "warning": "pip uninstall", "ok": ""}[status]


def test_the_light_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "_PROBES", {})
    monkeypatch.setattr(doctor, "_trial", lambda name, probe, remedy: doctor.Check(name, "ok", probe))
    monkeypatch.setenv("VID2VID_PLUGINS", "bad=absent_module:SPEC")
    checks = {check.name: check for check in doctor.diagnose()}
    assert {"Python", "memory", "disk", "this folder", "presets", "plugin edges", "plugin bad"} <= set(checks)
    assert checks["plugin bad"].status == "warning"
    assert checks["plugin bad"].remedy
    assert checks["presets"].status == "ok"
    assert [check.name for check in checks.values() if check.status == "failed"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["codecs", "opencv", "video", "step"])
def test_a_probe_answers(name: str) -> None:
    status, detail, _ = doctor_checks.PROBES[name]()
    assert status in ("ok", "warning")
    assert detail
