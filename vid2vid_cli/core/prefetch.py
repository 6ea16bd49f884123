"""Prefetching iterators: background threads fill a bounded queue."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Generic, TypeVar

Item = TypeVar("Item")
Key = TypeVar("Key")


class _EndOfStream:
    """End marker in the queue, with the exception that ended the source, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Prefetcher(Generic[Item]):
    """Iterates over the items of `source` in order; a background thread computes up to `depth` items in advance.

    An exception in the source is raised at its position in the order. After `close`, the thread ends at its next item
    and closes the source.
    """

    def __init__(self, source: Iterable[Item], depth: int = 4) -> None:
        self._source = source
        self._queue: queue.Queue[Item | _EndOfStream] = queue.Queue(maxsize=depth)
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._fill_queue, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        """Yield the remaining items."""
        while True:
            item = self._queue.get()
            if isinstance(item, _EndOfStream):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def close(self) -> None:
        """End the thread."""
        self._stop_event.set()
        self._thread.join(timeout=10)

    def _fill_queue(self) -> None:
        iterator = iter(self._source)
        error: BaseException | None = None
        try:
            for item in iterator:
                if not self._put(item):
                    break
        except BaseException as exception:
            error = exception
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        self._put(_EndOfStream(error))

    def _put(self, item: Item | _EndOfStream) -> bool:
        while not self._stop_event.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


def prefetch(source: Iterable[Item], depth: int = 4) -> Generator[Item, None, None]:
    """Yield the items of a `Prefetcher`, which begins with the first item and is closed with this generator."""
    with closing(Prefetcher(source, depth)) as prefetcher:
        yield from prefetcher


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
