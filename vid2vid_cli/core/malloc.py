"""Memory of glibc's malloc: it does not grow with the length of a video. Other C libraries are left alone."""

import ctypes
import os
import sys

ARENAS_VARIABLE, MAX_ARENAS = "MALLOC_ARENA_MAX", 2
"""Maximum number of arenas; glibc reads the variable when the process starts."""
_M_ARENA_MAX = -8


def limit_arenas() -> None:
    """Two arenas in place of eight per core, unless the user has set another number.

    Frames are allocated in one thread and freed in another. With an arena per thread, memory grows with the length of
    a video.
    """
    if ARENAS_VARIABLE not in os.environ:
        _call_libc("mallopt", _M_ARENA_MAX, MAX_ARENAS)


def release_free_memory() -> None:
    """Give the free memory of all arenas back to the system; takes about 10 ms. For the end of a phase, not per frame.

    Pages that are needed again must be mapped again.
    """
    _call_libc("malloc_trim", 0)


def _call_libc(name: str, *arguments: int) -> None:
    """Call a function of the C library if it is glibc's."""
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*arguments)
