"""Saving and loading of `.ckpt` files and training states."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from core.test_checkpoint_header import foreign_files
from helpers.factories import CPU, copy_weights, random_clips, tensors_equal, tiny_config, tiny_state

from vid2vid_cli.core.errors import (
    DiskFullError,
    ForeignCheckpointError,
    MissingFileError,
    PermissionDeniedError,
    RunError,
    TruncatedCheckpointError,
)
from vid2vid_cli.core.geometry import View
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import load_checkpoint, save_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, ConditionerConfig, load_metadata
from vid2vid_cli.engine.state_files import (
    STATE_FILE_NAME,
    load_train_state,
    mark_best,
    prune_checkpoints,
    read_pointer,
    save_train_state,
)
from vid2vid_cli.engine.step import train_step
from vid2vid_cli.engine.weight_files import save_weights
from vid2vid_cli.networks.generators import Generator


def make_metadata(**changes: Any) -> CheckpointMetadata:
    conditioner = ConditionerConfig(
        name="edges", options={"sigma": 2.0}, channels=1, statistics={"subject_box": [1, 2, 3, 4]}
    )
    defaults: dict[str, Any] = {
        "name": "Jürgen 人",
        "generator": tiny_config().generator,
        "conditioners": (conditioner,),
        "crop": "subject",
        "view": View.from_box((1, 2, 33, 34), 24, 24).to_json(),
        "height": 40,
        "width": 56,
        "fps": "30000/1001",
        "training": {"steps": 7},
        "created_by": "a test",
    }
    return CheckpointMetadata(**{**defaults, **changes})


def make_generator(**changes: Any) -> Generator:
    return build_generator(tiny_config(generator=changes).generator, ConditionSpec(1))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint with the weights of seed 3."""
    path = tmp_path / "a.ckpt"
    torch.manual_seed(3)
    save_checkpoint(path, make_generator(), make_metadata())
    return path


def test_checkpoint_round_trip(checkpoint: Path) -> None:
    torch.manual_seed(3)
    original = make_generator()
    generator, metadata = load_checkpoint(checkpoint, CPU)
    assert metadata == make_metadata()
    assert metadata.condition_spec == ConditionSpec(1)
    assert metadata.crop_view() == View.from_box((1, 2, 33, 34), 24, 24)
    assert tensors_equal(copy_weights(generator), copy_weights(original))
    assert not generator.training
    assert not any(parameter.requires_grad for parameter in generator.parameters())
    assert [path.name for path in checkpoint.parent.iterdir()] == ["a.ckpt"]


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.99])
def test_load_checkpoint_rejects_truncated_file(checkpoint: Path, fraction: float) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: max(9, int(fraction * len(content)))])
    with pytest.raises(TruncatedCheckpointError, match=r"a\.ckpt") as caught:
        load_checkpoint(checkpoint, CPU)
    assert caught.value.exit_code == 33


@pytest.mark.parametrize("kind", ["random", "pickle", "text", "safetensors"])
def test_load_checkpoint_rejects_foreign_file(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ForeignCheckpointError, match=kind) as caught:
        load_checkpoint(foreign_files(tmp_path)[kind], CPU)
    assert caught.value.exit_code == 32


def test_load_checkpoint_rejects_mismatched_tensors(checkpoint: Path, tmp_path: Path) -> None:
    """Weights of another architecture than in the metadata, and an unknown dtype."""
    other_checkpoint = tmp_path / "other.ckpt"
    save_checkpoint(
        other_checkpoint,
        make_generator(base_channels=8),
        make_metadata(),
    )
    with pytest.raises(TruncatedCheckpointError, match=r"other\.ckpt"):
        load_checkpoint(other_checkpoint, CPU)
    checkpoint.write_bytes(checkpoint.read_bytes().replace(b'"dtype":"F32"', b'"dtype":"X32"', 1))
    with pytest.raises(TruncatedCheckpointError, match=r"a\.ckpt"):
        load_checkpoint(checkpoint, CPU)


