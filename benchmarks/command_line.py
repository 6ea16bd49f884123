"""What the command lines of several benchmarks share: names to choose from, folder of results, progress, errors."""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from vid2vid_cli.core.errors import Vid2VidError


def parse_names(parser: argparse.ArgumentParser, kind: str, text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The names in an option, which semicolons separate; an unknown one ends the program with those that are known.

    `kind`: what they name, in the plural.
    """
    names = tuple(text.split(";"))
    if unknown := sorted(set(names) - set(known)):
        parser.error(f"unknown {kind}: {'; '.join(unknown)}; known: {'; '.join(known)}")
    return names


def positive_int(text: str) -> int:
    """The value of an option that counts something. Raises argparse.ArgumentTypeError."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def positive_float(text: str) -> float:
    """The value of an option that is a duration or a strength. Raises argparse.ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def print_tables(out: Path | None, measure: Callable[[Path], Iterable[str]]) -> int:
    """Print the tables that `measure` yields and return the exit code; an error is one line.

    `measure` gets the folder `out`, or a temporary one.
    """
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = out if out is not None else Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            for table in measure(folder):
                print(table)
    except Vid2VidError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def log_progress(text: str) -> None:
    """Print a line about the progress."""
    print(text, file=sys.stderr)


def copy_last_sheet(run: Path, path: Path) -> None:
    """Copy the last sample sheet of a run folder."""
    shutil.copy(sorted((run / "samples").glob("*.png"))[-1], path)
