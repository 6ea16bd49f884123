"""`train --log`: what TensorBoard, CSV files, Weights & Biases and Trackio contain, also after a resume."""

from __future__ import annotations

import csv
import importlib.util
import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from helpers.factories import tiny_config

from vid2vid_cli.cli import run_command_line
from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError, MissingPackageError
from vid2vid_cli.engine.events import ArtifactEvent, Event, EventHandler, StepEvent, WarningEvent, ignore_events
from vid2vid_cli.engine.run_folder import RunFolder
from vid2vid_cli.media.images import load_image
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.training.metric_log import open_listeners
from vid2vid_cli.training.metric_writers import hyperparameters


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = tmp_path / "blob"
    folder.mkdir()
    return RunFolder(folder)


def log_steps(run: RunFolder, config: Config, steps: range, emit: EventHandler = ignore_events) -> None:
    """Log steps of half a second each, with a quality at the last one; steps.start: step of the weights before."""
    with ExitStack() as exit_stack:
        _, log = open_listeners(run, config, emit, step=steps.start, exit_stack=exit_stack, is_main=True)
        for step in steps:
            losses = {"l1": 1 / (step + 1)} | ({"flow": 0.5} if step >= 2 else {})
            log(StepEvent(step + 1, 9, losses, elapsed_seconds=(step + 1) / 2))
        log(ArtifactEvent("quality", "quality", {"step": steps.stop, "quality": 20.0 + steps.stop}))


def csv_rows(run: RunFolder) -> list[dict[str, str]]:
    with (run.path / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def config_with_log(*names: str, **sections: Any) -> Config:
    return tiny_config(checkpoint={"save_interval": 2, "sample_interval": 2, "log_to": names}, **sections)


def test_csv_has_one_line_per_step_also_after_a_resume_from_an_earlier_step(run: RunFolder) -> None:
    schedule = {"max_steps": 9, "lr_decay_start": 2, "lr_decay_steps": 4}
    config = config_with_log("csv", schedule=schedule, optimizer={"lr": 1e-3, "discriminator_lr": 2e-3})
    log_steps(run, config, range(0, 4))
    log_steps(run, config, range(2, 5))
    rows = csv_rows(run)
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["quality"] for row in rows] == ["", "", "", "", "25.0"]
    assert [row["losses/flow"] for row in rows] == ["", "", "0.5", "0.5", "0.5"]
    assert [row["steps_per_second"] for row in rows] == ["", "2.0", "", "2.0", "2.0"]
    assert [float(row["lr/generator"]) for row in rows] == pytest.approx([1e-3, 1e-3, 1e-3, 7.5e-4, 5e-4])
    assert float(rows[4]["lr/discriminators"]) == pytest.approx(1e-3)


def test_failed_writer_is_left_out_with_one_warning(run: RunFolder) -> None:
    events: list[Event] = []

    def remove_file(event: Event) -> None:
        events.append(event)
        if isinstance(event, StepEvent) and event.step == 2:
            (run.path / "metrics.csv").unlink()

    log_steps(run, config_with_log("csv"), range(0, 4), remove_file)
    warnings = [event.message for event in events if isinstance(event, WarningEvent)]
    assert len(warnings) == 1
    assert "--log csv" in warnings[0]
    assert sum(isinstance(event, StepEvent) for event in events) == 4


def test_writer_that_cannot_be_opened_is_an_error(run: RunFolder) -> None:
    (run.path / "metrics.csv").mkdir()
    with pytest.raises(ConfigError, match="--log csv"):
        log_steps(run, config_with_log("csv"), range(0, 1))


def test_no_log_writes_nothing_but_the_event_log(run: RunFolder) -> None:
    log_steps(run, tiny_config(), range(0, 1))
    assert [path.name for path in run.path.iterdir()] == ["events.jsonl"]


