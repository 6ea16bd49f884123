"""`evaluate` without a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from helpers.factories import tiny_config

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.run_folder import RunRecord, create_run
from vid2vid_cli.evaluation.own_dataset import find_own_dataset

TRAINING = {"dataset": "b", "dataset_b": "c"}
CHECKPOINT = Path("runs/ab/b.ckpt")


@pytest.fixture(autouse=True)
def _run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run on the datasets a and b, with c as domain B."""
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        (tmp_path / "datasets" / name).mkdir(parents=True)
        (tmp_path / "datasets" / name / "dataset.json").touch()
    paths = [str(tmp_path / "datasets" / name) for name in "abc"]
    record = RunRecord(
        dataset=paths[0],
        more_datasets=(paths[1],),
        dataset_b=paths[2],
        preset="tiny",
        precision="fp32",
        device="cpu",
        licence="",
    )
    create_run(Path("runs/ab"), tiny_config(), record, "vid2vid train")


@pytest.mark.parametrize(
    ("training", "direction", "name"), [(TRAINING, None, "b"), ({}, None, "a"), (TRAINING, "b2a", "c")]
)
def test_find_own_dataset_takes_that_of_the_run(
    training: dict[str, str], direction: Literal["b2a"] | None, name: str
) -> None:
    dataset = find_own_dataset(CHECKPOINT, CHECKPOINT, training or {"dataset": "other"}, direction=direction)
    assert dataset == Path("datasets") / name


def test_find_own_dataset_of_a_copied_checkpoint() -> None:
    checkpoint = Path("copy.ckpt")
    assert find_own_dataset(checkpoint, checkpoint, TRAINING) == Path("datasets/b")
    for training in ({}, {"dataset": "gone"}):
        with pytest.raises(ConfigError) as raised:
            find_own_dataset(checkpoint, checkpoint, training)
        assert "vid2vid evaluate copy.ckpt --data DATASET" in raised.value.hint
