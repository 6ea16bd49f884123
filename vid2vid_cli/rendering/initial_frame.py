"""What the recursion begins with, in synthesis and transfer, before there is a frame of its own.

Nothing, as most models are trained; or a picture, as though all had stood still before the first frame: a real frame,
or one that a frame-wise model draws from the first frame's conditions. Every input frame then has its output frame;
vid2vid kept back as many as its generator sees. At each cut it begins anew.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from vid2vid_cli.conditioning import view_image
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError, MissingFileError, Vid2VidError
from vid2vid_cli.core.geometry import Bytes
from vid2vid_cli.data.clip_sampler import frame_tensor
from vid2vid_cli.data.cropping import frame_view
from vid2vid_cli.engine.checkpoint import CheckpointInfo, load_checkpoint, load_info
from vid2vid_cli.engine.events import Noticed, Tell, Warned
from vid2vid_cli.engine.rollout import SequentialGenerator, rollout
from vid2vid_cli.engine.run_folder import checkpoint_file
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.media.images import load_picture, resize_to

SAME = 0.01
"""Part by which two shapes may differ and be called the same: sizes are whole pixels."""


@dataclass(frozen=True)
class First:
    """What was chosen, and checked as far as can be without loading a network."""

    kind: Literal["none", "zeros", "real", "picture", "single"]
    """none: of a model that draws each frame alone."""
    path: Path | None = None
    notices: tuple[str, ...] = ()
    """What is to be warned of."""

    def rows(self) -> list[tuple[str, str]]:
        """What a plan says of it: nothing, where the model does not go on from anything."""
        return [] if self.kind == "none" else [("begins with", self.describe())]

    def describe(self) -> str:
        """In one line, for people."""
        words = {"zeros": "nothing", "real": "the first real frame", "picture": f"the picture {self.path}"}
        return words.get(self.kind, f"what {self.path} draws")

    def load(self, info: CheckpointInfo, machine: Machine) -> Beginning | None:
        """What makes the frames before a clip, for the model of `info`; None for nothing."""
        if self.kind in ("none", "zeros"):
            return None
        if self.path is None:
            return Beginning()
        if self.kind == "picture":
            return Beginning(picture=frame_tensor(fitted(load_picture(self.path), info))[None, None].to(machine.device))
        return Beginning(single=load_checkpoint(self.path, machine)[0])


@dataclass(frozen=True)
class Beginning:
    """The frame before the first: a picture, what a frame-wise generator draws, or else the clip's own first."""

    picture: Tensor | None = None
    """(1, 1, 3, h, w)"""
    single: SequentialGenerator | None = None

    def __call__(self, own: Tensor | None, conditions: Tensor) -> Tensor:
        """The clip's own first frame, if there is one, (1, 3, h, w), and its conditions -> (1, 1, 3, h, w)."""
        if self.picture is not None:
            return self.picture
        if self.single is not None:
            return next(rollout(self.single, [conditions])).image[:, None].float()
        assert own is not None
        return own[:, None].to(conditions.device)


def open_first(
    wanted: str | None, info: CheckpointInfo, checkpoint: Path, machine: Machine, tell: Tell, *, real: bool
) -> Beginning | None:
    """What makes the frames before each clip; says what it is, and warns where it does not fit. As `choose_first`."""
    chosen = choose_first(wanted, info, checkpoint, real=real)
    for notice in chosen.notices:
        tell(Warned(notice))
    if chosen.kind not in ("none", "zeros"):
        tell(Noticed(f"begins with {chosen.describe()}"))
    return chosen.load(info, machine)


