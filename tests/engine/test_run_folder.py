"""Run folders: names, round trips, lookup and locking."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from helpers.factories import tiny_config

from vid2vid_cli.core.errors import ConfigError, MissingFileError, OutputExistsError, PermissionDeniedError, RunError
from vid2vid_cli.engine import folder_lock
from vid2vid_cli.engine.run_folder import (
    RunFolder,
    RunRecord,
    choose_run_folder,
    create_run,
    find_run,
    find_run_datasets,
    lock_run,
    resolve_checkpoint,
)
from vid2vid_cli.engine.state_files import find_last_state

RUN_RECORD = RunRecord(dataset="datasets/clip", preset="tiny", precision="fp32", device="cpu")


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_create_run_round_trips_config_and_record() -> None:
    config = tiny_config(optimizer={"lr": 1e-4}, temporal_discriminator={"frame_strides": (1, 2)})
    run = create_run(Path("runs/Jürgen 人"), config, RUN_RECORD, "vid2vid train --set a=b")
    reopened = find_run(Path("runs/Jürgen 人"))
    assert reopened == run
    assert reopened.load_config() == config
    assert reopened.load_record() == RUN_RECORD
    assert (run.path / "command.txt").read_text() == "vid2vid train --set a=b\n"
    assert json.loads((run.path / "env.json").read_text())["torch"]
    assert run.checkpoint_path.name == "Jürgen 人.ckpt"


def test_choose_run_folder_avoids_taken_names() -> None:
    data = Path("datasets/clip")
    assert choose_run_folder(None, data, overwrite=False) == Path("runs/clip")
    create_run(Path("runs/clip"), tiny_config(), RUN_RECORD, "")
    assert choose_run_folder(None, data, overwrite=False) == Path("runs/clip-2")
    create_run(Path("runs/clip-2"), tiny_config(), RUN_RECORD, "")
    assert choose_run_folder(None, data, overwrite=False) == Path("runs/clip-3")
    assert choose_run_folder(None, data, overwrite=True) == Path("runs/clip")
    assert choose_run_folder(Path("mine"), data, overwrite=False) == Path("mine")


def test_choose_run_folder_keeps_dots_in_names() -> None:
    create_run(Path("runs/v1.5"), tiny_config(), RUN_RECORD, "")
    assert choose_run_folder(Path("runs/v1.5"), Path("clip"), overwrite=False) == Path("runs/v1.5-2")
    create_run(Path("runs/v1.5-2"), tiny_config(), RUN_RECORD, "")
    assert choose_run_folder(Path("runs/v1.5"), Path("clip"), overwrite=False) == Path("runs/v1.5-3")


def test_find_run_dataset_searches_known_locations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("datasets/clip").mkdir(parents=True)
    run = create_run(
        Path("runs/clip"),
        tiny_config(),
        dataclasses.replace(RUN_RECORD, dataset=str(tmp_path / RUN_RECORD.dataset)),
        "",
    )
    assert find_run_datasets(run)[0] == Path("datasets/clip")
    absolute_run = RunFolder(run.path.absolute())
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    assert find_run_datasets(absolute_run)[0] == tmp_path / "datasets/clip"
    old_run = create_run(tmp_path / "runs/former", tiny_config(), RUN_RECORD, "")
    assert find_run_datasets(old_run)[0] == tmp_path / "datasets/clip"
    moved_run = create_run(
        Path("deep/m"), tiny_config(), dataclasses.replace(RUN_RECORD, dataset="/gone/datasets/clip"), ""
    )
    with pytest.raises(MissingFileError, match="/gone/datasets/clip"):
        find_run_datasets(moved_run)
    Path("datasets/clip").mkdir(parents=True)
    assert find_run_datasets(moved_run)[0] == Path("datasets/clip")


def test_choose_run_folder_never_overwrites_other_folders() -> None:
    Path("photos").mkdir()
    Path("photos/mother.jpg").touch()
    with pytest.raises(OutputExistsError, match="photos"):
        choose_run_folder(Path("photos"), Path("clip"), overwrite=True)
    assert choose_run_folder(Path("photos"), Path("clip"), overwrite=False) == Path("photos-2")


def test_create_run_overwrite_removes_old_files() -> None:
    run = create_run(Path("r"), tiny_config(), RUN_RECORD, "")
    (run.path / "old.png").touch()
    create_run(Path("r"), tiny_config(), RUN_RECORD, "", overwrite=True)
    assert not (run.path / "old.png").exists()


def test_create_run_handles_concurrent_creation() -> None:
    """Two processes choose the same name at the same time."""
    first, second = (create_run(Path("runs/r"), tiny_config(), RUN_RECORD, "") for _ in range(2))
    assert (first.path, second.path) == (Path("runs/r"), Path("runs/r-2"))
    assert first.load_config() == second.load_config()


def test_lock_run_excludes_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "LOCK_TIMEOUT_SECONDS", 0.0)
    run = create_run(Path("r"), tiny_config(), RUN_RECORD, "")
    with lock_run(run):
        with pytest.raises(OutputExistsError, match="r"), lock_run(run):
            pass
        with pytest.raises(OutputExistsError):
            create_run(Path("r"), tiny_config(), RUN_RECORD, "", overwrite=True)
        assert run.load_record() == RUN_RECORD
    create_run(Path("r"), tiny_config(), RUN_RECORD, "", overwrite=True)


def test_create_run_reports_unremovable_run(monkeypatch: pytest.MonkeyPatch) -> None:
    create_run(Path("r"), tiny_config(), RUN_RECORD, "")

    def raise_read_only(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "state.pt")

    monkeypatch.setattr(shutil, "rmtree", raise_read_only)
    with pytest.raises(PermissionDeniedError, match="r"):
        create_run(Path("r"), tiny_config(), RUN_RECORD, "", overwrite=True)


def test_find_run_newest_is_latest_started() -> None:
    with pytest.raises(MissingFileError, match="runs/"):
        find_run("newest")
    for index, name in enumerate(("b", "c", "a")):
        run = create_run(Path("runs") / name, tiny_config(), RUN_RECORD, "")
        os.utime(run.path / "config.yaml", ns=(index, index))
    assert find_run("newest").path == Path("runs/a")


def test_run_folder_rejects_invalid_runs() -> None:
    with pytest.raises(MissingFileError, match="runs/none"):
        find_run("runs/none")
    Path("photos").mkdir()
    with pytest.raises(RunError, match=r"config\.yaml"):
        find_run("photos")
    run = create_run(Path("r"), tiny_config(), RUN_RECORD, "")
    with pytest.raises(RunError, match="r"):
        find_last_state(run.checkpoints)
    for text in ("{half", "[]", '{"strange": 1}'):
        (run.path / "run.json").write_text(text)
        with pytest.raises(RunError, match=r"run\.json"):
            run.load_record()
    (run.path / "config.yaml").write_text("schema_version: 2\ngenerator: {widht: 3}\n")
    with pytest.raises(ConfigError, match="widht"):
        run.load_config()
    (run.path / "config.yaml").write_text("a: [")
    with pytest.raises(RunError, match=r"config\.yaml"):
        run.load_config()
    assert RunFolder(Path()).name == Path.cwd().name


@pytest.mark.parametrize("version", [1, 3])
def test_load_config_rejects_other_schema_versions(version: int) -> None:
    run = create_run(Path("r"), tiny_config(), RUN_RECORD, "")
    path = run.path / "config.yaml"
    path.write_text(path.read_text().replace("schema_version: 2", f"schema_version: {version}"))
    with pytest.raises(RunError, match=f"schema_version {version}") as caught:
        run.load_config()
    assert "vid2vid train" in caught.value.hint


def test_resolve_checkpoint_accepts_run_folder() -> None:
    run = create_run(Path("runs/clip"), tiny_config(), RUN_RECORD, "")
    with pytest.raises(RunError, match="runs/clip") as caught:
        resolve_checkpoint(run.path)
    assert "--resume runs/clip" in caught.value.hint
    run.checkpoint_path.touch()
    assert resolve_checkpoint(run.path) == run.checkpoint_path
    assert resolve_checkpoint(Path("else.ckpt")) == Path("else.ckpt")


def test_resolve_checkpoint_of_renamed_run_folder_finds_its_only_checkpoint() -> None:
    run = create_run(Path("runs/clip"), tiny_config(), RUN_RECORD, "")
    run.checkpoint_path.touch()
    renamed = run.path.rename("runs/renamed")
    assert resolve_checkpoint(renamed) == renamed / "clip.ckpt"
    (renamed / "clip_other.ckpt").touch()
    with pytest.raises(RunError, match=r"no renamed\.ckpt.*clip\.ckpt, clip_other\.ckpt") as caught:
        resolve_checkpoint(renamed)
    assert str(renamed / "clip.ckpt") in caught.value.hint
    (renamed / "renamed.ckpt").touch()
    assert resolve_checkpoint(renamed) == renamed / "renamed.ckpt"


def test_load_config_of_runs_without_size_rule_keeps_their_height() -> None:
    """Before the setting existed, `data.height` was the height of every frame shape."""
    config = tiny_config(data={"height": 48, "aspect_ratio": "subject"})
    run = create_run(Path("runs/clip"), config, RUN_RECORD, "")
    path = run.path / "config.yaml"
    text = path.read_text()
    assert text.count("  size_rule: height\n") == 1
    path.write_text(text.replace("  size_rule: height\n", ""))
    assert run.load_config() == config
    assert run.load_config().data.output_size(100, 200, (0, 0, 30, 60)) == (48, 24)
