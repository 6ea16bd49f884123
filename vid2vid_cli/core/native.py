"""Native libraries that talk: what they write to stderr by themselves, held back unless it is news."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.Lock()  # two that exchange the same descriptor at once would not find it again


@contextmanager
def hold_back(noise: Sequence[bytes]) -> Iterator[None]:
    """Within it, lines on stderr that contain one of `noise` vanish; all others are passed on at its end.

    For the start of libraries that no variable or flag silences. The whole process is held, all threads: keep it
    short. Several threads wait for each other.
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
                    if not any(word in line for word in noise):
                        os.write(before, line)
                os.close(before)
