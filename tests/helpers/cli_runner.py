"""What a command line leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Done:
    """Exit code, stdout, stderr."""

    code: int
    out: str
    err: str


Vid2Vid = Callable[..., Done]