def test_log_option_sets_the_setting_and_is_not_for_resumed_runs(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    args = ["train", "-p", "tiny", "--data", str(dataset), "--device", "cpu"]
    assert run_command_line([*args, "--log", "excel", "--dry-run"]) == 21
    assert run_command_line(["train", "--resume", "runs/blob", "--log", "csv"]) == 2
    options = ["--steps", "1", "--set", "data.height=24", "--set", "generator.base_channels=4", "--log", "csv"]
    assert run_command_line([*args, *options, "--out", "run"]) == 0
    assert RunFolder(Path("run")).load_config().checkpoint.log_to == ("csv",)
    assert [row["step"] for row in csv_rows(RunFolder(Path("run")))] == ["1"]


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_missing_package_is_named_before_the_run_folder_exists(
    name: str, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module == name else find_spec(module))
    with pytest.raises(MissingPackageError) as caught:
        train(TrainRequest(config_with_log(name), "", dataset, tmp_path / "run", device="cpu"), ignore_events)
    assert caught.value.hint == f'pip install "vid2vid-cli[{name}]"'
    assert not (tmp_path / "run").exists()


def test_tensorboard_contains_each_step_once_after_a_resume(dataset: Path, tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = config_with_log("tensorboard", schedule={"max_steps": 4, "clip_length": 2, "max_clip_length": 2})
    result = train(TrainRequest(config, "", dataset, tmp_path / "run", device="cpu"), ignore_events)
    run = RunFolder(result.path)
    (run.checkpoints / "last").write_text("step_0000002")  # as if it was killed after step 4, before the checkpoint
    train(TrainRequest(resume=run.path, max_steps=6, device="cpu"), ignore_events)

    accumulator = accumulators.EventAccumulator(str(run.path / "tensorboard"))
    accumulator.Reload()
    for tag in ("losses/l1", "lr/generator", "lr/discriminators"):
        assert [event.step for event in accumulator.Scalars(tag)] == [1, 2, 3, 4, 5, 6], tag
    assert [event.value for event in accumulator.Scalars("lr/generator")] == pytest.approx([2e-4] * 6)
    assert all(event.value > 0 for event in accumulator.Scalars("steps_per_second"))
    assert [event.step for event in accumulator.Scalars("steps_per_second")] == [2, 4, 5, 6]
    assert [event.step for event in accumulator.Scalars("quality")] == [2, 4, 6]
    samples = accumulator.Images("samples")
    assert [image.step for image in samples] == [2, 4, 6]
    assert (samples[-1].height, samples[-1].width) == load_image(run.samples / "step_0000006.png").shape[:2]

    hparams = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    content = accumulator.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    values = hparams.HParamsPluginData.FromString(content).session_start_info.hparams
    assert values["optimizer.lr"].number_value == config.optimizer.lr
    assert values["generator.kind"].string_value == config.generator.kind
    assert set(values) == set(hyperparameters(config.model_dump(mode="json")))


@pytest.mark.slow
def test_trackio_contains_each_step_once_after_a_resume(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(run.path / "database"))
    pytest.importorskip("trackio")  # reads TRACKIO_DIR
    config = config_with_log("trackio")
    log_steps(run, config, range(0, 4))
    log_steps(run, config, range(2, 6))
    (database,) = (run.path / "database").glob("*.db")
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
    assert {row[0] for row in rows} == {(run.path / "log_name.txt").read_text().strip()}
    assert [step for _, step, text in rows if "losses/l1" in json.loads(text)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_wandb_offline_contains_each_step_once_after_a_resume(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb = pytest.importorskip("wandb")
    config = config_with_log("wandb")
    log_steps(run, config, range(0, 4))
    log_steps(run, config, range(2, 6))
    wandb.teardown()  # its process writes the end of the files
    assert wandb_steps(run.path / "wandb") == [1, 2, 3, 4, 5, 6]


def wandb_steps(folder: Path) -> list[int]:
    """The steps with a loss in the local files of a run, which `wandb sync` sends."""
    from wandb.proto import wandb_internal_pb2

    steps = []
    for path in sorted(folder.glob("offline-run-*/*.wandb")):
        for content in wandb_records(path.read_bytes()):
            history = wandb_internal_pb2.Record.FromString(content).history
            if any("losses/l1" in (item.key, *item.nested_key) for item in history.item):
                steps.append(history.step.num)
    return steps


def wandb_records(content: bytes, header_size: int = 7, block_size: int = 32768) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format after its own header; parts of a record are joined."""
    position, record = header_size, b""
    while position + header_size <= len(content):
        if block_size - position % block_size < header_size:
            position += block_size - position % block_size
            continue
        size, kind = int.from_bytes(content[position + 4 : position + 6], "little"), content[position + 6]
        record += content[position + header_size : position + header_size + size]
        position += header_size + size
        if kind in (1, 4):  # the whole record, or its last part
            yield record
            record = b""
