"""The model of the motion of other subjects in checkpoints and run folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.factories import tiny_config
from helpers.motion_models import motion_model

from vid2vid_cli.core.errors import RunError
from vid2vid_cli.engine.run_folder import CONFIG_FILE_NAME, RunFolder, RunRecord
from vid2vid_cli.training.job import TrainJob
from vid2vid_cli.training.motion_prior import FILE_NAME, find_motion_prior, save_motion_prior


def make_job(run: Path, *, is_resumed: bool) -> TrainJob:
    record = RunRecord(dataset="data", preset="tiny", precision="fp32", device="cpu") if is_resumed else None
    config = tiny_config(generator={"kind": "fast", "past_frames": 1, "num_downsamples": 2, "num_references": 2})
    return TrainJob(config, (), (), run, record)


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
    assert find_motion_prior(replace(job, config=tiny_config()), None) is None  # without reference frames


def test_motion_prior_of_an_unfinished_run_is_none(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / CONFIG_FILE_NAME).touch()
    assert find_motion_prior(make_job(tmp_path, is_resumed=False), tmp_path / "base") is None
