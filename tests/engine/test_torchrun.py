"""Errors of failed processes: the first failure that torchrun recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure, get_error_handler

from vid2vid_cli.core.errors import DiskFullError, WorkerLostError
from vid2vid_cli.engine.torchrun import _first_failure_error

LOST = WorkerLostError.exit_code


def failure_error(*exit_codes: int, error_file: Path = Path("none")) -> BaseException:
    """The error for processes with these exit codes; 0 is no failure."""
    failures = {
        rank: ProcessFailure(rank, 100 + rank, code, str(error_file)) for rank, code in enumerate(exit_codes) if code
    }
    return _first_failure_error(failures, len(exit_codes))


@pytest.mark.parametrize("exit_codes", [(43, 0), (43, -15), (43, LOST), (43, 43)])
def test_failure_of_rank_zero_keeps_its_exit_code(exit_codes: tuple[int, ...]) -> None:
    error = failure_error(*exit_codes)
    assert isinstance(error, SystemExit)
    assert error.code == 43


@pytest.mark.parametrize("exit_codes", [(LOST, -9, LOST), (-15, -9, -15), (0, -9, LOST)])
def test_killed_process_is_reported_with_signal(exit_codes: tuple[int, ...]) -> None:
    error = failure_error(*exit_codes)
    assert isinstance(error, WorkerLostError)
    assert error.exit_code == LOST
    assert "Process 2 of 3" in error.message
    assert "SIGKILL" in error.message


def test_error_of_other_rank_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error_file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(error_file))
    get_error_handler().record_exception(DiskFullError("no space"))
    error = failure_error(LOST, 43, error_file=error_file)
    assert isinstance(error, WorkerLostError)
    assert error.exit_code == 43
    assert "DiskFullError: no space" in error.message
