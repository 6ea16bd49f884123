"""What survives: the `.ckpt`, and the state of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from core.test_checkpoint_header import foreign_files
from helpers.factories import CPU, same, some_clips, tiny_config, tiny_state, weights_of

from vid2vid_cli.core.errors import (
    DiskFullError,
    ForeignCheckpointError,
    MissingFileError,
    PermissionDeniedError,
    RunError,
    TruncatedCheckpointError,
)
from vid2vid_cli.core.geometry import View
from vid2vid_cli.core.types import ConditionLayout
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import (
    STATE_FILE,
    CheckpointInfo,
    ConditionerUse,
    drop_old,
    load_checkpoint,
    load_info,
    load_state,
    mark_best,
    pointed,
    save_checkpoint,
    save_state,
)
from vid2vid_cli.engine.step import train_step


def info(**changes: Any) -> CheckpointInfo:
    use = ConditionerUse(name="edges", options={"sigma": 2.0}, channels=1, statistics={"focus": [1, 2, 3, 4]})
    plain = {
        "name": "Jürgen 人",
        "generator": tiny_config().generator,
        "conditioners": (use,),
        "crop": "focus",
        "view": View.of_box((1, 2, 33, 34), 24, 24).to_json(),
        "height": 40,
        "width": 56,
        "fps": "30000/1001",
        "training": {"steps": 7},
        "created_by": "a test",
    }
    return CheckpointInfo(**{**plain, **changes})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "a.ckpt"
    torch.manual_seed(3)
    save_checkpoint(path, build_generator(info().generator, ConditionLayout(1)), info())
    return path


def test_round_trip(saved: Path) -> None:
    torch.manual_seed(3)
    original = build_generator(info().generator, ConditionLayout(1))
    generator, read = load_checkpoint(saved, CPU)
    assert read == info()
    assert read.layout == ConditionLayout(1)
    assert read.frame_view() == View.of_box((1, 2, 33, 34), 24, 24)
    assert same(weights_of(generator), weights_of(original))
    assert not generator.training
    assert not any(parameter.requires_grad for parameter in generator.parameters())
    assert [path.name for path in saved.parent.iterdir()] == ["a.ckpt"]


@pytest.mark.parametrize("part", [0.01, 0.2, 0.5, 0.99])
def test_a_truncated_file_is_told(saved: Path, part: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: max(9, int(part * len(whole)))])
    with pytest.raises(TruncatedCheckpointError, match=r"a\.ckpt is cut off or damaged") as caught:
        load_checkpoint(saved, CPU)
    assert caught.value.exit_code == 33


@pytest.mark.parametrize("kind", ["random", "pickle", "text", "safetensors"])
def test_a_foreign_file_is_told(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ForeignCheckpointError, match=kind) as caught:
        load_checkpoint(foreign_files(tmp_path)[kind], CPU)
    assert caught.value.exit_code == 32


def test_tensors_that_do_not_fit_are_told(saved: Path, tmp_path: Path) -> None:
    """Of another architecture than the metadata says; and with a type that does not exist."""
    other = tmp_path / "other.ckpt"
    save_checkpoint(other, build_generator(tiny_config(generator={"width": 8}).generator, ConditionLayout(1)), info())
    with pytest.raises(TruncatedCheckpointError, match=r"other\.ckpt is damaged"):
        load_checkpoint(other, CPU)
    saved.write_bytes(saved.read_bytes().replace(b'"dtype":"F32"', b'"dtype":"X32"', 1))
    with pytest.raises(TruncatedCheckpointError, match=r"a\.ckpt is damaged"):
        load_checkpoint(saved, CPU)


def test_one_of_another_version_is_told(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes().replace(b"created_by", b"created_on", 1))
    with pytest.raises(TruncatedCheckpointError, match="another version") as caught:
        load_info(saved)
    assert "pip install -U" in caught.value.hint
    with pytest.raises(MissingFileError):
        load_info(saved.with_name("b.ckpt"))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 kB."""
    disk = tmp_path / "tiny"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", disk], capture_output=True).returncode
    ):
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_keeps_what_was_there(tiny_disk: Path) -> None:
    """Whatever torch and safetensors make of it, it is one error of ours, and the older file is whole."""
    generator = build_generator(info().generator, ConditionLayout(1))
    save_checkpoint(tiny_disk / "a.ckpt", generator, info())
    for _ in range(2):
        with pytest.raises(DiskFullError, match=r"No space left .*a\.ckpt"):
            save_checkpoint(
                tiny_disk / "a.ckpt",
                build_generator(tiny_config(generator={"width": 32}).generator, ConditionLayout(1)),
                info(),
            )
    assert load_info(tiny_disk / "a.ckpt") == info()
    with pytest.raises(DiskFullError, match=STATE_FILE):
        save_state(tiny_disk / "checkpoints", tiny_state(tiny_config())[1], {})
    assert pointed(tiny_disk / "checkpoints", "last") is None
    assert not list(tiny_disk.rglob(".*"))


