"""What is typed after `--style`, `--style-seed` and `--style-from`, and the style that each object gets by it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import nn

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.conditioning.instances import InstanceReader, class_of, mapped
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.suggest import did_you_mean
from vid2vid_cli.core.types import ClipBatch
from vid2vid_cli.data.clip_sampler import frame_tensor
from vid2vid_cli.engine.checkpoint import CheckpointInfo
from vid2vid_cli.engine.events import Noticed, Tell, silent
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.engine.style_bank import ClassStyles, StyleBank, StyleChoice, Styler, Vectors
from vid2vid_cli.engine.styles import seen_styles
from vid2vid_cli.networks.style_encoder import style_encoder
from vid2vid_cli.rendering.source_video import Driver, Source, source_conditioners, source_reader

_STYLE = re.compile(r"\s*(.+?)(?:#(\d+))?\s*=\s*(\d+)\s*")
SHEET = "`vid2vid styles show CKPT` draws them all."


@dataclass(frozen=True)
class StyleWords:
    """What is typed about styles."""

    seed: int | None = None
    """Every object gets a style of its own, drawn at random."""
    styles: tuple[str, ...] = ()
    """`car=3`: all cars get style 3; `car#2=5`: the second car gets style 5."""
    photo: Path | None = None
    """A picture whose objects have the styles that are wanted."""
    labels: tuple[str, ...] = ()
    """Of the photo, where a model reads its labels: a label picture; NAME.KEY=PATH for further files."""

    @property
    def typed(self) -> str:
        """The first option that was given; "" where none was."""
        given = {"--style-seed": self.seed is not None, "--style": bool(self.styles)}
        given |= {"--style-from": self.photo is not None, "--style-labels": bool(self.labels)}
        return next((option for option, there in given.items() if there), "")

    def rows(self) -> tuple[tuple[str, str], ...]:
        """The same for people."""
        drawn = () if self.seed is None else (("styles", f"drawn with seed {self.seed}"),)
        seen = () if self.photo is None else (("styles", f"as in {self.photo}"),)
        return (*(("style", text) for text in self.styles), *seen, *drawn)


def understand_styles(words: StyleWords, info: CheckpointInfo) -> StyleChoice:
    """What is typed, but for the photo. Raises ConfigError: a model without styles, an unknown class or style."""
    bank = info.styles
    if bank is None:
        if words.typed:
            _refuse_styles(words, info)
        return StyleChoice()
    if words.labels and words.photo is None:
        raise ConfigError("--style-labels names the labels of a photo.", "Name the photo too: --style-from photo.png")
    objects: dict[tuple[int, int], int] = {}
    clusters: dict[int, int] = {}
    for text in words.styles:
        match = _STYLE.fullmatch(text)
        if match is None:
            raise ConfigError(f"--style {text}: not understood.", "Write --style car=3; of one car --style car#2=3.")
        known = _class(text, match[1], bank)
        cluster = int(match[3])
        if not 1 <= cluster <= len(known.centres):
            there = f"1 to {len(known.centres)}" if len(known.centres) > 1 else "1 alone"
            raise ConfigError(f"--style {text}: {known.name} has the styles {there}.", SHEET)
        if match[2] is None:
            clusters[known.id] = cluster - 1
        else:
            objects[known.id, int(match[2])] = cluster - 1
    return StyleChoice(objects, clusters, seed=words.seed)


def choose_styler(
    words: StyleWords, info: CheckpointInfo, generator: nn.Module, machine: Machine, tell: Tell
) -> Styler | None:
    """What gives every object its style; None for a model without styles.

    Raises as `understand_styles`, and of a photo what reading it and finding things on it raises.
    """
    choice = understand_styles(words, info)
    if info.styles is None:
        return None
    if words.photo is not None:
        seen = photo_styles(words.photo, photo_files(words, info), info, generator, machine)
        names = {one.id: one.name for one in info.styles.classes}
        found = [names[id_] for id_ in seen if id_ in names]
        if not found:
            raise ConfigError(
                f"--style-from {words.photo}: nothing on it is of a class that {info.name} has styles of.",
                f"Use a picture with one of {', '.join(names.values())}.",
            )
        tell(Noticed(f"styles of {', '.join(found)} as in {words.photo}"))
        choice = StyleChoice(choice.objects, choice.clusters, seen, choice.seed)
    return Styler(info.styles, choice)


def photo_files(words: StyleWords, info: CheckpointInfo) -> dict[str, dict[str, str]]:
    """Conditioner -> option -> file, of the labels of a photo. Raises ConfigError: they are needed, or cannot be."""
    conditioners = source_conditioners(info, {})
    index = mapped(conditioners)
    files: dict[str, dict[str, str]] = {}
    for text in words.labels:
        key, equals, value = text.partition("=")
        name, dot, option = key.partition(".")
        if equals and dot and "/" not in key:
            files.setdefault(name, {})[option] = value
        elif index is not None and conditioners[index].reads:
            files.setdefault(conditioners[index].spec.name, {})[conditioners[index].reads] = text
        else:
            raise ConfigError(f"{info.name} reads no labels: it needs none of a photo.", "Leave --style-labels out.")
    own = None if index is None else conditioners[index]
    if own is not None and not own.finds and own.reads not in files.get(own.spec.name, {}):
        raise ConfigError(
            f"{info.name} is driven by {own.spec.name} that exist already, so those of {words.photo} are needed.",
            f"Add --style-labels FILE, what is where on {words.photo}, as it was for training.",
        )
    return files


@torch.inference_mode()
def photo_styles(
    photo: Path,
    files: Mapping[str, Mapping[str, str]],
    info: CheckpointInfo,
    generator: nn.Module,
    machine: Machine,
) -> dict[int, Vectors]:
    """Class -> the features (f,) of its largest object on a photo, which is seen as frames are."""
    encoder = style_encoder(generator)
    if encoder is None or info.styles is None:
        return {}
    conditioners: Sequence[Conditioner] = source_conditioners(info, {name: dict(own) for name, own in files.items()})
    index = mapped(conditioners)
    if index is not None:  # the others do not say where things are
        conditioners = [conditioners[index]]
        info = info.model_copy(update={"conditioners": (info.conditioners[index],)})
    source = Source(photo, source_reader(photo, info), tuple(conditioners))
    driver = Driver(source, source.look(silent), info, retarget=False)
    seen = next(driver.shot(source.found()))
    if seen.picture is None or info.styles is None:
        return {}
    ids = InstanceReader(conditioners, driver.views, info.styles.things)(seen.annotations)
    frames = frame_tensor(seen.picture)[None, None]
    batch = ClipBatch(frames[:, :, :1], frames, instances=torch.from_numpy(ids)[None, None]).to(machine.device)
    with machine.autocast():
        pooled = seen_styles(encoder, batch)
    found: dict[int, Vectors] = {}
    classes = class_of(pooled.ids.cpu().numpy()).tolist()
    for row in torch.argsort(pooled.pixels).tolist():
        if classes[row] >= 0:
            found[classes[row]] = pooled.means[row].cpu().numpy().astype(np.float64)
    return found


def _class(text: str, name: str, bank: StyleBank) -> ClassStyles:
    known = {one.name.casefold(): one for one in bank.classes}
    found = known.get(name.casefold())
    if found is None:
        names = [one.name for one in bank.classes]
        raise ConfigError(
            f"--style {text}: there are no styles of {name!r}.",
            did_you_mean(name, names) or f"There are those of {', '.join(names)}.",
        )
    return found


def _refuse_styles(words: StyleWords, info: CheckpointInfo) -> NoReturn:
    raise ConfigError(
        f"{words.typed}: {info.name} knows no styles, as it was trained without.",
        f"Leave {words.typed} out; or train with --set style.features=3.",
    )
