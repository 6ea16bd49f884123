"""Deferred Ctrl-C: the first signal sets a flag, the second one raises."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from vid2vid_cli.training.interrupt import Interrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_defers_first_signal_and_raises_on_second(number: int) -> None:
    before = signal.getsignal(number)
    with Interrupt() as interrupt:
        interrupt.raise_if_requested()
        assert not interrupt.is_requested
        os.kill(os.getpid(), number)
        assert interrupt.is_requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            interrupt.raise_if_requested()
    assert signal.getsignal(number) is before


def test_interrupt_reports_request_although_main_thread_holds_a_lock() -> None:
    lock, is_reported = threading.Lock(), threading.Event()

    def report() -> None:
        with lock:
            is_reported.set()

    with Interrupt(report):
        with lock:
            os.kill(os.getpid(), signal.SIGINT)
            assert not is_reported.is_set()
        assert is_reported.wait(10)


def test_interrupt_restores_handlers_after_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), Interrupt():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupt_is_inactive_outside_main_thread() -> None:
    before, requested = signal.getsignal(signal.SIGINT), []

    def enter_interrupt() -> None:
        with Interrupt() as interrupt:
            requested.append(interrupt.is_requested)

    thread = threading.Thread(target=enter_interrupt)
    thread.start()
    thread.join()
    assert requested == [False]
    assert signal.getsignal(signal.SIGINT) is before