def test_load_checkpoint_rejects_flipped_bits(checkpoint: Path) -> None:
    """Anywhere in the file: length, header, metadata and weights."""
    content = checkpoint.read_bytes()
    for index in range(50):
        flipped = bytearray(content)
        position = index * len(content) // 50
        flipped[position] ^= 1 << index % 8
        checkpoint.write_bytes(flipped)
        with pytest.raises((TruncatedCheckpointError, ForeignCheckpointError), match=r"a\.ckpt"):
            load_checkpoint(checkpoint, CPU)
    checkpoint.write_bytes(content.replace(b'"sha256":', b'"sha255":', 1))
    with pytest.raises(TruncatedCheckpointError, match="no checksum"):
        load_checkpoint(checkpoint, CPU)


def test_load_checkpoint_rejects_other_weights(tmp_path: Path) -> None:
    """Values that are not finite, another type, a missing and an unknown name; all with a valid checksum."""
    path, weights = tmp_path / "a.ckpt", dict(make_generator().state_dict())
    name = next(iter(weights))
    changes: dict[str, dict[str, torch.Tensor]] = {
        "not finite": {name: weights[name] * float("nan")},
        "int8": {name: weights[name].to(torch.int8)},
        "float16": {name: weights[name].half()},
        "unknown weights": {"extra": torch.zeros(1)},
    }
    for message, change in changes.items():
        save_weights(path, {**weights, **change}, make_metadata().model_dump_json())
        with pytest.raises(TruncatedCheckpointError, match=message):
            load_checkpoint(path, CPU)
    del weights[name]
    save_weights(path, weights, make_metadata().model_dump_json())
    with pytest.raises(TruncatedCheckpointError, match=name):
        load_checkpoint(path, CPU)


def test_load_checkpoint_allocates_nothing_before_shapes_are_compared(tmp_path: Path) -> None:
    """A file of a few kB that declares a generator of tens of gigabytes."""
    config = tiny_config(generator={"base_channels": 1024, "num_downsamples": 3}).generator
    save_checkpoint(tmp_path / "a.ckpt", make_generator(), make_metadata(generator=config))
    peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TruncatedCheckpointError, match="1024"):
        load_checkpoint(tmp_path / "a.ckpt", CPU)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before < 100_000  # kB


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("fps", value) for value in ("1/0", "0", "1e9999999", "-25", "nan", 25)),
        *(("view", {"matrix": matrix, "height": 24, "width": 24}) for matrix in ([[1, 1, 0], [1, 1, 0]], [[1]], "x")),
        ("view", {"matrix": [[1, 0, float("nan")], [0, 1, 0]], "height": 24, "width": 24}),
        ("view", {"matrix": [[1, 0, 0], [0, 1, 0]], "height": 30000, "width": 30000}),
        ("view", {"matrix": [[1, 0, 0], [0, 1, 0]], "height": 24.5, "width": 24}),
        ("width", 0),
        ("name", "../../a"),
        ("foreground_indices", [1]),
        ("conditioners", []),
        ("conditioners", [{"name": "edges", "options": {}, "channels": 10**9, "statistics": {}}]),
        ("conditioners", [{"name": "edges", "options": {}, "channels": 1, "statistics": {"subject_box": [1, 2]}}]),
        ("generator", {"num_res_blocks": 10**9}),
    ],
)
def test_load_metadata_rejects_invalid_values(tmp_path: Path, field: str, value: object) -> None:
    metadata = {**make_metadata().model_dump(mode="json"), field: value}
    save_weights(tmp_path / "a.ckpt", make_generator().state_dict(), json.dumps(metadata))
    with pytest.raises(TruncatedCheckpointError, match=r"a\.ckpt has invalid metadata"):
        load_metadata(tmp_path / "a.ckpt")


def test_load_metadata_rejects_invalid_metadata(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes().replace(b"created_by", b"created_on", 1))
    with pytest.raises(TruncatedCheckpointError, match="created_by"):
        load_metadata(checkpoint)
    with pytest.raises(MissingFileError):
        load_metadata(checkpoint.with_name("b.ckpt"))


