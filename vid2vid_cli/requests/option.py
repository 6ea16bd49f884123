"""Command-line metadata of request fields: `Annotated[int, Option("Number of frames.")]`.

A request is a frozen dataclass: the argument of a pipeline and, through this metadata, the options of its command.
The package uses the standard library only, so that `vid2vid --help` stays fast.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Argument:
    """A positional argument."""

    help: str
    metavar: str


@dataclass(frozen=True)
class Option:
    """An option. Its flag is the field's name (max_frames: --max-frames), unless `flags` names others."""

    help: str
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    panel: str | None = None
    """Title of the group in the help; None: the first group."""
    parse: Callable[[str], Any] | None = None
    """Converts one typed value. Raises ValueError with a message for the user."""
    collect: Callable[[Sequence[str]], Any] | None = None
    """Converts all typed values of an option that may be repeated. Raises ValueError with a message for the user."""
    min: float | None = None
    max: float | None = None
    show_default: bool | str = True
