"""A setting of glibc's malloc, so that memory does not grow with the length of a video. Other C libraries have none."""

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
    if ARENAS_VARIABLE in os.environ or sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:  # the C library is glibc
        set_option(_M_ARENA_MAX, MAX_ARENAS)
