"""Peak memory of a command.

    python peak.py COMMAND [ARGUMENT ...]

Runs the command and prints one line of JSON: its peak resident memory in MiB, its seconds and its exit code. It is a
separate program with few imports because Linux counts the memory of a process before `exec`: the child of a large
process would be reported as large as its parent.
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


class PeakMemory(NamedTuple):
    """Resources of one command."""

    mebibytes: float
    seconds: float
    output: tuple[str, ...]
    """Lines of its standard output."""


def measure_peak(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> PeakMemory:
    """Run a command. Raises RuntimeError with the end of its standard error if it fails."""
    process = subprocess.run(
        [sys.executable, "-S", str(Path(__file__).resolve()), *command],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    lines = process.stdout.splitlines()
    if process.returncode or not lines:
        raise RuntimeError(f"{' '.join(command)} failed:\n{process.stderr[-2000:]}")
    report = json.loads(lines[-1])
    return PeakMemory(report["mebibytes"], report["seconds"], tuple(lines[:-1]))


def main(command: Sequence[str]) -> int:
    """Run the command and print its peak."""
    start = time.monotonic()
    child = os.posix_spawnp(command[0], list(command), os.environ)
    _, status, usage = os.wait4(child, 0)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # macOS counts bytes, Linux kibibytes
    print(json.dumps({"mebibytes": usage.ru_maxrss / unit, "seconds": time.monotonic() - start}), flush=True)
    return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
