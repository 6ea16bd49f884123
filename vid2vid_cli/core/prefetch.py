"""Prefetching iterators: background threads fill a bounded queue."""

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


class _EndOfStream:
    """End marker in the queue, with the exception that ended the source, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetch(source: Iterable[Item], depth: int = 4) -> Generator[Item, None, None]:
    """Yield the items of `source` in order; a background thread computes up to `depth` items in advance.

    An exception in the source is raised at its position in the order. If the consumer closes the generator early, the
    thread ends at its next item and closes the source.
    """
    item_queue: queue.Queue[Item | _EndOfStream] = queue.Queue(maxsize=depth)
    stop_event = threading.Event()

    def put_item(item: Item | _EndOfStream) -> bool:
        while not stop_event.is_set():
            try:
                item_queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def fill_queue() -> None:
        iterator = iter(source)
        error: BaseException | None = None
        try:
            for item in iterator:
                if not put_item(item):
                    break
        except BaseException as exception:
            error = exception
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        put_item(_EndOfStream(error))

    thread = threading.Thread(target=fill_queue, daemon=True)
    thread.start()
    try:
        while True:
            item = item_queue.get()
            if isinstance(item, _EndOfStream):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stop_event.set()
        thread.join(timeout=10)


def prefetch_map(
    function: Callable[[Key], Item], keys: Iterable[Key], num_threads: int, depth: int
) -> Generator[Item, None, None]:
    """Yield `function(key)` in the order of the keys; several threads compute up to `depth` items in advance.

    `function` must depend on its key alone. Memory, exceptions and early ends are as in `prefetch`; an item that is
    being computed counts as one of `depth`.
    """
    remaining_keys = iter(keys)
    with ThreadPoolExecutor(num_threads, thread_name_prefix="prefetch") as pool:
        pending: deque[Future[Item]] = deque()
        try:
            pending.extend(pool.submit(function, key) for key in islice(remaining_keys, depth))
            while pending:
                item = pending.popleft().result()
                pending.extend(pool.submit(function, key) for key in islice(remaining_keys, 1))
                yield item
        finally:
            for future in pending:
                future.cancel()
