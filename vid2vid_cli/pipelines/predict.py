"""`predict`: what comes after the end of a clip, as label maps and, drawn by another checkpoint, as frames.

After vid2vid's future prediction (Wang et al., NeurIPS 2018, section 4.3): the next label maps are predicted from those
seen, and a model of frames draws them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.data.dataset import Split
from vid2vid_cli.data.manifest import FILE_NAME
from vid2vid_cli.engine.checkpoint import CheckpointInfo, load_checkpoint, load_info
from vid2vid_cli.engine.events import Advanced, Noticed, Tell
from vid2vid_cli.engine.inference import to_picture
from vid2vid_cli.engine.output_kind import check_draws
from vid2vid_cli.engine.rollout import SequentialGenerator
from vid2vid_cli.engine.run_folder import checkpoint_file
from vid2vid_cli.engine.runtime import Machine, choose_machine
from vid2vid_cli.media.contact_sheet import side_by_side
from vid2vid_cli.media.files import free_name, write_text
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.rendering.forecast import Guess, Stretch, draw_on, go_on, keep_moving, measure, stand_still
from vid2vid_cli.rendering.forecast_input import Footage, open_dataset, open_video
from vid2vid_cli.rendering.frame_renderer import COMMENT
from vid2vid_cli.rendering.label_channels import Planes, planes_of
from vid2vid_cli.rendering.source_video import Options

LEAST_SEEN = 2
"""Frames: motion shows between two."""


@dataclass(frozen=True)
class PredictRequest:
    """What `predict` is asked to do."""

    checkpoint: Path
    """Trained with model=predict."""
    clip: Path
    """A dataset, of which stretches are gone on with and compared; or a video or label video, after its end."""
    frames: int = 10
    render: Path | None = None
    """A checkpoint that draws the predicted label maps; None: they are shown as they are."""
    out: Path | None = None
    """None: <clip>_future.mp4 here."""
    split: Split = "holdout"
    device: str = "auto"
    precision: str = "auto"
    overwrite: bool = False
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Predicted:
    """What was made and, where the truth is known, how right it was."""

    path: Path
    frames: int
    metrics: Mapping[str, float]


def predict(request: PredictRequest, tell: Tell) -> Predicted:
    """Go on with label maps, draw them, and compare with what really came, where that is known.

    `iou` (%, mean over classes) and, with `render`, `psnr` (dB), each a mean over all frames and stretches; ending in
    `_still` and `_moving` the same for the last frame held, and for the last motion kept; ending in `_last` at the
    last frame. Raises: ConfigError (a checkpoint that draws frames, or the wrong ones), TooShortError, and what
    reading a dataset, a video or a checkpoint raises.
    """
    path = checkpoint_file(request.checkpoint)
    info = load_info(path)
    check_draws(info, path, "labels")
    machine = choose_machine(request.device, request.precision)
    generator, _ = load_checkpoint(path, machine)
    renderer = _renderer(request, info, machine)
    seen = max(generator.past, LEAST_SEEN, renderer.past if renderer else 0)
    footage = _footage(request, info, path, seen, tell)
    planes = planes_of(footage.conditioners)
    tell(Noticed(f"{request.clip}, {request.frames} frames ahead, on {machine.describe()}"))
    out = _out(request)
    found: list[dict[str, Tensor]] = []
    with VideoWriter(out, footage.fps, comment=COMMENT) as video:
        for index, stretch in enumerate(footage.stretches):
            guess = _guess(generator, renderer, stretch, planes, request.frames, machine)
            found.append(_compared(guess, stretch, planes, request.frames))
            for picture in _pictures(guess, stretch, planes):
                video.write(picture)
            tell(Advanced("predict", index + 1, footage.count, "stretches"))
    metrics = _metrics(found)
    if metrics:
        record = {"checkpoint": str(path), "data": str(request.clip), "frames": request.frames, **metrics}
        write_text(out.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
    return Predicted(out, request.frames * footage.count, metrics)


def _guess(
    generator: SequentialGenerator,
    renderer: SequentialGenerator | None,
    stretch: Stretch,
    planes: Planes,
    count: int,
    machine: Machine,
) -> Guess:
    found = planes.certain(go_on(generator, stretch.planes, count, machine))
    return Guess(found, None if renderer is None else draw_on(renderer, stretch, found, machine))


def _compared(guess: Guess, stretch: Stretch, planes: Planes, count: int) -> dict[str, Tensor]:
    """The measures of a guess, and of the two that cost nothing; {} where what came is not known."""
    own = measure(guess, stretch, planes)
    found = dict(own)
    for name, other in (("still", stand_still(stretch, count)), ("moving", keep_moving(stretch, count))):
        found |= {f"{key}_{name}": value for key, value in measure(other, stretch, planes).items() if key in own}
    return found


def _metrics(found: list[dict[str, Tensor]]) -> dict[str, float]:
    together = {name: torch.stack([one[name] for one in found]) for name in (found[0] if found else ())}
    means = {name: float(values.mean()) for name, values in together.items()}
    return means | {f"{name}_last": float(values[:, -1].mean()) for name, values in together.items()}


def _pictures(guess: Guess, stretch: Stretch, planes: Planes) -> Iterator[NDArray[np.uint8]]:
    """For each frame what came and what was predicted, as labels and as frames, as far as they are known."""
    rows: dict[str, list[NDArray[np.uint8]]] = {}
    if stretch.next_planes is not None:
        rows["labels"] = [planes.picture(frame) for frame in stretch.next_planes]
    rows["predicted"] = [planes.picture(frame) for frame in guess.planes]
    if stretch.next_pictures is not None:
        rows["real"] = [to_picture(frame) for frame in stretch.next_pictures]
    if guess.pictures is not None:
        rows["drawn"] = [to_picture(frame) for frame in guess.pictures]
    for pictures in zip(*rows.values(), strict=True):
        yield side_by_side(pictures, list(rows), pictures[0].shape[0])


def _renderer(request: PredictRequest, info: CheckpointInfo, machine: Machine) -> SequentialGenerator | None:
    if request.render is None:
        return None
    path = checkpoint_file(request.render)
    own = load_info(path)
    check_draws(own, path, "frames")
    for what, mine, theirs in (
        ("conditioners", [use.name for use in own.conditioners], [use.name for use in info.conditioners]),
        ("condition channels", own.layout.shown, info.layout.channels),
        ("size (height, width)", own.picture, info.picture),
    ):
        if mine != theirs:
            raise ConfigError(
                f"{path} cannot draw what {request.checkpoint} predicts: its {what} are {mine}, not {theirs}.",
                "Train both on the same dataset with the same data.size and data.aspect, and without styles.",
            )
    return load_checkpoint(path, machine)[0]


def _footage(request: PredictRequest, info: CheckpointInfo, path: Path, seen: int, tell: Tell) -> Footage:
    if (request.clip / FILE_NAME).is_file():
        return open_dataset(request.clip, request.split, info, path, seen, request.frames)
    return open_video(request.clip, request.options, info, path, seen, tell)


def _out(request: PredictRequest) -> Path:
    wanted = request.out if request.out is not None else Path(f"{request.clip.resolve().stem}_future.mp4")
    return wanted if request.overwrite else free_name(wanted)
