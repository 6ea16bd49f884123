"""Streams that work ahead: an iterator drawn by a thread of its own into a small queue."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Key = TypeVar("Key")


class _End:
    """What the thread leaves behind when its source ends, with the exception that ended it, if one did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(source: Iterable[Item], depth: int = 4) -> Generator[Item, None, None]:
    """The same items in the same order, drawn up to `depth` items early by a background thread.

    Memory stays bounded by `depth`. An exception in the source is raised here, at its place in the order. If the
    consumer stops early (closes the generator), the thread ends at its next item and closes the source.
    """
    line: queue.Queue[Item | _End] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item: Item | _End) -> bool:
        while not stopped.is_set():
            try:
                line.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        iterator = iter(source)
        error: BaseException | None = None
        try:
            for item in iterator:
                if not put(item):
                    break
        except BaseException as caught:
            error = caught
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        put(_End(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item = line.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        thread.join(timeout=10)


def ahead_by_threads(
    function: Callable[[Key], Item], keys: Iterable[Key], threads: int, depth: int
) -> Generator[Item, None, None]:
    """`function` of each key, in the order of the keys, computed up to `depth` items early by several threads.

    For a function whose answer depends on its key alone. Memory, exceptions and early ends are as with `ahead`: an
    item that is being computed counts as one of `depth`.
    """
    following = iter(keys)
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        waiting: deque[Future[Item]] = deque()
        try:
            waiting.extend(pool.submit(function, key) for key in islice(following, depth))
            while waiting:
                item = waiting.popleft().result()
                waiting.extend(pool.submit(function, key) for key in islice(following, 1))
                yield item
        finally:
            for future in waiting:
                future.cancel()
