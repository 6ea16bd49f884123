"""Settings of glibc's malloc, so that memory does not grow with the length of a video. Other C libraries have none."""

import ctypes
import os
import sys

ARENAS_VARIABLE, MAX_ARENAS = "MALLOC_ARENA_MAX", 2
"""Maximum number of arenas; glibc reads the variable when the process starts."""
THRESHOLD_VARIABLE, MMAP_THRESHOLD, TRIM_THRESHOLD = "MALLOC_MMAP_THRESHOLD_", 1 << 21, 1 << 26
"""Bytes from which a block is mapped by itself, and free bytes at the end of the heap that are given back."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def limit_arenas() -> None:
    """Two arenas in place of eight per core, unless the user has set another number.

    Frames are allocated in one thread and freed in another. With an arena per thread, memory grows with the length of
    a video.
    """
    if ARENAS_VARIABLE not in os.environ:
        _call_libc("mallopt", _M_ARENA_MAX, MAX_ARENAS)


def unmap_large_blocks() -> None:
    """Give blocks of 2 MiB and more back to the system when they are freed, unless the user has set another size.

    By default, freeing a block raises the size from which the next ones are mapped. Reference frames, and what is
    computed of them, are then fragments of the heap. Not for training, which allocates many large blocks per step.
    """
    if THRESHOLD_VARIABLE not in os.environ:
        _call_libc("mallopt", _M_MMAP_THRESHOLD, MMAP_THRESHOLD)
        _call_libc("mallopt", _M_TRIM_THRESHOLD, TRIM_THRESHOLD)


def release_free_memory() -> None:
    """Give the free memory of all arenas back to the system; takes about 4 ms per GB in use.

    The heap grows to the largest sum of what all threads have held at different times, if it is never given back.
    """
    _call_libc("malloc_trim", 0)


def _call_libc(name: str, *arguments: int) -> None:
    """Call a function of the C library if it is glibc's."""
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*arguments)
