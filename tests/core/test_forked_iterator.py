"""Items from a child process. Each script runs in a fresh interpreter: only a process with one thread can be forked."""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest
from helpers.python_scripts import run_script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
_IMPORTS = """
import os, signal, sys, threading, time
from vid2vid_cli.core.errors import ConfigError, WorkerLostError
from vid2vid_cli.core.forked_iterator import ChildTracebackError, ForkedIterator, can_fork

def has_ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
"""


def run(script: str) -> str:
    """The output of a script after the imports."""
    return run_script(_IMPORTS + dedent(script))


def test_forked_iterator_yields_items_of_another_process_in_order() -> None:
    run(
        """
        assert can_fork()
        process = ForkedIterator(lambda: ((os.getpid(), index, bytes(100_000)) for index in range(200)), "x")
        items = list(process)
        process.close()
        assert [index for _, index, _ in items] == list(range(200))
        assert {len(data) for _, _, data in items} == {100_000}
        assert os.getpid() not in {pid for pid, _, _ in items}
        """
    )


def test_forked_iterator_raises_error_at_its_position_with_the_traceback_of_the_child() -> None:
    run(
        """
        def failing_items():
            yield 1
            raise ConfigError("what is wrong", "what to do")

        items, process = [], ForkedIterator(failing_items, "x")
        try:
            items.extend(process)
        except ConfigError as error:
            assert (error.message, error.hint, error.exit_code) == ("what is wrong", "what to do", 21)
            assert isinstance(error.__cause__, ChildTracebackError) and "failing_items" in str(error.__cause__)
        else:
            raise AssertionError
        process.close()
        """
    )


def test_forked_iterator_describes_errors_that_cannot_be_pickled() -> None:
    run(
        """
        def failing_items():
            class LocalError(Exception):
                pass
            raise LocalError("what is wrong")
            yield

        process = ForkedIterator(failing_items, "x")
        try:
            list(process)
        except RuntimeError as error:
            assert str(error) == "LocalError: what is wrong"
        else:
            raise AssertionError
        process.close()
        """
    )


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "The process was ended by SIGKILL. | memory"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "The process was ended by SIGSEGV. | again"),
        ("os._exit(3)", "The process ended with exit code 3. | again"),
    ],
)
def test_forked_iterator_reports_a_lost_process(ending: str, message: str) -> None:
    output = run(
        f"""
        def ending_items():
            yield 1
            {ending}

        items, process = [], ForkedIterator(ending_items, "The process")
        try:
            items.extend(process)
        except WorkerLostError as error:
            print(error.message, "|", error.hint)
        assert items == [1]
        process.close()
        """
    )
    text, hint = message.split(" | ")
    assert output.startswith(text)
    assert hint in output


def test_closing_ends_the_child_process_and_the_thread_that_waits_for_it() -> None:
    run(
        """
        def endless_items():
            yield os.getpid()
            time.sleep(1000)

        process = ForkedIterator(endless_items, "x")
        items = iter(process)
        pid = next(items)

        def wait_for_item():
            try:
                next(items)
            except WorkerLostError:
                pass

        thread = threading.Thread(target=wait_for_item)
        thread.start()
        time.sleep(0.1)
        start = time.monotonic()
        process.close()
        process.close()
        thread.join(timeout=10)
        assert not thread.is_alive() and time.monotonic() - start < 5
        assert has_ended(pid)
        """
    )


def test_a_child_process_that_ignores_the_request_is_killed() -> None:
    run(
        """
        def stubborn_items():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            yield os.getpid()
            time.sleep(1000)

        process = ForkedIterator(stubborn_items, "x")
        pid = next(iter(process))
        process.close()
        assert has_ended(pid)
        """
    )


def test_the_child_process_ignores_ctrl_c_and_ends_after_its_parent() -> None:
    """Ctrl-C reaches both; the parent then closes the iterator. A parent that is killed closes the pipe."""
    output = run(
        """
        def endless_items():
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                yield os.getpid()

        pid = os.fork()
        if pid == 0:
            print(next(iter(ForkedIterator(endless_items, "x"))), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        """
    )
    run(
        f"""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                state = open("/proc/{int(output)}/stat").read().rpartition(")")[2].split()[0]
            except FileNotFoundError:
                break
            if state == "Z":  # ended; whoever adopted it has not waited for it
                break
            time.sleep(0.01)
        else:
            raise AssertionError("the child process is still running")
        """
    )


def test_the_child_process_has_a_lower_priority() -> None:
    output = run(
        """
        print(os.nice(0), next(iter(ForkedIterator(lambda: [os.nice(0)], "x"))))
        """
    )
    parent, child = map(int, output.split())
    assert child == min(parent + 5, 19)


def test_forked_iterator_computes_few_items_in_advance() -> None:
    run(
        """
        import tempfile
        with tempfile.NamedTemporaryFile() as log:
            def logged_items():
                for index in range(1000):
                    os.write(log.fileno(), b".")
                    yield bytes(400_000)

            process = ForkedIterator(logged_items, "x")
            next(iter(process))
            time.sleep(0.3)
            num_computed = os.stat(log.name).st_size
            process.close()
        assert num_computed <= 5, num_computed
        """
    )


def test_a_process_with_several_threads_cannot_be_forked() -> None:
    run(
        """
        event = threading.Event()
        thread = threading.Thread(target=event.wait)
        thread.start()
        assert not can_fork()
        event.set()
        thread.join()
        deadline = time.monotonic() + 60
        while not can_fork():  # the system removes the thread a little later
            assert time.monotonic() < deadline
        """
    )
