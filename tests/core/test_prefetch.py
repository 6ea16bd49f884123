"""Streams that work ahead: order, bounds, errors and early ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from vid2vid_cli.core.prefetch import ahead, ahead_by_threads


def test_order_is_kept_and_the_end_is_an_end() -> None:
    assert list(ahead(range(100), depth=3)) == list(range(100))
    assert list(ahead([])) == []


def test_it_runs_ahead_but_not_far() -> None:
    drawn: list[int] = []

    def source() -> Iterator[int]:
        for index in range(1000):
            drawn.append(index)
            yield index

    stream = ahead(source(), depth=3)
    assert next(stream) == 0
    time.sleep(0.2)
    assert 4 <= len(drawn) <= 5
    stream.close()


def test_an_error_comes_in_its_place() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise ZeroDivisionError("here")

    got: list[int] = []
    with pytest.raises(ZeroDivisionError, match="here"):
        got.extend(ahead(source()))
    stream = ahead(source())
    assert (next(stream), next(stream)) == (1, 2)
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_closing_early_closes_the_source_and_ends_the_thread() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    stream = ahead(source(), depth=1)
    next(stream)
    stream.close()
    assert closed.wait(5)
    assert threading.active_count() == before


def test_threads_keep_the_order() -> None:
    """Whichever is done first: the even ones wait until an odd one is."""
    odd = threading.Event()

    def twice(key: int) -> int:
        if key % 2:
            odd.set()
        else:
            assert odd.wait(5)
            odd.clear()
        return 2 * key

    assert list(ahead_by_threads(twice, range(10), threads=2, depth=2)) == list(range(0, 20, 2))
    assert list(ahead_by_threads(twice, [], threads=2, depth=3)) == []


def test_threads_run_ahead_but_not_far() -> None:
    taken: list[int] = []

    def keys() -> Iterator[int]:
        for key in range(1000):
            taken.append(key)
            yield key

    stream = ahead_by_threads(lambda key: key, keys(), threads=2, depth=3)
    for count in range(5):
        assert next(stream) == count
        assert taken == list(range(count + 4))
    stream.close()


def test_an_error_of_a_thread_comes_in_its_place() -> None:
    stream = ahead_by_threads(lambda key: 6 // key, [3, 2, 0, 1], threads=2, depth=4)
    assert (next(stream), next(stream)) == (2, 3)
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert list(stream) == []


def test_closing_early_ends_the_threads_and_begins_nothing_more() -> None:
    before, go, begun = threading.active_count(), threading.Event(), []

    def work(key: int) -> int:
        begun.append(key)
        assert key == 0 or go.wait(5)
        return key

    stream = ahead_by_threads(work, range(100), threads=1, depth=4)
    assert next(stream) == 0
    threading.Timer(0.1, go.set).start()
    stream.close()  # waits for what was begun
    assert begun in ([0], [0, 1])
    go.wait(5)
    assert threading.active_count() <= before + 1  # the timer's
