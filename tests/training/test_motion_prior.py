"""The model of the motion of other subjects in checkpoints and run folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.factories import tiny_config
from helpers.motion_models import motion_model

from vid2vid_cli.core.errors import RunError
from vid2vid_cli.engine.run_folder import RunFolder, RunRecord
from vid2vid_cli.training.job import TrainJob
from vid2vid_cli.training.motion_prior import FILE_NAME, find_motion_prior, save_motion_prior


def make_job(run: Path, *, is_resumed: bool) -> TrainJob:
    record = RunRecord(dataset="data", preset="tiny", precision="fp32", device="cpu") if is_resumed else None
    return TrainJob(tiny_config(), (), (), run, record)


def test_motion_prior_of_a_resumed_run_is_that_of_its_start(tmp_path: Path) -> None:
    job = make_job(tmp_path, is_resumed=True)
    assert find_motion_prior(job, None) is None
    prior = motion_model(0.5)
    save_motion_prior(RunFolder(tmp_path), None)
    assert not (tmp_path / FILE_NAME).exists()
    save_motion_prior(RunFolder(tmp_path), prior)
    found = find_motion_prior(job, None)
    assert found is not None
    assert found.to_json() == prior.to_json()
    (tmp_path / FILE_NAME).write_text("{}")
    with pytest.raises(RunError, match=FILE_NAME):
        find_motion_prior(job, None)
