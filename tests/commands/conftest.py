"""Runs the command line in an empty folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from helpers.cli_runner import CliRunner, CommandResult

from vid2vid_cli.cli import run_command_line


@pytest.fixture
def run_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CliRunner:
    """Run `vid2vid ARGS` in this process in the empty folder `tmp_path`; `env` adds environment variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")

    def invoke(*args: str, env: dict[str, str] | None = None) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["vid2vid", *args])
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        exit_code = run_command_line(args)
        captured = capsys.readouterr()
        return CommandResult(exit_code, captured.out, captured.err)

    return invoke
