"""The training state of a run (`state.pt`) and the checkpoint for synthesis (`.ckpt`).

Reading either file executes no code from it: safetensors, and torch.load with weights_only=True.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.core.checkpoint_header import DISCRIMINATOR_PREFIX, FORMAT_VERSION, METADATA_KEY, read_header
from vid2vid_cli.core.errors import ConfigError, RunError, TruncatedCheckpointError
from vid2vid_cli.core.geometry import View
from vid2vid_cli.core.types import ConditionSpec
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.styles import StyleBank
from vid2vid_cli.media.files import atomic_write, write_text
from vid2vid_cli.networks.generators import Generator

Weights = Mapping[str, Tensor]


class ConditionerConfig(BaseModel):
    """A conditioner of a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    options: dict[str, Any]
    channels: int
    statistics: dict[str, Any]


class CheckpointMetadata(BaseModel):
    """The metadata of a `.ckpt`: everything that synthesis needs in addition to the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[2] = 2
    name: str
    generator: GeneratorConfig
    conditioners: tuple[ConditionerConfig, ...]
    crop: Literal["subject", "center"]
    view: dict[str, Any]
    """View of the dataset's frames in training, as `View.to_json`."""
    height: int
    width: int
    """Size of the dataset's frames in pixels."""
    fps: str
    training: dict[str, Any]
    """Steps, seconds, dataset, preset, measured quality, licence."""
    created_by: str
    foreground_indices: tuple[int, ...] = ()
    """Condition channels of the foreground classes."""
    initial_frames: Literal["zeros", "real"] = "zeros"
    """Past frames at the start of a clip in training."""
    has_published_start: bool = False
    """Whether synthesis begins with given frames by default (`--initial-frame published`)."""
    image_generator: str = ""
    """File name, in the same folder, of the frame-wise checkpoint that generates these frames; "": none."""
    style_bank: StyleBank | None = None
    """None for a model without styles."""

    @property
    def condition_spec(self) -> ConditionSpec:
        """The generator's condition channels: those of all conditioners, concatenated."""
        style_encoder = None if self.style_bank is None else self.style_bank.encoder_spec
        num_channels = sum(conditioner.channels for conditioner in self.conditioners)
        return ConditionSpec(num_channels, self.foreground_indices, style_encoder)

    def crop_view(self) -> View:
        """The view of the dataset's frames."""
        return View.from_json(self.view)

    @property
    def output_size(self) -> tuple[int, int]:
        """(height, width) of the generated frames in pixels."""
        view = self.crop_view()
        return view.height, view.width

    def require_target(self, path: Path, target: Literal["frames", "labels"]) -> None:
        """Raise ConfigError if the generator of the checkpoint at `path` has another target."""
        if self.generator.target == target:
            return
        if target == "frames":
            raise ConfigError(
                f"{path} predicts label maps (generator.target=labels) and cannot generate frames.",
                f"Use it with: vid2vid predict {path} CLIP --renderer CHECKPOINT",
            )
        raise ConfigError(
            f"{path} generates frames (generator.target=frames) and cannot predict label maps.",
            "Train a prediction model on the same dataset: vid2vid train --set model=predict",
        )


def save_checkpoint(
    path: Path, generator: Generator, metadata: CheckpointMetadata, discriminators: Weights | None = None
) -> None:
    """Write a `.ckpt` atomically. Raises DiskFullError, PermissionDeniedError.

    `discriminators`: weights for later training, by their names in `TrainState`.
    """
    prefixed_discriminators = {f"{DISCRIMINATOR_PREFIX}{name}": value for name, value in (discriminators or {}).items()}
    weights = {**generator.state_dict(), **prefixed_discriminators}
    tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    header = {METADATA_KEY: json.dumps(metadata.model_dump(mode="json"))}

    def write(temp_path: Path) -> None:
        # safetensors' `save_file` would replace the OSError by an error of its own.
        temp_path.write_bytes(save(tensors, header))

    atomic_write(path, write)


def load_metadata(path: Path) -> CheckpointMetadata:
    """The metadata of a `.ckpt`. Raises the errors of `read_header`; TruncatedCheckpointError for invalid metadata."""
    data, _ = read_header(path)
    try:
        return CheckpointMetadata.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
        field_name = ".".join(map(str, problem["loc"]))
        message = f"{path} has invalid metadata: {field_name}: {problem['msg']}"
        raise TruncatedCheckpointError(message, "Copy it again, or train again.") from None