def choose_first(wanted: str | None, info: CheckpointInfo, checkpoint: Path, *, real: bool) -> First:
    """What is meant by zeros, real, FRAME.png or SINGLE.ckpt; None: as the model was trained, where that can be.

    `real`: whether the source has real frames of the target. Raises ConfigError, MissingFileError, DatasetMismatchError
    (a frame-wise model of other conditions), and what reading a bad file raises.
    """
    if info.generator.past == 0:
        if wanted not in (None, "zeros"):
            raise ConfigError(
                f"{checkpoint} draws each frame alone, so there is nothing to begin with.", "Leave --first out."
            )
        return First("none")
    if wanted is None and info.first == "real" and real:
        return First("real")
    if wanted in (None, "zeros"):
        return First("zeros", notices=_from_nothing(info, checkpoint))
    if wanted == "real":
        if not real:
            raise ConfigError(
                "--first real: only a dataset has real frames of the target.",
                "Name a picture of the target, or a frame-wise model: --first FRAME.png, --first SINGLE.ckpt",
            )
        return First("real")
    path = Path(str(wanted))
    if not path.exists():
        raise MissingFileError(
            f"--first {wanted}: there is no such file.",
            "Write zeros, real, a picture, or the .ckpt of a frame-wise model.",
        )
    if path.is_dir() or path.suffix == ".ckpt":
        path = checkpoint_file(path)
        return First("single", path, _check_single(load_info(path), path, info, checkpoint))
    try:
        load_picture(path)
    except Vid2VidError as error:
        raise ConfigError(f"--first {path}: neither a picture nor a .ckpt: {error.message}", error.hint) from error
    return First("picture", path)


def fitted(picture: Bytes, info: CheckpointInfo) -> Bytes:
    """A picture (h, w, 3) as the model would see it.

    One of the model's own size is taken as it is; one of the shape of the target's frames is such a frame, and seen
    through the same view; of any other the largest part in the middle.
    """
    height, width = picture.shape[:2]
    if (height, width) == info.picture:
        return picture
    if abs(width * info.height / (height * info.width) - 1) < SAME:
        return view_image(resize_to(picture, info.height, info.width), info.frame_view())
    return view_image(picture, frame_view(height, width, info.picture, "whole", {}))


def _from_nothing(info: CheckpointInfo, checkpoint: Path) -> tuple[str, ...]:
    if info.first == "zeros":
        return ()
    return (
        f"{checkpoint} has learned to go on from real frames (schedule.first=real) and now begins with nothing: name a "
        "picture or a frame-wise model, --first FRAME.png or --first SINGLE.ckpt.",
    )


def _check_single(single: CheckpointInfo, path: Path, info: CheckpointInfo, checkpoint: Path) -> tuple[str, ...]:
    """Refuse a model that cannot draw from these conditions, and warn of one to which they are drawn differently."""
    remedy = "Train one on the same dataset and with the same preset: " + shlex.join(
        ["vid2vid", "train", "--set", "model=pix2pixhd", "--data", f"datasets/{info.training.get('dataset', 'NAME')}"]
    )
    if single.generator.past:
        raise ConfigError(f"--first {path}: sees frames before, so it cannot draw the first.", remedy)
    if single.styles is not None:
        raise ConfigError(f"--first {path}: is told of styles, which a first frame has none of.", remedy)
    theirs, ours = (
        " and ".join(f"{use.name} ({use.channels} channels)" for use in one.conditioners) for one in (single, info)
    )
    if theirs != ours:
        raise DatasetMismatchError(f"--first {path}: draws from {theirs}, and {checkpoint} from {ours}.", remedy)
    if single.picture != info.picture:
        (height, width), (high, wide) = single.picture, info.picture
        words = f"draws pictures of {width}x{height}, and {checkpoint} of {wide}x{high}"
        raise DatasetMismatchError(f"--first {path}: {words}.", f"{remedy} --set data.size={high}")
    differing = [a.name for a, b in zip(single.conditioners, info.conditioners, strict=True) if a.options != b.options]
    notices = [f"{path} was trained with other options of {' and '.join(differing)} than {checkpoint}."] * bool(
        differing
    )
    if single.view != info.view:
        notices.append(f"{path} was trained on another part of the frames than {checkpoint}: sizes may be off.")
    return tuple(notices)
