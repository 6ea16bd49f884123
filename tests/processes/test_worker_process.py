"""The second process: what it is told to do, what comes back, and that it never outlives this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vid2vid_cli.core.errors import DiskFullError, PluginError, Vid2VidError
from vid2vid_cli.processes.worker_process import Beside


class Diary:
    """Notes down what it is told, and in which process and thread."""

    def __init__(self, first: str) -> None:
        self.lines = [first]

    def note(self, line: str, seconds: float = 0.0) -> None:
        time.sleep(seconds)
        self.lines.append(line)

    def read(self) -> tuple[int, list[str]]:
        return os.getpid(), self.lines


class OddError(Exception):
    """Cannot be put together again from its parts."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def fail(kind: str) -> None:
    if kind == "disk":
        raise DiskFullError("The disk is full.", "Free some space.")
    raise OddError(1, 2) if kind == "odd" else ValueError(kind)


def say(words: str) -> str:
    print(words)
    os.write(1, words.encode())
    return words


def test_it_is_another_process_and_numbers_come_back_as_they_were() -> None:
    array = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    with Beside() as beside:
        results = [beside.call(np.roll, array, index) for index in range(20)]
        assert beside.call(os.getpid).result(60) != os.getpid()
        assert all(np.array_equal(one.result(60), np.roll(array, index)) for index, one in enumerate(results))
        assert beside.ready
        assert beside.call(say, "on its standard output").result(60) == "on its standard output"
        os.kill(beside.call(os.getpid).result(60), signal.SIGINT)  # Ctrl-C is none of its business
        assert beside.call(abs, -1).result(60) == 1
    assert not beside.ready


@pytest.mark.parametrize("shape", [(0, 3), (4, 5, 3), (700, 700, 3)])
def test_arrays_arrive_whole_however_they_lie_in_memory(shape: tuple[int, ...]) -> None:
    """Several in one message, some with holes between their numbers, and larger ones than a pipe holds."""
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    ways = [array, array[::2, ::-1], np.asfortranarray(array), array.astype(np.float64), np.array("word")]
    with Beside() as beside:
        back = beside.call(list, ways).result(60)
        assert beside.call(np.copyto, back[0], back[0]).result(60) is None  # there as here, they may be written to
    assert all(np.array_equal(one, other) and one.dtype == other.dtype for one, other in zip(ways, back, strict=True))


def test_errors_come_back_whole() -> None:
    with Beside() as beside:
        full = beside.call(fail, "disk").exception(60)
        assert isinstance(full, DiskFullError)
        assert (full.message, full.hint) == ("The disk is full.", "Free some space.")
        assert isinstance(beside.call(fail, "plain").exception(60), ValueError)
        odd = beside.call(fail, "odd").exception(60)
        assert isinstance(odd, PluginError)
        assert "OddError: 1 and 2" in odd.message


def test_what_is_kept_there_is_used_in_order() -> None:
    with Beside() as beside:
        diary, other = beside.keep(Diary, "a"), beside.keep(Diary, "z")
        for index in range(10):
            diary.call("note", str(index), 0.02 if index == 3 else 0.0)
        process, lines = diary.call("read").result(60)
        assert process == beside.call(os.getpid).result(60)
        assert lines == ["a", *map(str, range(10))]
        assert other.call("read").result(60)[1] == ["z"]
        assert isinstance(beside.keep(Diary).made.exception(60), TypeError)
        with pytest.raises(Exception, match=r"lambda|pickle"):
            beside.keep(lambda: 1)


def test_its_end_is_told_to_those_who_wait() -> None:
    with Beside() as beside:
        process = beside.call(os.getpid).result(60)
        waiting = beside.call(time.sleep, 60)
        os.kill(process, signal.SIGTERM)
        error = waiting.exception(60)
        assert isinstance(error, Vid2VidError)
        assert "continues" in error.hint
        assert isinstance(beside.call(abs, -1).exception(60), Vid2VidError)
        assert not beside.ready


@pytest.mark.parametrize("python", ["", "/nowhere/python"])
def test_where_none_can_be_started_it_is_never_ready(monkeypatch: pytest.MonkeyPatch, python: str) -> None:
    monkeypatch.setattr(sys, "executable", python)
    with Beside() as beside:
        assert isinstance(beside.keep(Diary, "a").made.exception(60), Vid2VidError)
        assert not beside.ready


def test_it_ends_with_a_process_that_is_killed_and_runs_nothing_of_its_program_again(tmp_path: Path) -> None:
    """A script without a guard around its main part, as people write them."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, time\n"
        "from vid2vid_cli.processes.worker_process import Beside\n"
        "print('begun', flush=True)\n"
        "with Beside() as beside:\n"
        "    print(beside.call(os.getpid).result(), flush=True)\n"
        "    beside.call(time.sleep, 60).result()\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "begun\n"
    process = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    limit = time.monotonic() + 60
    while is_alive(process) and time.monotonic() < limit:
        time.sleep(0.01)
    assert not is_alive(process)
    parent.stdout.close()


def is_alive(process: int) -> bool:
    """A dead one that nobody has waited for does not count."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")
