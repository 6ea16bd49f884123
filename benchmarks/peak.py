"""How much memory a command needs at most.

    python peak.py COMMAND [ARGUMENT ...]

Runs the command and prints one line of JSON: its peak resident memory in MiB, its seconds and its exit code. This is a
program of its own, and imports next to nothing, because Linux counts what a process held before it became another
program: a child of a large process would seem as large as its parent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Peak(NamedTuple):
    """What a command took."""

    mebibytes: float
    seconds: float
    said: tuple[str, ...]
    """The lines it printed."""


def peak_of(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Peak:
    """Run a command; raises RuntimeError with the end of what it said where it fails."""
    ran = subprocess.run(
        [sys.executable, "-S", str(Path(__file__).resolve()), *command],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    lines = ran.stdout.splitlines()
    if ran.returncode or not lines:
        raise RuntimeError(f"{' '.join(command)} failed:\n{ran.stderr[-2000:]}")
    found = json.loads(lines[-1])
    return Peak(found["mebibytes"], found["seconds"], tuple(lines[:-1]))


def main(command: Sequence[str]) -> int:
    """Run the command and print its peak."""
    began = time.monotonic()
    child = os.posix_spawnp(command[0], list(command), os.environ)
    _, status, usage = os.wait4(child, 0)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # macOS counts bytes, Linux kibibytes
    print(json.dumps({"mebibytes": usage.ru_maxrss / unit, "seconds": time.monotonic() - began}), flush=True)
    return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
