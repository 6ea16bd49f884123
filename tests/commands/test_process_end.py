"""Real processes: signals end commands as Ctrl-C does, children included; a closed pipe ends them quietly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.factories import make_blob_video
from helpers.slow_plugin import add_slow_plugin

from vid2vid_cli.__main__ import BLAS_THREADS_VARIABLE, limit_blas_threads
from vid2vid_cli.core.python_process import code_command, module_command


def start(folder: Path, *args: str) -> subprocess.Popen[str]:
    """A command in its own process group, which contains its children."""
    return subprocess.Popen(
        module_command("vid2vid_cli", *args),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    )


def end_with(process: subprocess.Popen[str], number: int) -> str:
    """Send a signal to the main process alone; return stderr."""
    os.kill(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert running_processes(process.pid) == []
    return stderr


def running_processes(group: int) -> list[str]:
    """The processes of a group that have not ended, from /proc."""
    running = []
    for stat_file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, fields = stat_file.read_text().rpartition(")")
            state, _, process_group = fields.split()[:3]
            running += [name] if int(process_group) == group and state != "Z" else []
    return running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_prepare_ends_with_signal_as_with_ctrl_c(
    blob_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    add_slow_plugin(tmp_path, monkeypatch)
    process = start(tmp_path, "prepare", "-c", "slow", str(blob_video))
    assert process.stderr is not None
    assert "prepare" in process.stderr.readline()
    stderr = end_with(process, number)
    assert stderr.splitlines()[-2:] == ["Stopped.", f"Continue: vid2vid prepare -c slow {blob_video}"]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_transfer_ends_with_the_process_that_annotates(run_folder: Path, tmp_path: Path, number: int) -> None:
    video = make_blob_video(tmp_path / "long.mp4", 1500)
    process = start(tmp_path, "transfer", str(video), "--target", str(run_folder), "--json")
    assert process.stdout is not None
    while '"transfer"' not in process.stdout.readline():
        assert process.poll() is None
    assert len(running_processes(process.pid)) == 2
    assert "Stopped." in end_with(process, number)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
def test_transfer_reports_that_the_process_that_annotates_was_killed(run_folder: Path, tmp_path: Path) -> None:
    video = make_blob_video(tmp_path / "long.mp4", 1500)
    process = start(tmp_path, "transfer", str(video), "--target", str(run_folder), "--json")
    assert process.stdout is not None
    while '"transfer"' not in process.stdout.readline():
        assert process.poll() is None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 46
    assert f"Error: The process that annotates {video} was ended by SIGKILL." in stderr
    assert "memory" in stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_doctor_ends_with_its_children(tmp_path: Path, number: int) -> None:
    process = start(tmp_path, "doctor")
    children_file = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children_file.exists():
        process.kill()
        pytest.skip("the children of a process are not listed here")
    while len(children_file.read_text().split()) < 5:
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)  # until the last one has been started completely
    assert "Stopped." in end_with(process, number)


def test_signal_during_imports_ends_without_traceback(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)\n"
    (tmp_path / "typer.py").write_text(code)
    (tmp_path / "run.py").write_text("from vid2vid_cli.__main__ import main\nmain()\n")
    completed = subprocess.run(
        [sys.executable, "run.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
    )
    assert (completed.returncode, completed.stderr) == (130, "Stopped.\n")


@pytest.mark.parametrize("args", [("presets", "list"), ("plugins", "list", "--json"), ("--help",)])
def test_closed_pipe_ends_quietly(tmp_path: Path, args: tuple[str, ...]) -> None:
    process = start(tmp_path, *args)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert "Error" not in process.stderr.read()
    assert process.wait(timeout=60) in (1, 141)


def test_limit_blas_threads_keeps_the_setting_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BLAS_THREADS_VARIABLE, raising=False)
    limit_blas_threads()
    assert os.environ[BLAS_THREADS_VARIABLE] == "1"
    monkeypatch.setenv(BLAS_THREADS_VARIABLE, "4")
    limit_blas_threads()
    assert os.environ[BLAS_THREADS_VARIABLE] == "4"


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads on Linux")
def test_commands_start_no_threads_of_openblas() -> None:
    """With more threads, importing NumPy starts them."""
    code = (
        "import os\n"
        "from vid2vid_cli.__main__ import limit_blas_threads\n"
        "limit_blas_threads()\n"
        "import numpy\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in (BLAS_THREADS_VARIABLE,)}
    environment["OMP_NUM_THREADS"] = "4"
    completed = subprocess.run(code_command(code), capture_output=True, text=True, check=True, env=environment)
    assert completed.stdout.strip() == "1"
