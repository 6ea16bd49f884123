"""What survives: the training state of a run, and the one-file checkpoint that synthesis needs.

Neither can execute anything when it is read.
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
from vid2vid_cli.core.checkpoint_header import JUDGES, KEY, read_header
from vid2vid_cli.core.errors import RunError, TruncatedCheckpointError
from vid2vid_cli.core.geometry import View
from vid2vid_cli.core.types import ConditionLayout
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.engine.style_bank import StyleBank
from vid2vid_cli.media.files import write_text, write_whole
from vid2vid_cli.networks.generators import Generator

Weights = Mapping[str, Tensor]


class ConditionerUse(BaseModel):
    """A conditioner as a checkpoint remembers it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    options: dict[str, Any]
    channels: int
    statistics: dict[str, Any]


class CheckpointInfo(BaseModel):
    """The metadata of a `.ckpt`: all that synthesis must know besides the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = 1
    name: str
    generator: GeneratorConfig
    conditioners: tuple[ConditionerUse, ...]
    crop: Literal["focus", "whole"]
    view: dict[str, Any]
    """Of the frames of the dataset it learned from, as `View.to_json`."""
    height: int
    """Of those frames."""
    width: int
    fps: str
    training: dict[str, Any]
    """Steps, seconds, dataset, preset, measured quality."""
    created_by: str
    foreground: tuple[int, ...] = ()
    """The condition channels of the foreground's classes."""
    first: Literal["zeros", "real"] = "zeros"
    """What clips began with in training."""
    styles: StyleBank | None = None
    """None: a model that is told of no styles."""

    @property
    def layout(self) -> ConditionLayout:
        """What the generator was built for: the channels of all conditioners, one below the other."""
        style = None if self.styles is None else self.styles.shape
        return ConditionLayout(sum(use.channels for use in self.conditioners), self.foreground, style)

    def frame_view(self) -> View:
        """The view of the target's frames."""
        return View.from_json(self.view)

    @property
    def picture(self) -> tuple[int, int]:
        """(height, width) of what the generator draws."""
        view = self.frame_view()
        return view.height, view.width


def save_checkpoint(path: Path, generator: Generator, info: CheckpointInfo, judges: Weights | None = None) -> None:
    """Write a `.ckpt`, whole or not at all. Raises DiskFullError, PermissionDeniedError.

    `judges`: discriminators for training to go on from, by their names in `TrainState`: `discriminator.copies.64. ...`
    """
    own = {**generator.state_dict(), **{f"{JUDGES}{name}": value for name, value in (judges or {}).items()}}
    tensors = {name: value.detach().cpu().contiguous() for name, value in own.items()}
    metadata = {KEY: json.dumps(info.model_dump(mode="json"))}

    def write(unfinished: Path) -> None:
        # Not safetensors' own `save_file`: it hides what the disk said in an error of its own.
        unfinished.write_bytes(save(tensors, metadata))

    write_whole(path, write)


def load_info(path: Path) -> CheckpointInfo:
    """The metadata alone. Raises the errors of `read_header`, and TruncatedCheckpointError for a damaged text."""
    data, _ = read_header(path)
    try:
        return CheckpointInfo.model_validate(data)
    except ValidationError as error:
        raise TruncatedCheckpointError(
            f"{path} was written by another version of vid2vid: {error.errors()[0]['msg']}",
            "Update vid2vid: pip install -U vid2vid-cli",
        ) from None


def load_checkpoint(path: Path, machine: Machine) -> tuple[Generator, CheckpointInfo]:
    """The generator, ready for synthesis on `machine`, and its metadata; the errors of `load_info`."""
    info = load_info(path)
    generator = build_generator(info.generator, info.layout)
    try:
        generator.load_state_dict(load_networks(path)["generator"])
    except (RuntimeError, ValueError, SafetensorError) as error:
        raise TruncatedCheckpointError(f"{path} is damaged: {error}", "Copy it again, or train again.") from None
    machine.place(generator.eval().requires_grad_(False))
    return generator, info


def load_networks(path: Path) -> dict[str, dict[str, Tensor]]:
    """The weights of a `.ckpt` by network and name: `generator`, and discriminators where it was imported with any.

    Raises SafetensorError for a damaged file.
    """
    found: dict[str, dict[str, Tensor]] = {"generator": {}}
    for name, value in load_file(path).items():
        if name.startswith(JUDGES):
            network, _, rest = name.removeprefix(JUDGES).partition(".")
            found.setdefault(network, {})[rest] = value
        else:
            found["generator"][name] = value
    if any(name.startswith("condition_encoder.") for name in found["generator"]):
        # Written before there were scales: these are the coarsest's.
        found["generator"] = {f"networks.0.{name}": value for name, value in found["generator"].items()}
    return found


STATE_FILE = "state.pt"


def save_state(folder: Path, state: TrainState, extra: dict[str, Any]) -> Path:
    """Write `step_<n>/state.pt` under `folder` and point `last` at it; `extra` is plain JSON data.

    Tensors and primitives only. A kill at any moment leaves the former checkpoint as the last one.
    """
    place = folder / f"step_{state.step:07d}"
    saved = {"state": state.state_dict(), "extra": json.dumps(extra)}
    write_whole(place / STATE_FILE, lambda unfinished: _save_tensors(saved, unfinished))
    write_text(folder / "last", place.name + "\n")
    return place


def _save_tensors(saved: dict[str, Any], path: Path) -> None:
    try:
        with path.open("wb") as file:
            torch.save(saved, file)
    except RuntimeError as error:
        # torch hides what the disk said behind an error of its own.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def mark_best(folder: Path, place: Path) -> None:
    """Point `best` at a checkpoint that `save_state` wrote."""
    write_text(folder / "best", place.name + "\n")


def pointed(folder: Path, name: str) -> Path | None:
    """The checkpoint that `last` or `best` points at; None where there is none."""
    pointer = folder / name
    if not pointer.is_file():
        return None
    place = folder / pointer.read_text(encoding="utf-8").strip()
    return place if (place / STATE_FILE).is_file() else None


def load_state(place: Path, state: TrainState, machine: Machine) -> dict[str, Any]:
    """Restore a state that `save_state` wrote and return its `extra`. Raises RunError where it does not fit."""
    path = place / STATE_FILE
    try:
        saved = torch.load(path, map_location=machine.device, weights_only=True)
        state.load_state_dict(saved["state"])
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise RunError(
            f"{path} cannot be resumed from: {reason}",
            "Delete that folder to resume from an older checkpoint, or start a new run.",
        ) from error
    extra: dict[str, Any] = json.loads(saved["extra"])
    return extra


def drop_old(folder: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints and those that `last` and `best` point at."""
    held = {place for name in ("last", "best") if (place := pointed(folder, name)) is not None}
    steps = sorted(place for place in folder.glob("step_*") if place.is_dir())
    for place in steps[:-keep]:
        if place not in held:
            shutil.rmtree(place, ignore_errors=True)
