"""Partial files: removed if the process that wrote them is dead, kept if it is alive or runs elsewhere."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vid2vid_cli.media.files import write_text
from vid2vid_cli.media.writer import VideoWriter


@pytest.fixture(scope="module")
def dead_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def write_video(path: Path) -> None:
    with VideoWriter(path, Fraction(25)) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", [".a.json.{}.partial", ".a b.{}.partial.mp4", ".a.{}.partial.mp4.video"])
def test_partial_files_of_dead_processes_are_removed(tmp_path: Path, dead_process: int, name: str) -> None:
    (tmp_path / name.format(dead_process)).touch()
    write_text(tmp_path / "new.txt", "x")
    assert names(tmp_path) == {"new.txt"}


def test_video_writer_removes_partial_files_of_dead_processes(tmp_path: Path, dead_process: int) -> None:
    (tmp_path / f".old.{dead_process}.partial.mp4").touch()
    write_video(tmp_path / "new.mp4")
    assert names(tmp_path) == {"new.mp4"}


@pytest.mark.parametrize(
    "name", [f".a.json.{os.getppid()}.partial", ".notes.partial", "a.123456789.partial", ".a.1.partial.d.e"]
)
def test_other_files_are_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    write_text(tmp_path / "new.txt", "x")
    assert names(tmp_path) == {"new.txt", name}


def test_partial_files_of_another_machine_are_kept(tmp_path: Path, dead_process: int) -> None:
    """Their process number means nothing here, but they are locked."""
    files = [tmp_path / f".a.{dead_process}.partial.mp4", tmp_path / f".a.{dead_process}.partial.mp4.video"]
    for file in files:
        file.touch()
    with files[0].open() as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        write_text(tmp_path / "new.txt", "x")
    assert names(tmp_path) == {"new.txt", *(file.name for file in files)}


def test_partial_file_is_locked_while_it_is_written(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "new.mp4", Fraction(25)) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
        (partial_file,) = tmp_path.iterdir()
        with partial_file.open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert names(tmp_path) == {"new.mp4"}
