"""Who gives way: a thread and those it starts, or a whole process; nobody else."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vid2vid_cli.core.beside import Beside
from vid2vid_cli.core.priority import NICENESS, give_way

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere niceness is not a thread's own")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_a_thread_gives_way_with_those_it_starts() -> None:
    before, found = niceness(), list[int]()

    def work() -> None:
        give_way()
        child = threading.Thread(target=lambda: found.append(niceness()))
        child.start()
        child.join()
        found.append(niceness())

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
        assert found == [max(before, NICENESS)] * 2
    assert niceness() == before


def test_the_second_process_gives_way() -> None:
    with Beside() as beside:
        assert {beside.call(niceness).result(60) for _ in range(4)} == {NICENESS}