@pytest.mark.parametrize(("version", "advice"), [(1, "vid2vid train"), (3, "pip install -U")])
def test_load_metadata_rejects_other_format_versions(checkpoint: Path, version: int, advice: str) -> None:
    content = checkpoint.read_bytes()
    current, other = (f'\\"format_version\\": {number}'.encode() for number in (2, version))
    assert content.count(current) == 1
    checkpoint.write_bytes(content.replace(current, other))
    with pytest.raises(ForeignCheckpointError, match=f"format {version}") as caught:
        load_metadata(checkpoint)
    assert advice in caught.value.hint


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 kB."""
    disk = tmp_path / "tiny"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", disk], capture_output=True).returncode
    ):
        pytest.skip("mounting a file system needs root")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_full_disk_keeps_existing_files(tiny_disk: Path) -> None:
    """Errors of torch and safetensors become DiskFullError, and the existing checkpoint is not damaged."""
    generator = make_generator()
    save_checkpoint(tiny_disk / "a.ckpt", generator, make_metadata())
    for _ in range(2):
        with pytest.raises(DiskFullError, match=r"a\.ckpt"):
            save_checkpoint(
                tiny_disk / "a.ckpt",
                make_generator(base_channels=32),
                make_metadata(),
            )
    assert load_metadata(tiny_disk / "a.ckpt") == make_metadata()
    with pytest.raises(DiskFullError, match=STATE_FILE_NAME):
        save_train_state(tiny_disk / "checkpoints", tiny_state(tiny_config())[1], {})
    assert read_pointer(tiny_disk / "checkpoints", "last") is None
    assert not list(tiny_disk.rglob(".*"))


def test_save_checkpoint_reports_read_only_disk(tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    with pytest.raises(PermissionDeniedError, match=r"a\.ckpt"):
        save_checkpoint(tiny_disk / "a.ckpt", make_generator(), make_metadata())


def test_train_state_contains_tensors_and_primitives_only(tmp_path: Path) -> None:
    """A new process can load it with weights_only=True and without vid2vid_cli."""
    context, state = tiny_state(tiny_config())
    train_step(context, state, random_clips())
    checkpoint_folder = save_train_state(tmp_path, state, {"elapsed_seconds": 2.0, "best_score": None})
    code = (
        "import sys, torch; saved = torch.load(sys.argv[1], weights_only=True);"
        "assert saved['state']['step'] == 1;"
        "assert saved['extra'] == '{\"elapsed_seconds\": 2.0, \"best_score\": null}';"
        "assert {'generator', 'image_discriminator', 'temporal_discriminators', 'generator_ema', 'generator_optimizer',"
        " 'discriminator_optimizer'} < set(saved['state']); assert 'vid2vid_cli' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(checkpoint_folder / STATE_FILE_NAME)], check=True)


def test_load_train_state_restores_ema(tmp_path: Path) -> None:
    context, state = tiny_state(tiny_config())
    for index in range(2):
        train_step(context, state, random_clips(index))
    checkpoint_folder = save_train_state(tmp_path, state, {})
    restored = tiny_state(tiny_config(runtime={"seed": 9}))[1]
    load_train_state(checkpoint_folder, restored, CPU)
    assert tensors_equal(copy_weights(restored.generator_ema), copy_weights(state.generator_ema))
    assert tensors_equal(copy_weights(restored.generator), copy_weights(state.generator))
    assert not tensors_equal(copy_weights(restored.generator_ema), copy_weights(restored.generator))
    assert restored.step == 2


def test_load_train_state_rejects_mismatched_or_damaged_state(tmp_path: Path) -> None:
    checkpoint_folder = save_train_state(tmp_path, tiny_state(tiny_config())[1], {})
    with pytest.raises(RunError, match=STATE_FILE_NAME):
        load_train_state(checkpoint_folder, tiny_state(tiny_config(generator={"base_channels": 8}))[1], CPU)
    content = (checkpoint_folder / STATE_FILE_NAME).read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 5):
        (checkpoint_folder / STATE_FILE_NAME).write_bytes(content[:length])
        with pytest.raises(RunError, match=STATE_FILE_NAME):
            load_train_state(checkpoint_folder, tiny_state(tiny_config())[1], CPU)


def test_load_train_state_rejects_flipped_bits_and_values_that_are_not_finite(tmp_path: Path) -> None:
    context, state = tiny_state(tiny_config())
    train_step(context, state, random_clips())
    path = save_train_state(tmp_path, state, {}) / STATE_FILE_NAME
    content, expected = path.read_bytes(), copy_weights(state.generator)
    num_rejected = 0
    for index in range(20):
        flipped, restored = bytearray(content), tiny_state(tiny_config())[1]
        flipped[index * len(content) // 20] ^= 1 << index % 8
        path.write_bytes(flipped)
        try:
            load_train_state(path.parent, restored, CPU)
            assert tensors_equal(copy_weights(restored.generator), expected)  # a bit between the parts of the archive
        except RunError:
            num_rejected += 1
    assert num_rejected >= 5
    moments = next(iter(state.generator_optimizer.state.values()))
    for values in (moments["exp_avg"], next(state.generator.parameters()).data):
        values[(0,) * values.dim()] = float("nan")
        save_train_state(tmp_path, state, {})
        with pytest.raises(RunError, match="finite"):
            load_train_state(path.parent, tiny_state(tiny_config())[1], CPU)
        values[(0,) * values.dim()] = 0


@pytest.mark.parametrize("content", [b"../../elsewhere", b"/etc", b"", b"\xff\xfe", b"step_0000000\x00"])
def test_read_pointer_ignores_other_content(tmp_path: Path, content: bytes) -> None:
    save_train_state(tmp_path / "checkpoints", tiny_state(tiny_config())[1], {})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / STATE_FILE_NAME).touch()
    (tmp_path / "checkpoints" / "last").write_bytes(content)
    assert read_pointer(tmp_path / "checkpoints", "last") is None


def test_pointers_to_last_and_best_checkpoint(tmp_path: Path) -> None:
    assert read_pointer(tmp_path, "last") is None
    state = tiny_state(tiny_config())[1]
    first = save_train_state(tmp_path, state, {})
    mark_best(tmp_path, first)
    state.step = 12
    second = save_train_state(tmp_path, state, {})
    assert (first.name, second.name) == ("step_0000000", "step_0000012")
    assert (read_pointer(tmp_path, "best"), read_pointer(tmp_path, "last")) == (first, second)
    (second / STATE_FILE_NAME).unlink()
    assert read_pointer(tmp_path, "last") is None


@pytest.mark.parametrize(
    ("keep_last", "best_step", "expected_steps"),
    [(2, 1, [1, 4, 5]), (1, 5, [5]), (3, 2, [2, 3, 4, 5]), (9, 0, [0, 1, 2, 3, 4, 5])],
)
def test_prune_checkpoints_keeps_newest_and_best(
    tmp_path: Path, keep_last: int, best_step: int, expected_steps: list[int]
) -> None:
    state = tiny_state(tiny_config(temporal_discriminator={"frame_strides": ()}))[1]
    for index in range(6):
        state.step = index
        checkpoint_folder = save_train_state(tmp_path, state, {})
        if index == best_step:
            mark_best(tmp_path, checkpoint_folder)
    prune_checkpoints(tmp_path, keep_last)
    assert [int(path.name[5:]) for path in sorted(tmp_path.glob("step_*"))] == expected_steps
    assert read_pointer(tmp_path, "last") is not None
    assert read_pointer(tmp_path, "best") is not None


def test_prune_checkpoints_keeps_last_that_is_not_newest(tmp_path: Path) -> None:
    """A run that is resumed from an older state writes smaller step numbers than those on disk."""
    state = tiny_state(tiny_config(temporal_discriminator={"frame_strides": ()}))[1]
    for index in (5, 6, 2):
        state.step = index
        checkpoint_folder = save_train_state(tmp_path, state, {})
    prune_checkpoints(tmp_path, 1)
    assert read_pointer(tmp_path, "last") == checkpoint_folder
