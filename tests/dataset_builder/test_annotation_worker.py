"""Tests of the annotation worker's thread."""

from __future__ import annotations

import os
import threading

import pytest

from vid2vid_cli.dataset_builder.annotation_worker import bind_thread_to_core

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")


@needs_affinity
def test_bind_thread_to_core_affects_only_its_thread() -> None:
    cores_before = os.sched_getaffinity(0)
    thread_cores: list[set[int]] = []

    def run() -> None:
        for index in (0, 1):
            bind_thread_to_core(index)
            thread_cores.append(os.sched_getaffinity(threading.get_native_id()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert [len(cores) for cores in thread_cores] == [1, 1]
    assert thread_cores[0] <= cores_before
    assert os.sched_getaffinity(0) == cores_before


@needs_affinity
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_bind_thread_to_core_separates_workers() -> None:
    cores: list[int] = []

    def run(index: int) -> None:
        bind_thread_to_core(index)
        cores.extend(os.sched_getaffinity(threading.get_native_id()))

    for index in (0, 1):
        thread = threading.Thread(target=run, args=(index,))
        thread.start()
        thread.join()
    if len(os.sched_getaffinity(0)) > 1:
        assert len(set(cores)) == 2
