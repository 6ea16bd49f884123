"""Runs on disk: names that are not taken, settings that come back, and finding them again."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from helpers.factories import tiny_config

from vid2vid_cli.core.errors import ConfigError, ExistsError, MissingFileError, PermissionDeniedError, RunError
from vid2vid_cli.engine import folder_lock
from vid2vid_cli.engine.run_folder import (
    RunFolder,
    RunRecord,
    checkpoint_file,
    create_run,
    dataset_of,
    find_run,
    held,
    last_state,
    planned_run,
)

RECORD = RunRecord("datasets/clip", "tiny", "fp32", "cpu")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_settings_and_record_come_back() -> None:
    config = tiny_config(optimizer={"rate": 1e-4}, temporal={"rates": (1, 2)})
    run = create_run(Path("runs/Jürgen 人"), config, RECORD, "vid2vid train --set a=b")
    again = find_run(Path("runs/Jürgen 人"))
    assert again == run
    assert again.config() == config
    assert again.record() == RECORD
    assert (run.path / "command.txt").read_text() == "vid2vid train --set a=b\n"
    assert json.loads((run.path / "env.json").read_text())["torch"]
    assert run.result.name == "Jürgen 人.ckpt"


def test_names_that_are_taken() -> None:
    data = Path("datasets/clip")
    assert planned_run(None, data, overwrite=False) == Path("runs/clip")
    create_run(Path("runs/clip"), tiny_config(), RECORD, "")
    assert planned_run(None, data, overwrite=False) == Path("runs/clip-2")
    create_run(Path("runs/clip-2"), tiny_config(), RECORD, "")
    assert planned_run(None, data, overwrite=False) == Path("runs/clip-3")
    assert planned_run(None, data, overwrite=True) == Path("runs/clip")
    assert planned_run(Path("mine"), data, overwrite=False) == Path("mine")


def test_a_dot_in_the_name_of_a_run_is_no_suffix() -> None:
    create_run(Path("runs/v1.5"), tiny_config(), RECORD, "")
    assert planned_run(Path("runs/v1.5"), Path("clip"), overwrite=False) == Path("runs/v1.5-2")
    create_run(Path("runs/v1.5-2"), tiny_config(), RECORD, "")
    assert planned_run(Path("runs/v1.5"), Path("clip"), overwrite=False) == Path("runs/v1.5-3")


def test_the_dataset_of_a_run_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("datasets/clip").mkdir(parents=True)
    run = create_run(
        Path("runs/clip"), tiny_config(), dataclasses.replace(RECORD, dataset=str(tmp_path / RECORD.dataset)), ""
    )
    assert dataset_of(run) == Path("datasets/clip")
    elsewhere = RunFolder(run.path.absolute())
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    assert dataset_of(elsewhere) == tmp_path / "datasets/clip"
    former = create_run(tmp_path / "runs/former", tiny_config(), RECORD, "")
    assert dataset_of(former) == tmp_path / "datasets/clip", "noted as typed, beside the run"
    moved = create_run(Path("deep/m"), tiny_config(), dataclasses.replace(RECORD, dataset="/gone/datasets/clip"), "")
    with pytest.raises(
        MissingFileError, match="/gone/datasets/clip, the dataset that deep/m learns from, does not exist"
    ):
        dataset_of(moved)
    Path("datasets/clip").mkdir(parents=True)
    assert dataset_of(moved) == Path("datasets/clip")


def test_what_is_no_run_is_never_overwritten() -> None:
    Path("photos").mkdir()
    Path("photos/mother.jpg").touch()
    with pytest.raises(ExistsError, match="photos exists and is not a run"):
        planned_run(Path("photos"), Path("clip"), overwrite=True)
    assert planned_run(Path("photos"), Path("clip"), overwrite=False) == Path("photos-2")


def test_a_former_run_is_gone_when_it_is_overwritten() -> None:
    run = create_run(Path("r"), tiny_config(), RECORD, "")
    (run.path / "old.png").touch()
    create_run(Path("r"), tiny_config(), RECORD, "", overwrite=True)
    assert not (run.path / "old.png").exists()


def test_one_that_was_begun_at_the_same_moment_is_left_alone() -> None:
    """Both have planned the same name."""
    first, second = (create_run(Path("runs/r"), tiny_config(), RECORD, "") for _ in range(2))
    assert (first.path, second.path) == (Path("runs/r"), Path("runs/r-2"))
    assert first.config() == second.config()


def test_no_other_process_trains_in_a_run_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "PATIENCE", 0.0)
    run = create_run(Path("r"), tiny_config(), RECORD, "")
    with held(run):
        with pytest.raises(ExistsError, match="is writing to r"), held(run):
            pass
        with pytest.raises(ExistsError):
            create_run(Path("r"), tiny_config(), RECORD, "", overwrite=True)
        assert run.record() == RECORD
    create_run(Path("r"), tiny_config(), RECORD, "", overwrite=True)


def test_a_former_run_that_cannot_be_removed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    create_run(Path("r"), tiny_config(), RECORD, "")

    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "state.pt")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(PermissionDeniedError, match="r cannot be written"):
        create_run(Path("r"), tiny_config(), RECORD, "", overwrite=True)


def test_the_newest_is_the_one_begun_last() -> None:
    with pytest.raises(MissingFileError, match="no run under runs/"):
        find_run("newest")
    for index, name in enumerate(("b", "c", "a")):
        run = create_run(Path("runs") / name, tiny_config(), RECORD, "")
        os.utime(run.path / "config.yaml", ns=(index, index))
    assert find_run("newest").path == Path("runs/a")


def test_what_cannot_be_resumed() -> None:
    with pytest.raises(MissingFileError, match="runs/none does not exist"):
        find_run("runs/none")
    Path("photos").mkdir()
    with pytest.raises(RunError, match=r"photos is not a run: it holds no config\.yaml"):
        find_run("photos")
    run = create_run(Path("r"), tiny_config(), RECORD, "")
    with pytest.raises(RunError, match="stopped before its first checkpoint"):
        last_state(run)
    for text in ("{half", "[]", '{"strange": 1}'):
        (run.path / "run.json").write_text(text)
        with pytest.raises(RunError, match=r"run\.json cannot be read"):
            run.record()
    (run.path / "config.yaml").write_text("generator: {widht: 3}\n")
    with pytest.raises(ConfigError, match="widht"):
        run.config()
    (run.path / "config.yaml").write_text("a: [")
    with pytest.raises(RunError, match=r"config\.yaml cannot be read"):
        run.config()
    assert RunFolder(Path()).name == Path.cwd().name


def test_a_run_stands_for_its_checkpoint() -> None:
    run = create_run(Path("runs/clip"), tiny_config(), RECORD, "")
    with pytest.raises(RunError, match="has no checkpoint yet") as caught:
        checkpoint_file(run.path)
    assert "--resume runs/clip" in caught.value.hint
    run.result.touch()
    assert checkpoint_file(run.path) == run.result
    assert checkpoint_file(Path("else.ckpt")) == Path("else.ckpt")
