"""How soon a thread gets Python's global interpreter lock (GIL) while another one runs Python code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_INTERVAL = 5e-5
"""Seconds after which a thread must release the GIL if another one waits; Python's default is 5 ms."""


@contextmanager
def prompt_thread_switching() -> Iterator[None]:
    """For threads that call many short library functions while another thread runs Python code.

    The functions release the GIL, and after each call the thread waits for it. Detecting a face beside the imports of
    torch took 60 ms a frame in place of 17, and with short intervals takes 28.
    """
    previous = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(previous)
