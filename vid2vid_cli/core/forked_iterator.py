"""An iterator whose items are computed in a child process, which has a global interpreter lock (GIL) of its own."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Generic, NoReturn, TypeVar, cast

from vid2vid_cli.core.errors import WorkerLostError

Item = TypeVar("Item")
PIPE_BYTES = 1 << 20
"""Size of the pipe: the default of 64 KiB holds no picture, and both processes would wait for each other."""
END_SECONDS = 2.0
"""How long an ended child process may take before it is killed."""
NICENESS = 5
"""Of the child process: it works ahead, and the parent's threads do not wait for it while they share its cores."""
_THREADS_FOLDER = Path("/proc/self/task")


class _EndOfItems:
    """End marker in the pipe, with the exception that ended the items, if any, and its traceback."""

    def __init__(self, error: BaseException | None = None, error_traceback: str = "") -> None:
        self.error, self.error_traceback = error, error_traceback


class _ReceiverClosedError(Exception):
    """The parent process needs no more items, or has ended."""


class ChildTracebackError(Exception):
    """The cause of an exception from a child process: its text is the traceback there."""


def can_fork() -> bool:
    """Whether this process can be forked: on Linux, while it has a single thread.

    A child process has only the thread that forked it. Locks that other threads hold, such as those of thread pools,
    would never be released there.
    """
    return sys.platform == "linux" and _THREADS_FOLDER.is_dir() and len(list(_THREADS_FOLDER.iterdir())) == 1


class ForkedIterator(Generic[Item]):
    """Iterates over the items of `iterate()`, which runs in a forked child process.

    Needs `can_fork`. Items are pickled; the child process waits while the pipe is full. An exception is raised at its
    position in the order. Ctrl-C is for the parent process, which must call `close`. `name`: the process in the
    message of WorkerLostError, which is raised if the child process is killed or crashes. The constructor raises
    OSError if the system allows no further process.
    """

    def __init__(self, iterate: Callable[[], Iterable[Item]], name: str) -> None:
        self._name = name
        self._exit_code: int | None = None
        self._wait_lock = threading.Lock()
        self._receiver, sender = Pipe(duplex=False)
        _enlarge(sender)
        for stream in filter(None, (sys.stdout, sys.stderr)):  # the child process has a copy of what is buffered
            stream.flush()
        try:
            self._pid = os.fork()
        except OSError:
            self._receiver.close()
            sender.close()
            raise
        if self._pid == 0:
            self._receiver.close()
            _run_child(iterate, sender)
        sender.close()

    def __iter__(self) -> Iterator[Item]:
        """Yield the remaining items."""
        while True:
            try:
                item = self._receiver.recv()
            except (EOFError, OSError):
                raise self._lost_error() from None
            if isinstance(item, _EndOfItems):
                if item.error is not None:
                    raise item.error from ChildTracebackError(item.error_traceback)
                return
            yield cast("Item", item)

    def close(self) -> None:
        """End the child process. A thread that waits for an item gets WorkerLostError."""
        self._send_signal(signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        while self._wait(os.WNOHANG) is None:
            if time.monotonic() > deadline:
                self._send_signal(signal.SIGKILL)
            time.sleep(0.005)
        self._receiver.close()

    def _send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended: its number may belong to another one."""
        with self._wait_lock:
            if self._exit_code is None:
                os.kill(self._pid, number)

    def _wait(self, options: int) -> int | None:
        """The exit code of the child process, negative for a signal; None while it is running."""
        with self._wait_lock:
            if self._exit_code is None:
                pid, status = os.waitpid(self._pid, options)
                if pid:
                    self._exit_code = os.waitstatus_to_exitcode(status)
            return self._exit_code

    def _lost_error(self) -> WorkerLostError:
        exit_code = self._wait(0) or 0
        if exit_code >= 0:
            return WorkerLostError(f"{self._name} ended with exit code {exit_code}.", "Run the command again.")
        killed = exit_code == -signal.SIGKILL
        return WorkerLostError(
            f"{self._name} was ended by {signal.Signals(-exit_code).name}.",
            "Close other programs: the machine may have run out of memory." if killed else "Run the command again.",
        )


def _enlarge(sender: Connection) -> None:
    """Set the size of a pipe to PIPE_BYTES, if the system allows it."""
    import fcntl

    with suppress(OSError, AttributeError):
        fcntl.fcntl(sender.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _run_child(iterate: Callable[[], Iterable[Item]], sender: Connection) -> NoReturn:
    """Send the items and end the process without the clean-up of the parent, whose buffers it has copies of."""
    exit_code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.nice(NICENESS)
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        with suppress(_ReceiverClosedError):
            _send_items(iterate, sender)
        exit_code = 0
    finally:
        os._exit(exit_code)


def _send_items(iterate: Callable[[], Iterable[Item]], sender: Connection) -> None:
    try:
        for item in iterate():
            _send(sender, item)
    except _ReceiverClosedError:
        raise
    except BaseException as error:
        _send(sender, _EndOfItems(_picklable(error), "".join(traceback.format_exception(error))))
    else:
        _send(sender, _EndOfItems())


def _send(sender: Connection, item: object) -> None:
    try:
        sender.send(item)
    except BrokenPipeError:
        raise _ReceiverClosedError from None


def _picklable(error: BaseException) -> BaseException:
    """The exception itself, or one with its class name and text if it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
