"""Filter for messages that native libraries print to stderr at start-up and that have no switch."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_STDERR_LOCK = threading.Lock()  # nested redirections of the same descriptor would restore the wrong one


@contextmanager
def suppress_stderr(ignored_substrings: Sequence[bytes]) -> Iterator[None]:
    """Capture the process's stderr and, on exit, print the lines that contain none of `ignored_substrings`.

    The redirection affects the whole process: use it only while a library starts. Concurrent uses are serialised.
    """
    with _STDERR_LOCK:
        try:
            sys.stderr.flush()
            stderr_copy = os.dup(2)
        except (OSError, ValueError, AttributeError):  # the process has no stderr
            yield
            return
        with tempfile.TemporaryFile() as captured:
            os.dup2(captured.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(stderr_copy, 2)
                captured.seek(0)
                for line in captured.read().splitlines(keepends=True):
                    if not any(substring in line for substring in ignored_substrings):
                        os.write(stderr_copy, line)
                os.close(stderr_copy)
