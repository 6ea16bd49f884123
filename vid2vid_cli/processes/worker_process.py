"""A second process for what need not be done in this one.

A detector may hold Python's lock for as long as it looks at a frame; whatever else runs in its process then waits.
The second process is a fresh interpreter that is told what to call through a pipe, so that nothing of the program that
started it is run again. It reads until the pipe ends, and the pipe ends with this process, however that ends.
"""

from __future__ import annotations

import itertools
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, TypeVar

from vid2vid_cli.core.errors import PluginError, Vid2VidError
from vid2vid_cli.processes.messages import read_message, write_message
from vid2vid_cli.processes.priority import give_way, give_way_as_session

Result = TypeVar("Result")

THREADS = 2
"""Of the second process, for what may be done in any order."""
ANY = 0
"""The line of what may be done in any order."""
BOOT = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
BOOT += "import vid2vid_cli.processes.worker_process as b; b.serve()"
APART = 0x200 | 0x4000
"""Windows' words for a process that Ctrl-C does not reach (CREATE_NEW_PROCESS_GROUP) and that lets others go first
(BELOW_NORMAL_PRIORITY_CLASS)."""
PIPE = 1 << 20
"""Bytes that the pipe to it holds, where the system allows it: a frame goes through in one piece."""
PATIENCE = 10.0
"""Seconds that it is given to end."""


class Beside:
    """The second process while the `with` lasts; after it nothing is done there any more.

    Functions, arguments and results are pickled, errors with them. What is asked for waits in memory until the other
    side takes it: whoever asks bounds how much that is. Where no process can be started, it is never `ready`.
    """

    def __init__(self) -> None:
        self._numbers, self._lines = itertools.count(), itertools.count(ANY + 1)
        self._waiting: dict[int, Future[Any]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._threads: list[threading.Thread] = []
        self._ended = False
        self._lock = threading.Lock()
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __enter__(self) -> Beside:
        try:
            self._process = _start()
        except OSError:
            self._ended = True
        else:
            pipes = ((self._send, self._process.stdin), (self._receive, self._process.stdout))
            self._threads = [threading.Thread(target=work, args=(pipe,), daemon=True) for work, pipe in pipes]
        for thread in self._threads:
            thread.start()
        self._first = self.call(_nothing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._outgoing.put(None)
        if self._process is None:
            return
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(PATIENCE)

    @property
    def ready(self) -> bool:
        """Whether it has come up and can be of use."""
        return self._first.done() and not self._ended

    def call(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Have `function`, which must be importable, called with these; in any order."""
        return self._ask(ANY, function, *arguments)

    def keep(self, make: Callable[..., Any], *arguments: Any) -> Kept:
        """Have an object made there, to call its methods. Raises what pickling raises."""
        line = next(self._lines)
        recipe = pickle.dumps((make, arguments), protocol=5)  # taken apart there, where an error has a place to go
        return Kept(self._ask(line, _made, recipe), lambda name, values: self._ask(line, name, *values))

    def _ask(self, line: int, what: Callable[..., Any] | str, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            number = next(self._numbers)
            if self._ended:
                future.set_exception(_gone())
                return future
            self._waiting[number] = future
        self._outgoing.put((number, line, what, arguments))
        return future

    def _send(self, pipe: BinaryIO) -> None:
        give_way()
        with suppress(OSError, ValueError), pipe:  # a broken one is seen by `_receive`
            pickle.dump(sys.path, pipe)
            for message in iter(self._outgoing.get, None):
                write_message(pipe, message)

    def _receive(self, pipe: BinaryIO) -> None:
        with pipe, suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                number, error, value = pickle.load(pipe)
                future = self._waiting.pop(number)
                if error is None:
                    future.set_result(value)
                else:
                    future.set_exception(error)
        with self._lock:
            self._ended = True
            left = [self._waiting.pop(number) for number in list(self._waiting)]
        for future in left:
            future.set_exception(_gone())


class Kept:
    """An object in the second process; its methods are called one after the other, in the order they were asked for."""

    def __init__(self, made: Future[None], ask: Callable[[str, tuple[Any, ...]], Future[Any]]) -> None:
        self.made = made
        """Done once the object is there, or with what went wrong."""
        self._ask = ask

    def call(self, name: str, *arguments: Any) -> Future[Any]:
        """Have the method of that name called with these."""
        return self._ask(name, arguments)


def _start() -> subprocess.Popen[bytes]:
    if not sys.executable:  # Python inside another program
        raise FileNotFoundError
    process = subprocess.Popen(
        [sys.executable, "-c", BOOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=sys.platform != "win32",  # Ctrl-C is for this process alone
        creationflags=APART if sys.platform == "win32" else 0,
    )
    if sys.platform == "linux" and process.stdin is not None:
        import fcntl

        with suppress(OSError):  # a user's pipes may hold so much together, and no more
            fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, PIPE)
    return process


def _gone() -> Vid2VidError:
    return Vid2VidError(
        "The process that writes pictures has ended before its time; perhaps memory ran out.",
        "Give the same command again: it continues where it was.",
    )


# From here on: the second process.


def serve() -> None:
    """Do what comes through standard input, answer on standard output, and end with the input, at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    give_way_as_session()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    lock = threading.Lock()

    def answer(number: int, error: BaseException | None, value: Any) -> None:
        with lock, suppress(OSError):
            answers.write(_packed(number, error, value))
            answers.flush()

    try:
        _serve(sys.stdin.buffer, answer)
    finally:
        os._exit(0)  # whoever might want the rest is gone


def _serve(requests: BinaryIO, answer: Callable[[int, BaseException | None, Any], None]) -> None:
    lines = {ANY: ThreadPoolExecutor(THREADS)}
    objects: dict[int, Any] = {}

    def work(number: int, line: int, what: Callable[..., Any] | str, arguments: tuple[Any, ...]) -> None:
        try:
            if what is _made:
                objects[line], value = _made(*arguments), None
            else:
                value = getattr(objects[line], what)(*arguments) if isinstance(what, str) else what(*arguments)
        except BaseException as error:
            answer(number, error, None)
        else:
            answer(number, None, value)

    while True:
        try:
            number, line, what, arguments = read_message(requests)
        except EOFError:
            return
        if line not in lines:
            lines[line] = ThreadPoolExecutor(1)
        lines[line].submit(work, number, line, what, arguments)


def _packed(number: int, error: BaseException | None, value: Any) -> bytes:
    try:
        packed = pickle.dumps((number, error, value), protocol=5)
        pickle.loads(packed)  # some errors can be taken apart and not put together again
    except Exception:
        packed = pickle.dumps((number, PluginError(f"{type(error).__name__}: {error}"), None), protocol=5)
    return packed


def _made(recipe: bytes) -> Any:
    make, arguments = pickle.loads(recipe)
    return make(*arguments)


def _nothing() -> None:
    """What the first call does: once it is answered, the process is there."""
