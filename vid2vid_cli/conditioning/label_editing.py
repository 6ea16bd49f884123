"""Label maps edited: classes that become others, and classes that vanish behind what was or is around them.

Semantic manipulation as in vid2vid (Wang et al. 2018, §4): the labels are changed, and the model draws what they say.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LABELS = "labels"
"""The image of an annotation that holds class ids."""
SEAMLESS = 0.75
"""Share of a region's rim that must remember what now stands beside it, before its memory is trusted."""
STEEP = 4
"""How many pixels sideways are as far as one up or down: the layers of a scene, such as a horizon, lie level."""
THIN = 64
"""What is narrower than this part of the width is not taken for what stands behind."""
NEAR = 2
"""How many pixels away that may be; on maps higher than 256 px, one in 128 of their height."""

Plane = NDArray[Any]
Mask = NDArray[np.bool_]
Planes = dict[str, Plane]


@dataclass(frozen=True)
class Part:
    """A box of every frame, and the frames of a video from `first` up to and without `end`."""

    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """x0, y0, x1, y1 as shares of the frame; it holds the pixels whose centres lie in it."""
    first: int = 0
    end: int | None = None
    """None: to the end of the video."""

    def lasts(self, frame: int) -> bool:
        """Whether it holds anything of the frame of that number."""
        return self.first <= frame and (self.end is None or frame < self.end)

    def pixels(self, height: int, width: int) -> tuple[slice, slice]:
        """The rows and columns of a map of that size."""
        x0, y0, x1, y1 = self.box
        rows, columns = ((y0 * height, y1 * height), (x0 * width, x1 * width))
        return slice(ceil(rows[0] - 0.5), ceil(rows[1] - 0.5)), slice(ceil(columns[0] - 0.5), ceil(columns[1] - 0.5))


@dataclass(frozen=True)
class Edit:
    """The class `old` becomes the class `new`, or vanishes where that is None."""

    old: int
    new: int | None
    part: Part = Part()


