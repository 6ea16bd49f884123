"""Streams that work ahead: order, bounds, errors and early ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from vid2vid_cli.core.stream import ahead


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
