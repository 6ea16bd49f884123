"""Starts Python processes that import no modules from the working folder.

`python -c` and `python -m` put the working folder first on `sys.path`, so that a file such as `torch.py` beside a video
would be executed. `-P` and PYTHONSAFEPATH, which prevent this, exist only from Python 3.11. The processes here set
`sys.path` themselves before their first import.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vid2vid_cli.core.search_path import safe_search_path

PACKAGE_NAME = __name__.partition(".")[0]
PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])
_PREPARE_IMPORTS = """\
import sys
sys.path[:] = {search_path!r}
import importlib, runpy
sys.path.insert(0, {package_root!r})
import {package_name}
del sys.path[0]
"""
"""The package may lie in the working folder (a checkout), which is on `sys.path` only while the package is imported. It
finds its own modules without `sys.path`."""


def code_command(code: str, *arguments: str) -> list[str]:
    """The command that runs `code` in a new interpreter with the search path and the package of this process."""
    preparation = _PREPARE_IMPORTS.format(
        search_path=safe_search_path(), package_root=PACKAGE_ROOT, package_name=PACKAGE_NAME
    )
    return [sys.executable, "-u", "-c", preparation + code, *arguments]


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module as `python -m` does, with the search path and the package of this process."""
    return code_command(f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)", *arguments)


@contextmanager
def start_process(command: Sequence[str], stderr: IO[str] | int) -> Iterator[subprocess.Popen[str]]:
    """A process with its text output in a pipe. It is killed if it still runs at the end of the context."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