def load_checkpoint(path: Path, runtime: Runtime) -> tuple[Generator, CheckpointMetadata]:
    """The generator, ready for synthesis on `runtime`, and the metadata. Raises the errors of `load_metadata`."""
    metadata = load_metadata(path)
    generator = build_generator(metadata.generator, metadata.condition_spec)
    try:
        generator.load_state_dict(load_network_weights(path)["generator"])
    except (RuntimeError, ValueError, SafetensorError) as error:
        raise TruncatedCheckpointError(f"{path} is damaged: {error}", "Copy it again, or train again.") from None
    runtime.prepare_module(generator.eval().requires_grad_(False))
    return generator, metadata


def load_network_weights(path: Path) -> dict[str, dict[str, Tensor]]:
    """The weights of a `.ckpt` by network and name: `generator`, and discriminators if the file contains any.

    Raises SafetensorError for a damaged file.
    """
    networks: dict[str, dict[str, Tensor]] = {"generator": {}}
    for name, value in load_file(path).items():
        if name.startswith(DISCRIMINATOR_PREFIX):
            network, _, weight_name = name.removeprefix(DISCRIMINATOR_PREFIX).partition(".")
            networks.setdefault(network, {})[weight_name] = value
        else:
            networks["generator"][name] = value
    return networks


STATE_FILE_NAME = "state.pt"


def save_train_state(folder: Path, state: TrainState, extra: dict[str, Any]) -> Path:
    """Write `step_<n>/state.pt` in `folder` and point `last` at it; `extra` is JSON data.

    If the process is killed at any moment, `last` points at a complete checkpoint.
    """
    checkpoint_folder = folder / f"step_{state.step:07d}"
    payload = {"format_version": FORMAT_VERSION, "state": state.state_dict(), "extra": json.dumps(extra)}
    atomic_write(checkpoint_folder / STATE_FILE_NAME, lambda temp_path: _save_tensors(payload, temp_path))
    write_text(folder / "last", checkpoint_folder.name + "\n")
    return checkpoint_folder


def _save_tensors(payload: dict[str, Any], path: Path) -> None:
    try:
        with path.open("wb") as file:
            torch.save(payload, file)
    except RuntimeError as error:
        # torch replaces the OSError by an error of its own.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def mark_best(folder: Path, checkpoint_folder: Path) -> None:
    """Point `best` at a checkpoint folder that `save_train_state` returned."""
    write_text(folder / "best", checkpoint_folder.name + "\n")


def read_pointer(folder: Path, name: str) -> Path | None:
    """The checkpoint folder that `last` or `best` points at; None if there is none."""
    pointer = folder / name
    if not pointer.is_file():
        return None
    checkpoint_folder = folder / pointer.read_text(encoding="utf-8").strip()
    return checkpoint_folder if (checkpoint_folder / STATE_FILE_NAME).is_file() else None


def load_train_state(checkpoint_folder: Path, state: TrainState, runtime: Runtime) -> dict[str, Any]:
    """Restore a state that `save_train_state` wrote and return its `extra`. Raises RunError if it does not fit."""
    path = checkpoint_folder / STATE_FILE_NAME
    payload = read_state_file(path, runtime.device)
    try:
        state.load_state_dict(payload["state"])
        extra: dict[str, Any] = json.loads(payload["extra"])
    except Exception as error:
        raise _state_error(path, error) from error
    return extra


def read_state_file(path: Path, device: torch.device) -> dict[str, Any]:
    """The content of a `state.pt`. Raises RunError for an unreadable file or another format version."""
    try:
        payload: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        version = payload.get("format_version", 1)
    except Exception as error:
        raise _state_error(path, error) from error
    if version != FORMAT_VERSION:
        raise RunError(
            f"{path} has format {version}; this version of vid2vid reads format {FORMAT_VERSION}",
            "Start a new run: vid2vid train",
        )
    return payload


def _state_error(path: Path, error: Exception) -> RunError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return RunError(
        f"{path} cannot be read: {reason}",
        f"Delete {path.parent} to resume from an older checkpoint, or start a new run.",
    )


def prune_checkpoints(folder: Path, keep_last: int) -> None:
    """Delete all checkpoints except the newest `keep_last` and those that `last` and `best` point at."""
    referenced = {
        checkpoint_folder for name in ("last", "best") if (checkpoint_folder := read_pointer(folder, name)) is not None
    }
    checkpoints = sorted(path for path in folder.glob("step_*") if path.is_dir())
    for checkpoint_folder in checkpoints[:-keep_last]:
        if checkpoint_folder not in referenced:
            shutil.rmtree(checkpoint_folder, ignore_errors=True)
