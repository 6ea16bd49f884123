"""Who gives way: a thread and those it starts, or a whole process; nobody else."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vid2vid_cli.processes.priority import FEW, NICENESS, give_way, keep_to_one_core
from vid2vid_cli.processes.worker_process import Beside

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


def test_threads_that_take_turns_stay_on_one_core_where_there_are_few() -> None:
    every = os.sched_getaffinity(0)
    if len(every) < 2:
        pytest.skip("there is one core alone")

    def kept(cores: set[int]) -> list[set[int]]:
        """The cores of a thread that was allowed those and asks for one, and of a thread that it starts then."""
        found = list[set[int]]()

        def work() -> None:
            os.sched_setaffinity(0, cores)
            keep_to_one_core()
            child = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
            child.start()
            child.join()
            found.append(os.sched_getaffinity(0))

        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()
        return found

    some = sorted(every)
    assert kept(set(some[:2])) == [{some[0]}] * 2
    assert kept({some[1]}) == [{some[1]}] * 2
    if len(some) > FEW:
        assert kept(every) == [every] * 2
    assert os.sched_getaffinity(0) == every
