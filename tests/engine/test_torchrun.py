"""What is said of processes that failed: that of the one which failed first, as torchrun found it."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure, get_error_handler

from vid2vid_cli.core.errors import DiskFullError, LostProcessError
from vid2vid_cli.engine.torchrun import _why

LOST = LostProcessError.exit_code


def failed(*codes: int, note: Path = Path("none")) -> BaseException:
    """Of processes that ended with these codes; 0 is no failure."""
    failures = {rank: ProcessFailure(rank, 100 + rank, code, str(note)) for rank, code in enumerate(codes) if code}
    return _why(failures, len(codes))


@pytest.mark.parametrize("codes", [(43, 0), (43, -15), (43, LOST), (43, 43)])
def test_the_first_process_has_said_why_itself(codes: tuple[int, ...]) -> None:
    why = failed(*codes)
    assert isinstance(why, SystemExit)
    assert why.code == 43


@pytest.mark.parametrize("codes", [(LOST, -9, LOST), (-15, -9, -15), (0, -9, LOST)])
def test_one_that_was_killed(codes: tuple[int, ...]) -> None:
    why = failed(*codes)
    assert isinstance(why, LostProcessError)
    assert (why.message, why.exit_code) == ("Process 2 of 3 was ended by SIGKILL.", LOST)


def test_one_that_is_not_shown_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(note))
    get_error_handler().record_exception(DiskFullError("no space"))
    why = failed(LOST, 43, note=note)
    assert isinstance(why, LostProcessError)
    assert (why.message, why.exit_code) == ("Process 2 of 2 failed: DiskFullError: no space.", 43)