def test_a_disk_for_reading_only(tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    with pytest.raises(PermissionDeniedError, match=r"a\.ckpt"):
        save_checkpoint(tiny_disk / "a.ckpt", build_generator(info().generator, ConditionLayout(1)), info())


def test_the_state_holds_tensors_and_primitives_only(tmp_path: Path) -> None:
    """In a fresh process, by torch's safe loader, without our package."""
    trainer, state = tiny_state(tiny_config())
    train_step(trainer, state, some_clips())
    place = save_state(tmp_path, state, {"seconds": 2.0, "best": None})
    code = (
        "import sys, torch; saved = torch.load(sys.argv[1], weights_only=True);"
        "assert saved['state']['step'] == 1; assert saved['extra'] == '{\"seconds\": 2.0, \"best\": null}';"
        "assert {'generator', 'discriminator', 'temporal', 'average', 'generator_optimizer',"
        " 'discriminator_optimizer'} < set(saved['state']); assert 'vid2vid_cli' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(place / STATE_FILE)], check=True)


def test_the_average_is_saved_and_restored(tmp_path: Path) -> None:
    trainer, state = tiny_state(tiny_config())
    for index in range(2):
        train_step(trainer, state, some_clips(index))
    place = save_state(tmp_path, state, {})
    fresh = tiny_state(tiny_config(engine={"seed": 9}))[1]
    load_state(place, fresh, CPU)
    assert same(weights_of(fresh.average), weights_of(state.average))
    assert same(weights_of(fresh.generator), weights_of(state.generator))
    assert not same(weights_of(fresh.average), weights_of(fresh.generator))
    assert fresh.step == 2


def test_a_state_that_does_not_fit_is_told(tmp_path: Path) -> None:
    place = save_state(tmp_path, tiny_state(tiny_config())[1], {})
    with pytest.raises(RunError, match="cannot be resumed from"):
        load_state(place, tiny_state(tiny_config(generator={"width": 8}))[1], CPU)
    whole = (place / STATE_FILE).read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 5):
        (place / STATE_FILE).write_bytes(whole[:length])
        with pytest.raises(RunError, match="cannot be resumed from"):
            load_state(place, tiny_state(tiny_config())[1], CPU)


def test_pointers(tmp_path: Path) -> None:
    assert pointed(tmp_path, "last") is None
    state = tiny_state(tiny_config())[1]
    first = save_state(tmp_path, state, {})
    mark_best(tmp_path, first)
    state.step = 12
    second = save_state(tmp_path, state, {})
    assert (first.name, second.name) == ("step_0000000", "step_0000012")
    assert (pointed(tmp_path, "best"), pointed(tmp_path, "last")) == (first, second)
    (second / STATE_FILE).unlink()
    assert pointed(tmp_path, "last") is None


@pytest.mark.parametrize(
    ("keep", "best", "left"), [(2, 1, [1, 4, 5]), (1, 5, [5]), (3, 2, [2, 3, 4, 5]), (9, 0, [0, 1, 2, 3, 4, 5])]
)
def test_the_newest_and_the_best_are_kept(tmp_path: Path, keep: int, best: int, left: list[int]) -> None:
    state = tiny_state(tiny_config(temporal={"rates": ()}))[1]
    for index in range(6):
        state.step = index
        place = save_state(tmp_path, state, {})
        if index == best:
            mark_best(tmp_path, place)
    drop_old(tmp_path, keep)
    assert [int(path.name[5:]) for path in sorted(tmp_path.glob("step_*"))] == left
    assert pointed(tmp_path, "last") is not None
    assert pointed(tmp_path, "best") is not None


def test_the_last_is_kept_even_where_it_is_not_the_newest(tmp_path: Path) -> None:
    """A run resumed from an older state writes numbers below those on disk."""
    state = tiny_state(tiny_config(temporal={"rates": ()}))[1]
    for index in (5, 6, 2):
        state.step = index
        place = save_state(tmp_path, state, {})
    drop_old(tmp_path, 1)
    assert pointed(tmp_path, "last") == place
