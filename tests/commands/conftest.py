"""Running the command line as a user does, in an empty folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from helpers.cli_runner import Done, Vid2Vid

from vid2vid_cli.cli import run


@pytest.fixture
def vid2vid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Vid2Vid:
    """`vid2vid(*words)` in the empty folder `tmp_path`, in this process; extra environment as `env`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")

    def command(*words: str, env: dict[str, str] | None = None) -> Done:
        monkeypatch.setattr(sys, "argv", ["vid2vid", *words])
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = run(words)
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return command
