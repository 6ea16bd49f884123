"""Silence for native libraries that greet on stderr and cannot be told not to."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.Lock()  # two that exchange the same descriptor at once would not find it again


@contextmanager
def quietly(known: Sequence[bytes]) -> Iterator[None]:
    """Hold back what native code writes to stderr, and pass on every line in which nothing of `known` occurs.

    Holds for the whole process: for the moments in which a library starts, not for its work. Threads take turns.
    """
    with _ONE_AT_A_TIME:
        try:
            sys.stderr.flush()
            before = os.dup(2)
        except (OSError, ValueError, AttributeError):  # no stderr at all
            yield
            return
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(before, 2)
                held.seek(0)
                for line in held.read().splitlines(keepends=True):
                    if not any(noise in line for noise in known):
                        os.write(before, line)
                os.close(before)
