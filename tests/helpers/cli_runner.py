"""What a command line leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class CommandResult:
    """Exit code, stdout, stderr."""

    exit_code: int
    stdout: str
    stderr: str


CliRunner = Callable[..., CommandResult]
