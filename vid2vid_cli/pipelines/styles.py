"""`styles show`: the styles that a checkpoint knows, as pictures: one frame, each class in each of its styles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Conditioner, View
from vid2vid_cli.conditioning.combine import condition_picture, load_conditioners
from vid2vid_cli.conditioning.instances import InstanceReader, class_of
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.data.clip_sampler import render_conditions
from vid2vid_cli.engine.checkpoint import CheckpointInfo, load_checkpoint
from vid2vid_cli.engine.events import Advanced, Tell, Warned
from vid2vid_cli.engine.inference import evenly, generate, to_picture
from vid2vid_cli.engine.run_folder import checkpoint_file
from vid2vid_cli.engine.runtime import choose_machine
from vid2vid_cli.engine.style_bank import StyleBank, StyleChoice, Styler
from vid2vid_cli.media.contact_sheet import contact_sheet
from vid2vid_cli.media.images import save_png
from vid2vid_cli.rendering.frame_renderer import output_file
from vid2vid_cli.training.style_collection import unpack
from vid2vid_cli.training_data.training_data import open_for_checkpoint

Picture = NDArray[np.uint8]
STILL = 3
"""Times that the frame is drawn, each with the last as its past: a first frame has none, and is worse."""
LOOKED_AT = 64
"""Frames of a dataset among which the one is looked for that shows most."""


@dataclass(frozen=True)
class ShowStylesRequest:
    """What `styles show` is asked to do."""

    checkpoint: Path
    data: Path | None = None
    """A dataset with the frame that is drawn; None: a training frame, which lies in the checkpoint."""
    out: Path | None = None
    """None: <checkpoint>_styles.png here."""
    device: str = "auto"
    precision: str = "auto"
    overwrite: bool = False


@dataclass(frozen=True)
class StylesShown:
    """The sheet, and for each class how many training objects are in each of its styles."""

    path: Path
    classes: dict[str, tuple[int, ...]]


def show_styles(request: ShowStylesRequest, tell: Tell) -> StylesShown:
    """Draw the sheet: a row for each class that is on the frame, a column for each style.

    Raises ConfigError (a model without styles), what opening a dataset and a checkpoint raises, DeviceError,
    DiskFullError, PermissionDeniedError.
    """
    path = checkpoint_file(request.checkpoint)
    machine = choose_machine(request.device, request.precision)
    generator, info = load_checkpoint(path, machine)
    bank = info.styles
    if bank is None:
        raise ConfigError(
            f"{info.name} knows no styles, as it was trained without.", "Train with --set style.features=3."
        )
    conditioners, views, annotations = _frame(request, info, bank)
    conditions = torch.from_numpy(render_conditions(conditioners, annotations, views))
    ids = InstanceReader(conditioners, views, bank.things)(annotations)
    there = [one for one in bank.classes if one.id in set(np.unique(class_of(ids)).tolist())]
    rows: list[list[Picture]] = [[condition_picture(conditioners, annotations, views)]]
    labels, total = ["labels"], sum(len(one.centres) for one in there)
    for one in there:
        row: list[Picture] = []
        for cluster in range(len(one.centres)):
            styles = torch.from_numpy(Styler(bank, StyleChoice(clusters={one.id: cluster}))(ids))
            shown = torch.cat([conditions.float(), styles])
            clip = shown.expand(1, STILL, -1, -1, -1)
            row.append(to_picture(generate(generator, clip, machine)[-1].image[0]))
            tell(Advanced("styles", sum(map(len, rows[1:])) + len(row), total, "pictures"))
        rows.append(row)
        labels.append(f"{one.name}: {sum(one.sizes)} objects in training, {', '.join(map(str, one.sizes))}")
    absent = [one.name for one in bank.classes if one not in there]
    if absent:
        tell(Warned(f"the frame shows no {', '.join(absent)}; another may: --data DATASET"))
    titles = [str(1 + index) for index in range(max((len(row) for row in rows), default=1))]
    out = output_file(request.out, Path(f"{info.name}_styles.png"), overwrite=request.overwrite, compare=False)
    save_png(out, contact_sheet(rows, labels=labels, titles=titles))
    return StylesShown(out, {one.name: one.sizes for one in bank.classes})


def _frame(
    request: ShowStylesRequest, info: CheckpointInfo, bank: StyleBank
) -> tuple[Sequence[Conditioner], tuple[View, ...], list[Annotation]]:
    """What is drawn: the conditioners, their views, and what each found."""
    if request.data is None:
        conditioners = load_conditioners([(use.name, use.options) for use in info.conditioners])
        return conditioners, (info.frame_view(),) * len(conditioners), [unpack(data) for data in bank.frame]
    subject = open_for_checkpoint(request.data, info, request.checkpoint)
    places = [(span.clip, index) for span in subject.dataset.clips() for index in range(span.first, span.last)]
    known = {one.id for one in bank.classes}
    best: tuple[int, list[Annotation]] = (-1, [])
    for clip, index in (places[number] for number in evenly(len(places), LOOKED_AT)):
        found = [subject.dataset.annotation(clip, index, one.spec.name) for one in subject.conditioners]
        ids = InstanceReader(subject.conditioners, subject.views, ())(found)
        best = max(best, (len(known & set(np.unique(class_of(ids)).tolist())), found), key=lambda one: one[0])
    return subject.conditioners, subject.views, best[1]
