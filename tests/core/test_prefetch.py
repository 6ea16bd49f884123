"""Prefetching iterators: order, bounds, errors and early ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from vid2vid_cli.core.prefetch import Prefetcher, prefetch, prefetch_map


def test_prefetch_keeps_order() -> None:
    assert list(prefetch(range(100), depth=3)) == list(range(100))
    assert list(prefetch([])) == []


def test_prefetch_depth_is_bounded() -> None:
    produced: list[int] = []

    def source() -> Iterator[int]:
        for index in range(1000):
            produced.append(index)
            yield index

    stream = prefetch(source(), depth=3)
    assert next(stream) == 0
    time.sleep(0.2)
    assert 4 <= len(produced) <= 5
    stream.close()


def test_prefetch_raises_error_at_its_position() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise ZeroDivisionError("message")

    items: list[int] = []
    with pytest.raises(ZeroDivisionError, match="message"):
        items.extend(prefetch(source()))
    stream = prefetch(source())
    assert (next(stream), next(stream)) == (1, 2)
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_closing_prefetch_closes_source_and_thread() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    stream = prefetch(source(), depth=1)
    next(stream)
    stream.close()
    assert closed.wait(5)
    assert threading.active_count() == before


def test_prefetcher_begins_before_it_is_read() -> None:
    is_computed = threading.Event()

    def source() -> Iterator[int]:
        is_computed.set()
        yield 1

    prefetcher = Prefetcher(source())
    assert is_computed.wait(5)
    assert list(prefetcher) == [1]
    prefetcher.close()


def test_prefetch_map_keeps_order() -> None:
    """Even keys finish after the next odd key."""
    odd_started = threading.Event()

    def double(key: int) -> int:
        if key % 2:
            odd_started.set()
        else:
            assert odd_started.wait(5)
            odd_started.clear()
        return 2 * key

    assert list(prefetch_map(double, range(10), num_threads=2, depth=2)) == list(range(0, 20, 2))
    assert list(prefetch_map(double, [], num_threads=2, depth=3)) == []


def test_prefetch_map_depth_is_bounded() -> None:
    requested_keys: list[int] = []

    def keys() -> Iterator[int]:
        for key in range(1000):
            requested_keys.append(key)
            yield key

    stream = prefetch_map(lambda key: key, keys(), num_threads=2, depth=3)
    for count in range(5):
        assert next(stream) == count
        assert requested_keys == list(range(count + 4))
    stream.close()


def test_prefetch_map_raises_error_at_its_position() -> None:
    stream = prefetch_map(lambda key: 6 // key, [3, 2, 0, 1], num_threads=2, depth=4)
    assert (next(stream), next(stream)) == (2, 3)
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert list(stream) == []


def test_closing_prefetch_map_ends_threads() -> None:
    before, release, started_keys = threading.active_count(), threading.Event(), []

    def work(key: int) -> int:
        started_keys.append(key)
        assert key == 0 or release.wait(5)
        return key

    stream = prefetch_map(work, range(100), num_threads=1, depth=4)
    assert next(stream) == 0
    threading.Timer(0.1, release.set).start()
    stream.close()  # waits for the running call
    assert started_keys in ([0], [0, 1])
    release.wait(5)
    assert threading.active_count() <= before + 1  # the timer
