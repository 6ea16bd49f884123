"""Settings of the Python interpreter while large packages are imported."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_INTERVAL = 5e-5
"""Seconds after which a thread releases the global interpreter lock (GIL) if another one waits; by default 5 ms."""


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


@contextmanager
def paused_garbage_collection() -> Iterator[None]:
    """A context without garbage collection, for imports.

    They create many objects, and all of them are kept. Looking for unused ones takes an eighth of the time to import
    torch.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
