"""Classes of label ids: the standard sets, numbered classes, or a user list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from vid2vid_cli.conditioning import LabelClass, UInt8Array, palette

Colour = tuple[int, int, int]
ID_LIMIT = 65536
"""Upper limit of ids: label images have 8 or 16 bits."""
VOID_ID = 255

# Names and colours as published by Cityscapes; the id is the position in the list.
CITYSCAPES_CLASSES: tuple[tuple[str, Colour], ...] = (
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
# Ids of the 19 classes that Cityscapes evaluates; the train id is the position in the list.
CITYSCAPES_EVAL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
VOC_CLASS_NAMES = """background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike
    person pottedplant sheep sofa train tvmonitor"""


class ClassRecord(BaseModel):
    """One class in the options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = Field(ge=0, lt=ID_LIMIT)
    name: str
    colour: Colour | None = None


ClassesOption = str | int | tuple[ClassRecord, ...]
"""The validated option `classes`: the name of a set, a number of classes, or a list."""


def _label_classes(names_and_colours: Sequence[tuple[str, Colour]]) -> tuple[LabelClass, ...]:
    return tuple(LabelClass(index, name, colour) for index, (name, colour) in enumerate(names_and_colours))


def _palette_colour(class_id: int) -> Colour:
    red, green, blue = palette()[class_id % 256].tolist()
    return red, green, blue


CLASS_SETS: dict[str, tuple[LabelClass, ...]] = {
    "cityscapes": _label_classes(CITYSCAPES_CLASSES),
    "cityscapes_train": _label_classes([CITYSCAPES_CLASSES[label] for label in CITYSCAPES_EVAL_IDS]),
    "voc": _label_classes([(name, _palette_colour(index)) for index, name in enumerate(VOC_CLASS_NAMES.split())]),
}
DEFAULT_IGNORE_IDS = {"cityscapes_train": (VOID_ID,), "voc": (VOID_ID,)}
"""Default of `ignore_ids` for the standard sets with a void id."""


def resolve_classes(classes_option: ClassesOption) -> tuple[LabelClass, ...]:
    """Return the classes in the order of their ids; () if they are not resolved yet."""
    if isinstance(classes_option, str):
        return CLASS_SETS.get(classes_option, ())
    if isinstance(classes_option, int):
        return tuple(LabelClass(label, str(label), _palette_colour(label)) for label in range(classes_option))
    records = sorted(classes_option, key=lambda row: row.id)
    return tuple(LabelClass(row.id, row.name, row.colour or _palette_colour(row.id)) for row in records)


@dataclass(frozen=True)
class ClassTable:
    """Lookup tables for classes and ignored ids."""

    classes: tuple[LabelClass, ...]
    ignore_ids: tuple[int, ...]

    @property
    def dtype(self) -> Any:
        """The smallest dtype that holds all ids."""
        max_id = max([label_class.id for label_class in self.classes] + list(self.ignore_ids), default=0)
        return np.uint8 if max_id < 256 else np.uint16

    @cached_property
    def id_to_channel(self) -> NDArray[np.int32]:
        """(65536,): id -> channel; the number of classes for ignored and unknown ids."""
        table = np.full(ID_LIMIT, len(self.classes), dtype=np.int32)
        table[[label_class.id for label_class in self.classes]] = np.arange(len(self.classes))
        table[list(self.ignore_ids)] = len(self.classes)
        return table

    @cached_property
    def is_unknown(self) -> UInt8Array:
        """(65536,): 1 for ids that are neither classes nor ignored, otherwise 0."""
        table = np.ones(ID_LIMIT, dtype=np.uint8)
        table[[label_class.id for label_class in self.classes] + list(self.ignore_ids)] = 0
        return table

    @cached_property
    def channel_colours(self) -> UInt8Array:
        """(classes + 1, 3): the colour of each channel, and black for ignored ids."""
        return np.array([*(label_class.colour for label_class in self.classes), (0, 0, 0)], dtype=np.uint8)

    def __str__(self) -> str:
        ids = [label_class.id for label_class in self.classes]
        is_contiguous = ids == list(range(ids[0], ids[-1] + 1))
        text = f"{ids[0]} to {ids[-1]}" if is_contiguous and len(ids) > 1 else abbreviate_list(ids)
        return text + (f"; ignored: {abbreviate_list(self.ignore_ids)}" if self.ignore_ids else "")


def abbreviate_list(values: Sequence[object], max_items: int = 24) -> str:
    """Return the values as text, abbreviated in the middle if there are more than `max_items`."""
    texts = [str(value) for value in values]
    if len(texts) <= max_items:
        return ", ".join(texts)
    half_items = max_items // 2
    return f"{', '.join(texts[:half_items])}, …, {', '.join(texts[-half_items:])} ({len(texts)} in total)"