class LabelEditor:
    """Edits the label maps of one clip in their order; it remembers one map, whatever the length.

    Removals look at the labels as they are read; then replacements are made, all at once, of several for the same
    pixel the last. A removed pixel gets the label that was last seen there, where that continues what stands around
    its region now; else that of the nearest pixel in its row or column, poles and the like left out. Neither is ever of
    a class that is removed anywhere.
    """

    def __init__(self, edits: Sequence[Edit], classes: Collection[int]) -> None:
        """`classes` are all ids that stand for something."""
        self.edits = tuple(edits)
        self.changed = [0] * len(self.edits)
        """Pixels that each edit has changed so far."""
        self.stuck = 0
        """Frames on which nothing could be removed, because nothing else was ever seen."""
        gone = {edit.old for edit in self.edits if edit.new is None}
        self._lasting = sorted(set(classes) - gone)
        self._removes = bool(gone)
        self._memory: Planes = {}
        self._known: Mask = np.zeros((0, 0), dtype=np.bool_)

    def __call__(self, images: Mapping[str, Plane], frame: int) -> dict[str, Plane]:
        """The images of the next frame, which has this number in the video.

        Those of the size of the map, such as instance ids, follow it; a replaced thing keeps its own.
        """
        now = {name: image for name, image in images.items() if image.shape == images[LABELS].shape}
        active = [(index, edit) for index, edit in enumerate(self.edits) if edit.part.lasts(frame)]
        edited = self._without(now, active) if self._removes else now
        return {**images, **self._replaced(edited, active)}

    def _without(self, now: Planes, active: Sequence[tuple[int, Edit]]) -> Planes:
        labels = now[LABELS]
        hole = np.zeros(labels.shape, dtype=np.bool_)
        counts = []
        for index, edit in active:
            if edit.new is None:
                place = edit.part.pixels(*labels.shape)
                own = labels[place] == edit.old
                hole[place] |= own
                counts.append((index, int(own.sum())))
        seen = np.isin(labels, self._lasting)
        if self._known.shape != labels.shape:
            self._memory = {name: image.copy() for name, image in now.items()}
            self._known = np.zeros(labels.shape, dtype=np.bool_)
        filled = self._filled(now, hole, seen) if hole.any() else now
        for name, image in now.items():
            np.copyto(self._memory[name], image, where=seen)
        self._known |= seen
        if filled is None:
            self.stuck += 1
            return now
        for index, count in counts:
            self.changed[index] += count
        return filled

    def _filled(self, now: Planes, hole: Mask, seen: Mask) -> Planes | None:
        """The planes without the hole; None where there is nothing to fill it with."""
        remembered = hole & self._known
        if seen.any():
            remembered &= self._continues(hole, seen, now[LABELS])
        elif not remembered.any():
            return None
        planes = {name: np.where(remembered, self._memory[name], image) for name, image in now.items()}
        rest = hole & ~remembered
        if not rest.any():
            return planes
        nearest = _nearest(_broad(planes[LABELS], seen | remembered), rest)
        return {name: np.where(rest, plane.ravel()[nearest], plane) for name, plane in planes.items()}

    def _continues(self, hole: Mask, seen: Mask, labels: Plane) -> Mask:
        """The connected regions of the hole whose memory goes over into what stands around them without a seam.

        It does not where the camera has moved on, or where a thing has gone that is remembered.
        """
        number, regions = cv2.connectedComponents(hole.astype(np.uint8), connectivity=8)
        rim = hole & self._known & _grown(seen, 1)
        memory = self._memory[LABELS]
        same = np.zeros_like(rim)
        for label in np.unique(memory[rim]):
            same |= rim & (memory == label) & _grown(seen & (labels == label), max(NEAR, len(labels) // 128))
        known, equal = (np.bincount(regions[mask], minlength=number) for mask in (rim, same))
        fits: Mask = (known > 0) & (equal >= SEAMLESS * known)
        return np.asarray(fits[regions], dtype=np.bool_)

    def _replaced(self, now: Planes, active: Sequence[tuple[int, Edit]]) -> Planes:
        replacing = [(index, edit, edit.new) for index, edit in active if edit.new is not None]
        if not replacing:
            return now
        labels = now[LABELS]
        holds = [np.min_scalar_type(new) for _, _, new in replacing]
        result = {name: image.astype(np.result_type(image.dtype, *holds)) for name, image in now.items()}
        for index, edit, new in replacing:
            place = edit.part.pixels(*labels.shape)
            own = labels[place] == edit.old
            self.changed[index] += int(own.sum())
            for name, image in now.items():
                # Other planes hold instances, which stay; but what has none bears the id of its class in them.
                result[name][place][own & (image[place] == edit.old)] = new
        return result


def _grown(mask: Mask, pixels: int) -> Mask:
    """With all that is at most so many pixels away along both axes."""
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(np.bool_)


def _broad(labels: Plane, seen: Mask) -> Mask:
    """What is seen without poles and the like, which stand before things and are not what is behind them."""
    index = np.arange(labels.shape[1], dtype=np.int32)
    starts, ends = np.zeros(labels.shape, dtype=np.int32), np.full(labels.shape, len(index), dtype=np.int32)
    changes = labels[:, 1:] != labels[:, :-1]
    starts[:, 1:] = np.maximum.accumulate(np.where(changes, index[1:], 0), axis=1)
    ends[:, -2::-1] = np.minimum.accumulate(np.where(changes, index[1:], len(index))[:, ::-1], axis=1)
    broad: Mask = seen & (ends - starts >= len(index) // THIN)
    return broad if broad.any() else seen


def _nearest(sources: Mask, hole: Mask) -> NDArray[np.int32]:
    """(h, w): the place, in the flattened map, of the nearest source in the row or column of each pixel of the hole.

    There must be a source. Where none is in its row or column, that of the nearest pixel which has found one.
    """
    index = np.arange(sources.size, dtype=np.int32).reshape(sources.shape)
    places = _spread(np.where(sources, index, np.int32(-1)), hole)
    while (places[hole] < 0).any():
        places = _spread(places, places < 0)
    return places


def _spread(places: NDArray[np.int32], wanted: Mask) -> NDArray[np.int32]:
    """What is known (not -1), taken along rows and columns to what is wanted and not known."""
    result, best = places.copy(), np.where(places < 0, np.float32(np.inf), np.float32(0))
    upright = places, result, best, wanted
    for (over, found, far, mask), cost in ((upright, 1), (tuple(map_.T for map_ in upright), STEEP)):
        lines = np.flatnonzero(mask.any(axis=1))
        for step in (1, -1):
            known = np.ascontiguousarray(over[lines, ::step])
            index = np.arange(known.shape[1], dtype=np.int32)
            last = np.maximum.accumulate(np.where(known < 0, np.int32(-1), index), axis=1)
            away = np.where(last < 0, np.float32(np.inf), (index - last) * np.float32(cost))[:, ::step]
            there = np.take_along_axis(known, np.maximum(last, 0), axis=1)[:, ::step]
            nearer = away < far[lines]
            found[lines] = np.where(nearer, there, found[lines])
            far[lines] = np.where(nearer, away, far[lines])
    return result
