"""Instance ids: one id per pixel and object, constant over the frames of a clip.

The ids come from the conditioner if it provides instance ids. Otherwise the connected regions of thing classes are
tracked from frame to frame by overlap, and all pixels of any other class form one object.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.combine import label_conditioner_index
from vid2vid_cli.conditioning.conditioner import INSTANCES_KEY, LABELS_KEY, Annotation, Conditioner
from vid2vid_cli.core.geometry import View
from vid2vid_cli.media.images import view_image

INSTANCE_BITS = 32
"""Low bits of an id that hold the number of the instance within its class; the high bits hold the class id."""
MAX_MISSING_FRAMES = 10
"""Frames for which an instance without a region is remembered."""
MIN_OVERLAP_SHARE = 0.25
"""Minimum overlap of a region with an instance of the last frame, as a share of the smaller of the two."""
MAX_SIZE_RATIO = 2.0
"""Largest ratio of sizes for a match by predicted motion, without overlap."""

InstanceIds = NDArray[np.int64]
Mask = NDArray[np.bool_]
InstanceNumbers = NDArray[np.int32]
Vector = NDArray[np.float64]
SliceBox = tuple[slice, slice]


def instance_class(ids: InstanceIds) -> InstanceIds:
    """Return the class id of each instance id; negative for no object."""
    return ids >> INSTANCE_BITS


def instance_number(ids: InstanceIds) -> InstanceIds:
    """Return the number of each instance within its class; 0 for classes that are not split into instances."""
    return ids & ((1 << INSTANCE_BITS) - 1)


class InstanceReader:
    """Reads the instance ids of one clip, frame by frame."""

    def __init__(self, conditioners: Sequence[Conditioner], views: Sequence[View], thing_ids: Collection[int]) -> None:
        """`thing_ids`: ids of the classes that are split into instances."""
        self.conditioner_index = label_conditioner_index(conditioners)
        self.view = views[self.conditioner_index or 0]
        self.tracker = InstanceTracker(thing_ids)
        self._id_table = np.full(65536, -1, np.int64)
        if self.conditioner_index is not None:
            conditioner = conditioners[self.conditioner_index]
            class_channels = conditioner.class_channels()
            for label_class in conditioner.classes():
                self._id_table[label_class.id] = (
                    label_class.id << INSTANCE_BITS if label_class.name in class_channels else -1
                )

    def __call__(self, annotations: Sequence[Annotation]) -> InstanceIds:
        """Return the ids (h, w) of the next frame in the view; negative where there is no object."""
        if self.conditioner_index is None:
            return np.zeros((self.view.height, self.view.width), dtype=np.int64)
        images = annotations[self.conditioner_index].images
        if LABELS_KEY not in images:
            return np.full((self.view.height, self.view.width), -1, dtype=np.int64)
        labels = view_image(images[LABELS_KEY], self.view, nearest=True)
        ids = self._id_table[labels]
        if INSTANCES_KEY in images:
            ids += np.where(ids >= 0, view_image(images[INSTANCES_KEY], self.view, nearest=True), 0)
        return self.tracker(ids)


@dataclass
class _ClassTracks:
    """State of the instances of one class."""

    num_instances: int = 0
    """Number of instances so far; their numbers start at 1."""
    number_map: InstanceNumbers = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    """(h, w): the number of the last instance at each pixel, 0 for none."""
    missing_frames: dict[int, int] = field(default_factory=dict)
    """Instance number -> frames since its last region."""
    centres_and_steps: dict[int, tuple[Vector, Vector]] = field(default_factory=dict)
    """Instance number -> last centre and last displacement of the centre."""


class InstanceTracker:
    """Tracks the instances of the thing classes. Memory is one map per class, whatever the length of the clip."""

    def __init__(self, thing_ids: Collection[int]) -> None:
        self._tracks = {class_id: _ClassTracks() for class_id in thing_ids}

    def __call__(self, ids: InstanceIds) -> InstanceIds:
        """Return the ids (h, w) of the next frame with an instance number for every pixel of the thing classes."""
        numbered_ids = ids.copy()
        for class_id, tracks in self._tracks.items():
            mask = ids == class_id << INSTANCE_BITS
            if tracks.number_map.shape != mask.shape:
                tracks.number_map = np.zeros(mask.shape, np.int32)
            if (bounds := _mask_bounds(mask | (tracks.number_map > 0))) is not None:
                crop = numbered_ids[bounds]
                crop[mask[bounds]] += _track_instances(tracks, mask[bounds], bounds)[mask[bounds]]
        return numbered_ids


def _mask_bounds(mask: Mask) -> SliceBox | None:
    """Return the row and column slices that contain the mask; None if it is empty."""
    row_indices, column_indices = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(row_indices):
        return None
    rows = slice(int(row_indices[0]), int(row_indices[-1]) + 1)
    return rows, slice(int(column_indices[0]), int(column_indices[-1]) + 1)


def _track_instances(tracks: _ClassTracks, mask: Mask, bounds: SliceBox) -> InstanceNumbers:
    """Return the instance number of each pixel of `mask`, 0 elsewhere, and update `tracks`.

    `mask` is the crop `bounds` of the frame, which contains all regions of the class in this and the last frames.
    """
    offset = np.array([bounds[1].start, bounds[0].start])
    number_map = tracks.number_map[bounds]
    num_regions, component_map, stats, centroids = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    regions, areas = np.asarray(component_map, np.int32), np.asarray(stats[:, cv2.CC_STAT_AREA], np.int32)
    region_numbers = _match_by_overlap(tracks, number_map, regions, areas)
    region_numbers.update(_match_by_motion(tracks, number_map, region_numbers, areas, centroids + offset))
    number_of_region = np.zeros(num_regions, np.int32)
    for region in range(1, num_regions):
        if region not in region_numbers:
            tracks.num_instances += 1
            region_numbers[region] = [tracks.num_instances]
        number_of_region[region] = region_numbers[region][0]
    numbers: InstanceNumbers = number_of_region[regions]
    for region, matched_numbers in region_numbers.items():
        if len(matched_numbers) > 1:
            region_mask = regions == region
            numbers[region_mask] = _nearest_numbers(number_map, matched_numbers)[region_mask]
    tracks.number_map[bounds] = _update_tracks(tracks, number_map, numbers, offset)
    return numbers


def _match_by_overlap(
    tracks: _ClassTracks, number_map: InstanceNumbers, regions: InstanceNumbers, areas: NDArray[np.int32]
) -> dict[int, list[int]]:
    """Return region -> instance numbers, by the pixels that a region shares with the last region of an instance."""
    overlap_mask = (regions > 0) & (number_map > 0)
    pair_stride = tracks.num_instances + 1
    pair_codes, shared_pixels = np.unique(
        regions[overlap_mask].astype(np.int64) * pair_stride + number_map[overlap_mask], return_counts=True
    )
    instance_sizes = np.bincount(number_map.ravel(), minlength=tracks.num_instances + 1)
    overlap_pixels: dict[tuple[int, int], int] = {}
    for pair_code, pixels in zip(pair_codes.tolist(), shared_pixels.tolist(), strict=True):
        region, number = divmod(pair_code, pair_stride)
        if pixels >= MIN_OVERLAP_SHARE * min(areas[region], instance_sizes[number]):
            overlap_pixels[region, number] = pixels
    region_numbers: dict[int, list[int]] = {}
    for region, number in sorted(
        overlap_pixels, key=lambda pair: (tracks.missing_frames[pair[1]] > 0, -overlap_pixels[pair])
    ):
        region_numbers.setdefault(region, [number])  # instances of the last frame first, then by overlap
    matched_numbers = {numbers[0] for numbers in region_numbers.values()}
    for (region, number), pixels in overlap_pixels.items():
        # Two instances that touch form one region but stay separate: each pixel goes to the nearest one.
        main_region = max((pair for pair in overlap_pixels if pair[1] == number), key=overlap_pixels.__getitem__)[0]
        if (
            number not in matched_numbers
            and tracks.missing_frames[number] == 0
            and region == main_region
            and 2 * pixels >= instance_sizes[number]
        ):
            region_numbers[region].append(number)
    return region_numbers


def _match_by_motion(
    tracks: _ClassTracks,
    number_map: InstanceNumbers,
    region_numbers: dict[int, list[int]],
    areas: NDArray[np.int32],
    centroids: Vector,
) -> dict[int, list[int]]:
    """The same for regions that overlap with nothing: the nearest thing of about their size that is nowhere else."""
    matched_numbers = {number for numbers in region_numbers.values() for number in numbers}
    instance_sizes = np.bincount(number_map.ravel(), minlength=tracks.num_instances + 1)
    costs: dict[tuple[int, int], float] = {}
    for number, (centre, step) in tracks.centres_and_steps.items():
        for region in range(1, len(areas)):
            if number in matched_numbers or region in region_numbers or not instance_sizes[number]:
                continue
            distance = float(np.hypot(*(centroids[region] - centre - step)))
            smaller, larger = sorted((areas[region], instance_sizes[number]))
            if larger <= MAX_SIZE_RATIO * smaller and distance <= 1.5 * np.sqrt(areas[region]):
                costs[region, number] = distance
    matches: dict[int, list[int]] = {}
    for region, number in sorted(costs, key=costs.__getitem__):
        if region not in matches and number not in matched_numbers:
            matches[region] = [number]
            matched_numbers.add(number)
    return matches


def _nearest_numbers(number_map: InstanceNumbers, numbers: Sequence[int]) -> InstanceNumbers:
    """Return (h, w): the nearest of the given instances for each pixel."""
    is_chosen = np.zeros(int(number_map.max()) + 1, np.bool_)
    is_chosen[list(numbers)] = True
    seeds = is_chosen[number_map]
    _, labels = cv2.distanceTransformWithLabels(
        (~seeds).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    number_of_label = np.zeros(int(labels.max()) + 1, np.int32)
    number_of_label[labels[seeds]] = number_map[seeds]
    return np.asarray(number_of_label[labels], dtype=np.int32)


def _update_tracks(
    tracks: _ClassTracks, number_map: InstanceNumbers, numbers: InstanceNumbers, offset: Vector
) -> InstanceNumbers:
    """Update the tracks; return the map of current instances and, for some frames, of missing ones."""
    rows, columns = np.nonzero(numbers)
    pixel_numbers = numbers[rows, columns]
    pixel_counts = np.bincount(pixel_numbers, minlength=tracks.num_instances + 1)
    position_sums = np.stack(
        [np.bincount(pixel_numbers, axis, tracks.num_instances + 1) for axis in (columns, rows)], 1
    )
    visible_numbers = set(np.flatnonzero(pixel_counts).tolist())
    tracks.missing_frames = {
        number: missing + 1 for number, missing in tracks.missing_frames.items() if missing < MAX_MISSING_FRAMES
    }
    tracks.missing_frames.update(dict.fromkeys(visible_numbers, 0))
    remembered_numbers = np.zeros(tracks.num_instances + 1, np.int32)
    remembered_numbers[list(tracks.missing_frames)] = list(tracks.missing_frames)
    remembered_numbers[list(visible_numbers)] = 0
    centres_and_steps = {}
    for number in tracks.missing_frames:
        if number in visible_numbers:
            centre = position_sums[number] / pixel_counts[number] + offset
            previous = tracks.centres_and_steps.get(number)
            centres_and_steps[number] = (centre, centre - previous[0] if previous is not None else np.zeros(2))
        else:
            centre, step = tracks.centres_and_steps[number]
            centres_and_steps[number] = (centre + step, step)
    tracks.centres_and_steps = centres_and_steps
    return np.where(numbers > 0, numbers, remembered_numbers[number_map])
