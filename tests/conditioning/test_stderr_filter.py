"""Filtering of stderr: ignored lines are dropped, all others are printed."""

from __future__ import annotations

import os
import threading
import time

import pytest

from vid2vid_cli.conditioning import suppress_stderr


def test_suppress_stderr_drops_only_ignored_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with suppress_stderr([b"delegate"]):
        os.write(2, b"INFO: Created a delegate for CPU.\nout of memory\n")
    os.write(2, b"a delegate, later\n")
    assert capfd.readouterr().err == "out of memory\na delegate, later\n"


def test_suppress_stderr_restores_stderr_after_error(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with suppress_stderr([b"noise"]):
            os.write(2, b"noise\nwhy\n")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "why\nafter\n"


def test_suppress_stderr_is_thread_safe(capfd: pytest.CaptureFixture[str]) -> None:
    def write_ignored_lines(seconds: float) -> None:
        for _ in range(10):
            with suppress_stderr([b"noise"]):
                os.write(2, b"noise\n")
                time.sleep(seconds)

    threads = [threading.Thread(target=write_ignored_lines, args=(seconds,)) for seconds in (0.001, 0.002, 0.003)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
