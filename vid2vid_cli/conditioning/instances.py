"""Objects over time: a number for every pixel that says which object it is of, the same on every frame of a clip.

Where a conditioner knows instance ids, they are these; otherwise the connected regions of a class of things are
followed from frame to frame by where they overlap, and all of any other class is one object.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner, LabelClass
from vid2vid_cli.core.geometry import View
from vid2vid_cli.media.images import view_image

PICTURE = LabelClass(0, "picture", (128, 128, 128))
"""The one object that there is where nothing has classes: all of the picture."""
LABELS, INSTANCES = "labels", "instances"
"""The images of an annotation that hold class ids, and instance ids."""
NUMBERS = 32
"""Bits of an id that say which of its class an instance is; those above are the id of the class."""
PATIENCE = 10
"""Frames for which the place of a thing that is not seen is kept for it."""
SHARE = 0.25
"""Part of the smaller of two regions, of this frame and of the last, that must be common to both."""
ALIKE = 2.0
"""How many times larger a thing may be that has moved farther than its own size."""

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int32]
Vector = NDArray[np.float64]
Box = tuple[slice, slice]


def class_of(ids: Ids) -> Ids:
    """The id of the class of each instance; negative for none."""
    return ids >> NUMBERS


def number_of(ids: Ids) -> Ids:
    """Which of its class each instance is; 0 for all that are not told apart."""
    return ids & ((1 << NUMBERS) - 1)


def mapped(conditioners: Sequence[Conditioner]) -> int | None:
    """The conditioner whose label maps say what objects there are; None where none has any."""
    maps = (index for index, one in enumerate(conditioners) if one.spec.output == "labels" and one.classes())
    return next(maps, None)


def instance_classes(conditioners: Sequence[Conditioner]) -> tuple[LabelClass, ...]:
    """What objects may be of: the classes of the first conditioner that has any, or `picture`."""
    index = mapped(conditioners)
    return (PICTURE,) if index is None else conditioners[index].classes()


class InstanceReader:
    """The instances of the frames of one clip, in their order."""

    def __init__(self, conditioners: Sequence[Conditioner], views: Sequence[View], things: Collection[int]) -> None:
        """`things`: ids of the classes whose regions are told apart."""
        self.index = mapped(conditioners)
        self.view = views[self.index or 0]
        self.follow = Follower(things)
        self._table = np.full(65536, -1, np.int64)
        if self.index is not None:
            own = conditioners[self.index]
            drawn = own.class_channels()
            for one in own.classes():
                self._table[one.id] = one.id << NUMBERS if one.name in drawn else -1

    def __call__(self, annotations: Sequence[Annotation]) -> Ids:
        """(h, w) ids of the next frame, through the view; negative where there is nothing of its own."""
        if self.index is None:
            return np.zeros((self.view.height, self.view.width), dtype=np.int64)
        images = annotations[self.index].images
        if LABELS not in images:
            return np.full((self.view.height, self.view.width), -1, dtype=np.int64)
        labels = view_image(images[LABELS], self.view, nearest=True)
        ids = self._table[labels]
        if INSTANCES in images:
            ids += np.where(ids >= 0, view_image(images[INSTANCES], self.view, nearest=True), 0)
        return self.follow(ids)


@dataclass
class _Things:
    """What is remembered of the things of one class."""

    count: int = 0
    """Numbers given so far."""
    places: Numbers = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    """(h, w) the number of the thing that was last seen at a pixel, 0 for none."""
    missing: dict[int, int] = field(default_factory=dict)
    """Number -> for how many frames it has not been seen."""
    centres: dict[int, tuple[Vector, Vector]] = field(default_factory=dict)
    """Number -> its middle when last seen, and how far that was from the time before."""


class Follower:
    """Tells the things of some classes apart; memory is one map for each of these classes, whatever the length."""

    def __init__(self, things: Collection[int]) -> None:
        self._known = {thing: _Things() for thing in things}

    def __call__(self, ids: Ids) -> Ids:
        """(h, w) ids -> the same, but things without a number have one; those of the next frame."""
        numbered = ids.copy()
        for thing, known in self._known.items():
            mask = ids == thing << NUMBERS
            if known.places.shape != mask.shape:
                known.places = np.zeros(mask.shape, np.int32)
            if (box := _box(mask | (known.places > 0))) is not None:
                part = numbered[box]
                part[mask[box]] += _follow(known, mask[box], box)[mask[box]]
        return numbered


def _box(mask: Mask) -> Box | None:
    """The rows and columns that hold all of a mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _follow(known: _Things, mask: Mask, box: Box) -> Numbers:
    """The number of each pixel of `mask`, 0 elsewhere; `known` is brought to this frame.

    `mask` is that part of the frame, `box`, in which any of these things are or were.
    """
    corner = np.array([box[1].start, box[0].start])
    places = known.places[box]
    count, found, stats, middles = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    regions, areas = np.asarray(found, np.int32), np.asarray(stats[:, cv2.CC_STAT_AREA], np.int32)
    names = _overlapping(known, places, regions, areas)
    names.update(_moved(known, places, names, areas, middles + corner))
    table = np.zeros(count, np.int32)
    for region in range(1, count):
        if region not in names:
            known.count += 1
            names[region] = [known.count]
        table[region] = names[region][0]
    numbers: Numbers = table[regions]
    for region, own in names.items():
        if len(own) > 1:
            here = regions == region
            numbers[here] = _nearest(places, own)[here]
    known.places[box] = _remember(known, places, numbers, corner)
    return numbers


