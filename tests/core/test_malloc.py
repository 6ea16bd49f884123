"""Memory of glibc's malloc, in processes of their own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from vid2vid_cli.core.malloc import ARENAS_VARIABLE, MAX_ARENAS, limit_arenas, release_free_memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc's malloc")
COUNT_ARENAS = """
import ctypes, threading
from vid2vid_cli.core.malloc import limit_arenas
limit_arenas()
barrier = threading.Barrier(6)
def allocate():
    blocks = [bytes(4096) for _ in range(100)]
    barrier.wait()
threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""
RESIDENT_AFTER_FREE = """
import ctypes, os
from vid2vid_cli.core.malloc import release_free_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
blocks = [libc.malloc(100_000) for _ in range(1000)]
for block in blocks: ctypes.memset(block, 1, 100_000)
for block in blocks[:-1]: libc.free(block)  # the last one keeps the heap at its size
before = resident()
release_free_memory()
print(before - resident())
"""


def run(code: str, **variables: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != ARENAS_VARIABLE} | variables
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


@pytest.mark.parametrize("user_setting", [None, "5"])
def test_threads_share_two_arenas(user_setting: str | None) -> None:
    variables = {} if user_setting is None else {ARENAS_VARIABLE: user_setting}
    assert run(COUNT_ARENAS, **variables).count("<heap nr=") == (MAX_ARENAS if user_setting is None else 5)


def test_free_memory_below_a_used_block_is_released() -> None:
    assert int(run(RESIDENT_AFTER_FREE)) > 90_000_000


def test_nothing_is_called_on_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ARENAS_VARIABLE, raising=False)
    monkeypatch.setattr("vid2vid_cli.core.malloc.sys.platform", "darwin")
    monkeypatch.setattr("vid2vid_cli.core.malloc.ctypes.CDLL", None)
    limit_arenas()
    release_free_memory()
