"""What a native library says when it starts: the known is held back, the rest comes through."""

from __future__ import annotations

import os
import threading
import time

import pytest

from vid2vid_cli.conditioning import quietly


def test_known_lines_are_held_back_and_others_pass(capfd: pytest.CaptureFixture[str]) -> None:
    with quietly([b"delegate"]):
        os.write(2, b"INFO: Created a delegate for CPU.\nout of memory\n")
    os.write(2, b"a delegate, later\n")
    assert capfd.readouterr().err == "out of memory\na delegate, later\n"


def test_an_error_inside_passes_and_gives_stderr_back(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with quietly([b"noise"]):
            os.write(2, b"noise\nwhy\n")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "why\nafter\n"


def test_threads_do_not_lose_stderr_to_each_other(capfd: pytest.CaptureFixture[str]) -> None:
    def start(seconds: float) -> None:
        for _ in range(10):
            with quietly([b"noise"]):
                os.write(2, b"noise\n")
                time.sleep(seconds)

    threads = [threading.Thread(target=start, args=(seconds,)) for seconds in (0.001, 0.002, 0.003)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
