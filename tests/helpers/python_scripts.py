"""Scripts in a fresh interpreter, whose process has one thread and can be forked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_TESTS_FOLDER = Path(__file__).resolve().parents[1]


def run_script(script: str, *, folder: Path | None = None, **variables: str) -> str:
    """The output of a script, whose assertions must hold. `variables`: of its environment."""
    search_path = os.pathsep.join([str(_TESTS_FOLDER), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": search_path, "OPENBLAS_NUM_THREADS": "1", **variables}
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout
