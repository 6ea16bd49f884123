"""--person: for every conditioner that follows people, unless its own option says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from vid2vid_cli.conditioning.person import with_person
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.pipelines.prepare import PrepareRequest, plan_prepare
from vid2vid_cli.pipelines.transfer import TransferRequest, plan_transfer


def test_everybody_who_follows_is_told() -> None:
    given = with_person({"pose": {"smooth": "0"}}, ["pose", "landmarks", "edges"], "2")
    assert given == {"pose": {"smooth": "0", "person": "2"}, "landmarks": {"person": "2"}}


def test_the_conditioners_own_option_goes_first() -> None:
    assert with_person({"pose": {"person": "1"}}, ["pose"], "2") == {"pose": {"person": "1"}}


def test_unasked_nothing_changes() -> None:
    assert with_person({"edges": {"sigma": "2"}}, ["edges"], None) == {"edges": {"sigma": "2"}}


def test_nobody_to_choose_among() -> None:
    with pytest.raises(ConfigError, match="--person 2 chooses among people, and edges follows nobody"):
        with_person({}, ["edges"], "2")
    with pytest.raises(ConfigError, match="--person tallest is nobody: write largest, centre, or 1, 2"):
        with_person({}, ["pose"], "tallest")


def test_prepare_and_transfer_take_it(film: Path, run_folder: Path, tmp_path: Path) -> None:
    """Seen by their refusal: `edges` follows nobody."""
    with pytest.raises(ConfigError, match="edges follows nobody"):
        plan_prepare(PrepareRequest((film,), ("edges",), tmp_path / "out", person="2"))
    with pytest.raises(ConfigError, match="edges follows nobody"):
        plan_transfer(TransferRequest(film, run_folder, tmp_path / "out.mp4", person="2"))
    plan = plan_prepare(PrepareRequest((film,), ("pose",), tmp_path / "out", person="2"))
    assert "pose" in str(plan)