def _overlapping(known: _Things, places: Numbers, regions: Numbers, areas: NDArray[np.int32]) -> dict[int, list[int]]:
    """Region -> the things it shows, by the pixels that it shares with where they were last seen."""
    both = (regions > 0) & (places > 0)
    all_of = known.count + 1
    pairs, shared = np.unique(regions[both].astype(np.int64) * all_of + places[both], return_counts=True)
    sizes = np.bincount(places.ravel(), minlength=known.count + 1)
    table: dict[tuple[int, int], int] = {}
    for pair, pixels in zip(pairs.tolist(), shared.tolist(), strict=True):
        region, number = divmod(pair, all_of)
        if pixels >= SHARE * min(areas[region], sizes[number]):
            table[region, number] = pixels
    names: dict[int, list[int]] = {}
    for region, number in sorted(table, key=lambda pair: (known.missing[pair[1]] > 0, -table[pair])):
        names.setdefault(region, [number])  # what it shares most with, of what was seen on the last frame
    taken = {own[0] for own in names.values()}
    for (region, number), pixels in table.items():
        # Two that touch are one region, and stay two things: each pixel is of that which it was nearest to.
        home = max((pair for pair in table if pair[1] == number), key=table.__getitem__)[0]
        if number not in taken and known.missing[number] == 0 and region == home and 2 * pixels >= sizes[number]:
            names[region].append(number)
    return names


def _moved(
    known: _Things, places: Numbers, names: dict[int, list[int]], areas: NDArray[np.int32], middles: Vector
) -> dict[int, list[int]]:
    """The same for regions that overlap with nothing: the nearest thing of about their size that is nowhere else."""
    taken = {number for own in names.values() for number in own}
    sizes = np.bincount(places.ravel(), minlength=known.count + 1)
    costs: dict[tuple[int, int], float] = {}
    for number, (middle, step) in known.centres.items():
        for region in range(1, len(areas)):
            if number in taken or region in names or not sizes[number]:
                continue
            away = float(np.hypot(*(middles[region] - middle - step)))
            alike = max(areas[region], sizes[number]) <= ALIKE * min(areas[region], sizes[number])
            if alike and away <= 1.5 * np.sqrt(areas[region]):
                costs[region, number] = away
    found: dict[int, list[int]] = {}
    for region, number in sorted(costs, key=costs.__getitem__):
        if region not in found and number not in taken:
            found[region] = [number]
            taken.add(number)
    return found


def _nearest(places: Numbers, chosen: Sequence[int]) -> Numbers:
    """(h, w): for each pixel the nearest of the chosen things."""
    is_chosen = np.zeros(int(places.max()) + 1, np.bool_)
    is_chosen[list(chosen)] = True
    seeds = is_chosen[places]
    _, labels = cv2.distanceTransformWithLabels(
        (~seeds).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(labels.max()) + 1, np.int32)
    table[labels[seeds]] = places[seeds]
    return np.asarray(table[labels], dtype=np.int32)


def _remember(known: _Things, places: Numbers, numbers: Numbers, corner: Vector) -> Numbers:
    """Bring what is known to this frame; the answer is where things are now, and for a while where others were."""
    rows, columns = np.nonzero(numbers)
    of = numbers[rows, columns]
    pixels = np.bincount(of, minlength=known.count + 1)
    middles = np.stack([np.bincount(of, axis, known.count + 1) for axis in (columns, rows)], 1)
    seen = set(np.flatnonzero(pixels).tolist())
    known.missing = {number: missing + 1 for number, missing in known.missing.items() if missing < PATIENCE}
    known.missing.update(dict.fromkeys(seen, 0))
    kept = np.zeros(known.count + 1, np.int32)
    kept[list(known.missing)] = list(known.missing)
    kept[list(seen)] = 0
    centres = {}
    for number in known.missing:
        if number in seen:
            middle = middles[number] / pixels[number] + corner
            before = known.centres.get(number)
            centres[number] = (middle, middle - before[0] if before is not None else np.zeros(2))
        else:
            middle, step = known.centres[number]
            centres[number] = (middle + step, step)
    known.centres = centres
    return np.where(numbers > 0, numbers, kept[places])
