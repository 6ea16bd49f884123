"""`evaluate` without a dataset."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.factories import tiny_config

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.events import Event, InfoEvent
from vid2vid_cli.engine.run_folder import RunRecord, create_run
from vid2vid_cli.evaluation.own_dataset import find_own_dataset
from vid2vid_cli.requests.measure import EvaluateRequest

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


def find(request: EvaluateRequest, checkpoint: Path, training: dict[str, str]) -> tuple[Path, list[str]]:
    """The dataset, and the notices."""
    events: list[Event] = []
    dataset = find_own_dataset(request, checkpoint, training, emit=events.append)
    return dataset, [event.message for event in events if isinstance(event, InfoEvent)]


def test_find_own_dataset_takes_that_of_the_request() -> None:
    assert find(EvaluateRequest(CHECKPOINT, Path("x")), CHECKPOINT, TRAINING) == (Path("x"), [])


@pytest.mark.parametrize(
    ("training", "direction", "name"), [(TRAINING, None, "b"), ({}, None, "a"), (TRAINING, "b2a", "c")]
)
def test_find_own_dataset_takes_that_of_the_run(training: dict[str, str], direction: str | None, name: str) -> None:
    request = EvaluateRequest(CHECKPOINT, direction=direction)  # type: ignore[arg-type]
    dataset, messages = find(request, CHECKPOINT, training or {"dataset": "other"})
    assert dataset == Path("datasets") / name
    assert len(messages) == 1
    assert str(dataset) in messages[0]


def test_find_own_dataset_of_a_copied_checkpoint() -> None:
    checkpoint = Path("copy.ckpt")
    dataset, (message,) = find(EvaluateRequest(checkpoint), checkpoint, TRAINING)
    assert dataset == Path("datasets/b")
    assert "datasets/b" in message
    for training in ({}, {"dataset": "gone"}):
        with pytest.raises(ConfigError) as raised:
            find(EvaluateRequest(checkpoint), checkpoint, training)
        assert "vid2vid evaluate copy.ckpt DATASET" in raised.value.hint
