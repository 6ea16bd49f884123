"""From a label picture as it is stored to ids that are all known, or to a drawing; what does not fit is named."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, LabelFilesError
from vid2vid_labels.auto_options import colour_codes, grey, packed
from vid2vid_labels.classes import SETS, VOID, ClassTable
from vid2vid_labels.label_reader import Picture

SHOWN = 4
"""Odd values that are told one by one."""


class Decoder:
    """Label pictures as ids of these classes, (h, w) uint8 or uint16."""

    def __init__(self, table: ClassTable, *, colours: bool, nearest: bool) -> None:
        self._table, self._colours, self._nearest = table, colours, nearest

    def __call__(self, picture: Picture, name: str) -> NDArray[Any]:
        """The ids of a picture called `name`.

        Raises: LabelFilesError, naming the values that are none of the classes, where they are, and how many.
        """
        if picture.ndim == 3 and self._colours:
            return self._from_colours(picture, name)
        ids = grey(picture)
        if ids is None:
            raise LabelFilesError(
                f"{name} holds colours, not label ids.",
                "--option labels.kind=colours for colour-coded classes, labels.kind=rgb for drawings.",
            )
        odd = cv2.LUT(ids, self._table.odd[:256]) if ids.dtype == np.uint8 else self._table.odd[ids]
        if odd.any():
            raise self._unknown_ids(ids, odd, name)
        return ids.astype(self._table.kind, copy=False)

    def _unknown_ids(self, ids: Picture, odd: Picture, name: str) -> LabelFilesError:
        found = _where(ids, odd)
        strange = [value for value, _, _ in found]
        rows = [f"{value} at {place} ({pixels(count)})" for value, place, count in found]
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        which = "an id" if len(rows) == 1 else "ids"
        fitting = [kind for kind, known in SETS.items() if set(strange) <= {one.id for one in known}]
        ways = [f"--option labels.classes={choice}" for choice in (*fitting, max(strange) + 1)]
        ignored = ",".join(str(label) for label in sorted({*self._table.ignored, *strange}))
        if strange == [VOID]:
            ways = []
        if len(strange) <= SHOWN:
            ways.append(f"--option labels.ignore={ignored} for what stands for nothing")
        return LabelFilesError(
            f"{name} holds {which} of no class: {', '.join(rows[:SHOWN])}{more}. The classes are {self._table}.",
            ", or ".join(ways) + ".",
        )

    @cached_property
    def _codes(self) -> NDArray[np.int32]:
        """(2**24,): packed colour -> id, -1 for a colour of no class."""
        codes = colour_codes(self._table.classes)
        table = np.full(1 << 24, -1, dtype=np.int32)
        table[list(codes)] = list(codes.values())
        return table

    def _from_colours(self, picture: Picture, name: str) -> NDArray[Any]:
        code = packed(picture)
        ids = self._codes[code]
        odd = ids < 0
        if odd.any():
            if not self._nearest:
                raise self._unknown_colours(code, odd, name)
            self._learn(np.unique(code[odd]))
            ids = self._codes[code]
        return ids.astype(self._table.kind)

    def _learn(self, codes: Picture) -> None:
        """Give colours of no class to the class with the nearest one in RGB."""
        known = np.array(list(colour_codes(self._table.classes)), dtype=np.int32)
        ids = self._codes[known]

        def apart(values: Picture) -> NDArray[np.float32]:
            return np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.float32)

        for begin in range(0, len(codes), 4096):
            some = codes[begin : begin + 4096]
            away = ((apart(some)[:, None] - apart(known)[None]) ** 2).sum(axis=2)
            self._codes[some] = ids[away.argmin(axis=1)]

    def _unknown_colours(self, code: Picture, odd: Picture, name: str) -> LabelFilesError:
        found = sorted(_where(code, odd), key=lambda row: -row[2])
        rows = [
            f"({value >> 16}, {value >> 8 & 255}, {value & 255}) at {place} ({pixels(count)})"
            for value, place, count in found[:SHOWN]
        ]
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        which = "a colour" if len(found) == 1 else "colours"
        return LabelFilesError(
            f"{name} holds {which} of no class: {', '.join(rows)}{more}.",
            "--option labels.classes=FILE that lists all colours; labels.nearest=true where compression or soft "
            "borders blur them; labels.kind=rgb for drawings.",
        )


def _where(values: Picture, odd: Picture) -> list[tuple[int, str, int]]:
    """The values where `odd`: each with the place of its first pixel and how many it has."""
    rows, columns = np.nonzero(odd)
    found, firsts, counts = np.unique(values[rows, columns], return_index=True, return_counts=True)
    places = [f"x={columns[at]}, y={rows[at]}" for at in firsts]
    return list(zip(found.tolist(), places, counts.tolist(), strict=True))


def pixels(count: int) -> str:
    """`1 pixel`, `12 pixels`."""
    return "1 pixel" if count == 1 else f"{count} pixels"


def as_instances(picture: Picture, name: str) -> NDArray[np.uint16]:
    """Instance ids (h, w). Raises: LabelFilesError for a picture with colours."""
    ids = grey(picture)
    if ids is None:
        raise LabelFilesError(
            f"{name} holds colours, not instance ids.", "Instance ids are grey pictures of 8 or 16 bits."
        )
    return ids.astype(np.uint16)


def as_rgb(picture: Picture) -> Bytes:
    """Any picture as (h, w, 3) uint8; of 16 bits the higher eight."""
    eight = (picture >> 8).astype(np.uint8) if picture.dtype == np.uint16 else picture.astype(np.uint8)
    return np.repeat(eight[:, :, None], 3, axis=2) if eight.ndim == 2 else eight
