"""Which classes label ids stand for: the well-known sets, plain numbers, or a list of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from vid2vid_cli.conditioning import Bytes, LabelClass, palette

Colour = tuple[int, int, int]
LIMIT = 65536
"""Ids are below this: label pictures have 8 or 16 bits."""
VOID = 255

# Names, ids and colours as the Cityscapes data set publishes them; the id is the place in the list.
CITYSCAPES: tuple[tuple[str, Colour], ...] = (
    ("unlabeled", (0, 0, 0)),
    ("ego vehicle", (0, 0, 0)),
    ("rectification border", (0, 0, 0)),
    ("out of roi", (0, 0, 0)),
    ("static", (0, 0, 0)),
    ("dynamic", (111, 74, 0)),
    ("ground", (81, 0, 81)),
    ("road", (128, 64, 128)),
    ("sidewalk", (244, 35, 232)),
    ("parking", (250, 170, 160)),
    ("rail track", (230, 150, 140)),
    ("building", (70, 70, 70)),
    ("wall", (102, 102, 156)),
    ("fence", (190, 153, 153)),
    ("guard rail", (180, 165, 180)),
    ("bridge", (150, 100, 100)),
    ("tunnel", (150, 120, 90)),
    ("pole", (153, 153, 153)),
    ("polegroup", (153, 153, 153)),
    ("traffic light", (250, 170, 30)),
    ("traffic sign", (220, 220, 0)),
    ("vegetation", (107, 142, 35)),
    ("terrain", (152, 251, 152)),
    ("sky", (70, 130, 180)),
    ("person", (220, 20, 60)),
    ("rider", (255, 0, 0)),
    ("car", (0, 0, 142)),
    ("truck", (0, 0, 70)),
    ("bus", (0, 60, 100)),
    ("caravan", (0, 0, 90)),
    ("trailer", (0, 0, 110)),
    ("train", (0, 80, 100)),
    ("motorcycle", (0, 0, 230)),
    ("bicycle", (119, 11, 32)),
)
# The 19 classes that Cityscapes evaluates; the train id is the place in the list.
TRAINED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
PASCAL = """background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike
    person pottedplant sheep sofa train tvmonitor"""


class ClassRow(BaseModel):
    """One class as options hold it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(ge=0, lt=LIMIT)
    name: str
    colour: Colour | None = None


Choice = str | int | tuple[ClassRow, ...]
"""What the option `classes` may be once it is checked: the name of a set, how many, or a list."""


def _rows(named: Sequence[tuple[str, Colour]]) -> tuple[LabelClass, ...]:
    return tuple(LabelClass(index, name, colour) for index, (name, colour) in enumerate(named))


def _colour(label: int) -> Colour:
    red, green, blue = palette()[label % 256].tolist()
    return red, green, blue


SETS: dict[str, tuple[LabelClass, ...]] = {
    "cityscapes": _rows(CITYSCAPES),
    "cityscapes_train": _rows([CITYSCAPES[label] for label in TRAINED]),
    "voc": _rows([(name, _colour(index)) for index, name in enumerate(PASCAL.split())]),
}
IGNORED = {"cityscapes_train": (VOID,), "voc": (VOID,)}
"""The ids that stand for nothing in the sets that have such."""


def classes_of(choice: Choice) -> tuple[LabelClass, ...]:
    """The classes in the order of their ids; () while it is not said which they are."""
    if isinstance(choice, str):
        return SETS.get(choice, ())
    if isinstance(choice, int):
        return tuple(LabelClass(label, str(label), _colour(label)) for label in range(choice))
    rows = sorted(choice, key=lambda row: row.id)
    return tuple(LabelClass(row.id, row.name, row.colour or _colour(row.id)) for row in rows)


@dataclass(frozen=True)
class ClassTable:
    """Classes and the ids that stand for nothing, as tables for whole pictures."""

    classes: tuple[LabelClass, ...]
    ignored: tuple[int, ...]

    @property
    def kind(self) -> Any:
        """The smallest type that holds every id."""
        top = max([one.id for one in self.classes] + list(self.ignored), default=0)
        return np.uint8 if top < 256 else np.uint16

    @cached_property
    def channel(self) -> NDArray[np.int32]:
        """(65536,): id -> its channel; the number of classes for an id that is ignored or of no class."""
        table = np.full(LIMIT, len(self.classes), dtype=np.int32)
        table[[one.id for one in self.classes]] = np.arange(len(self.classes))
        table[list(self.ignored)] = len(self.classes)
        return table

    @cached_property
    def odd(self) -> Bytes:
        """(65536,): 1 for an id that is neither a class nor ignored, else 0."""
        table = np.ones(LIMIT, dtype=np.uint8)
        table[[one.id for one in self.classes] + list(self.ignored)] = 0
        return table

    @cached_property
    def colours(self) -> Bytes:
        """(classes + 1, 3): the colour of each channel, and black for what is ignored."""
        return np.array([*(one.colour for one in self.classes), (0, 0, 0)], dtype=np.uint8)

    def __str__(self) -> str:
        ids = [one.id for one in self.classes]
        whole = ids == list(range(ids[0], ids[-1] + 1))
        said = f"{ids[0]} to {ids[-1]}" if whole and len(ids) > 1 else some(ids)
        return said + (f"; ignored: {some(self.ignored)}" if self.ignored else "")


def some(values: Sequence[object], most: int = 24) -> str:
    """A list for people, cut in its middle where it is long."""
    words = [str(value) for value in values]
    if len(words) <= most:
        return ", ".join(words)
    half = most // 2
    return f"{', '.join(words[:half])}, …, {', '.join(words[-half:])} ({len(words)} in all)"
