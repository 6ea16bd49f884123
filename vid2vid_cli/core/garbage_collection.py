"""Python's garbage collector during imports."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_garbage_collection() -> Iterator[None]:
    """A context without garbage collection, for imports.

    They create many objects, all of which stay. Looking for unused ones again and again takes an eighth of the time in
    which torch is imported.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
