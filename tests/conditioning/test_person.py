"""--person sets the option of every conditioner that tracks people, unless the option is set explicitly."""

from __future__ import annotations

from pathlib import Path

import pytest

from vid2vid_cli.conditioning.person import add_person_option
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.pipelines.prepare import PrepareRequest, plan_prepare
from vid2vid_cli.pipelines.transfer import TransferRequest
from vid2vid_cli.pipelines.transfer_plan import plan_transfer


def test_add_person_option_sets_tracking_conditioners() -> None:
    options = add_person_option({"pose": {"smoothing": "0"}}, ["pose", "landmarks", "edges"], "2")
    assert options == {"pose": {"smoothing": "0", "person": "2"}, "landmarks": {"person": "2"}}


def test_add_person_option_keeps_explicit_option() -> None:
    assert add_person_option({"pose": {"person": "1"}}, ["pose"], "2") == {"pose": {"person": "1"}}


def test_add_person_option_without_person_is_identity() -> None:
    assert add_person_option({"edges": {"sigma": "2"}}, ["edges"], None) == {"edges": {"sigma": "2"}}


def test_add_person_option_rejects_bad_values() -> None:
    with pytest.raises(ConfigError, match=r"--person 2.*edges"):
        add_person_option({}, ["edges"], "2")
    with pytest.raises(ConfigError, match=r"--person.*tallest"):
        add_person_option({}, ["pose"], "tallest")


def test_prepare_and_transfer_accept_person(blob_video: Path, run_folder: Path, tmp_path: Path) -> None:
    """Both reject --person with `edges`, which does not track people."""
    with pytest.raises(ConfigError, match=r"--person 2.*edges"):
        plan_prepare(PrepareRequest((blob_video,), ("edges",), tmp_path / "out", person="2"))
    with pytest.raises(ConfigError, match=r"--person 2.*edges"):
        plan_transfer(TransferRequest(blob_video, run_folder, tmp_path / "out.mp4", person="2"))
    plan = plan_prepare(PrepareRequest((blob_video,), ("pose",), tmp_path / "out", person="2"))
    assert "pose" in str(plan)
