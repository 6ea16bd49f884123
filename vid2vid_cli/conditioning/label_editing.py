"""Editing of label maps: classes are replaced by others, or removed and filled from their surroundings.

Semantic manipulation as in vid2vid (Wang et al. 2018, §4): the model generates video from the edited labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.conditioner import LABELS_KEY

MIN_RIM_MATCH_SHARE = 0.75
"""Share of a region's rim where the remembered label must occur next to the region now, to use remembered labels."""
VERTICAL_DISTANCE_WEIGHT = 4
"""Horizontal pixels that count as far as one vertical pixel: layers of a scene, such as a horizon, are horizontal."""
THIN_RUN_DIVISOR = 64
"""Runs narrower than the width divided by this are not used as background, e.g. poles."""
MIN_RIM_RADIUS_PX = 2
"""Minimum search distance for labels next to the rim; height / 128 on maps higher than 256 px."""

IdMap = NDArray[Any]
Mask = NDArray[np.bool_]
IdMaps = dict[str, IdMap]


@dataclass(frozen=True)
class EditRegion:
    """A box of the frame, and a range of frames from `start_frame` up to but not including `end_frame`."""

    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """x0, y0, x1, y1 as shares of the frame; contains the pixels whose centres are inside."""
    start_frame: int = 0
    end_frame: int | None = None
    """None: to the end of the video."""

    def contains_frame(self, frame_index: int) -> bool:
        """Return whether the range contains the frame."""
        return self.start_frame <= frame_index and (self.end_frame is None or frame_index < self.end_frame)

    def pixel_slices(self, height: int, width: int) -> tuple[slice, slice]:
        """Return the row and column slices of the box on a map of this size."""
        x0, y0, x1, y1 = self.box
        rows, columns = ((y0 * height, y1 * height), (x0 * width, x1 * width))
        return slice(ceil(rows[0] - 0.5), ceil(rows[1] - 0.5)), slice(ceil(columns[0] - 0.5), ceil(columns[1] - 0.5))


@dataclass(frozen=True)
class LabelEdit:
    """Replaces the class `old_id` by `new_id`, or removes it if `new_id` is None."""

    old_id: int
    new_id: int | None
    region: EditRegion = EditRegion()


class LabelEditor:
    """Edits the label maps of one clip in order. Memory is one map, whatever the length of the clip.

    Removals are applied to the input labels, then all replacements at once; the last replacement of a pixel wins.
    A removed pixel gets the remembered label at its position if that continues the labels around its region now;
    otherwise the label of the nearest pixel in its row or column, without thin objects such as poles. A class that is
    removed anywhere is never used as a fill.
    """

    def __init__(self, edits: Sequence[LabelEdit], class_ids: Collection[int]) -> None:
        """`class_ids`: all ids that have a class."""
        self.edits = tuple(edits)
        self.changed_pixels = [0] * len(self.edits)
        """Pixels changed so far, for each edit."""
        self.num_unfilled_frames = 0
        """Frames on which nothing could be removed because no other class was available as a fill."""
        removed_ids = {edit.old_id for edit in self.edits if edit.new_id is None}
        self._fill_ids = sorted(set(class_ids) - removed_ids)
        self._has_removals = bool(removed_ids)
        self._remembered_maps: IdMaps = {}
        self._remembered_mask: Mask = np.zeros((0, 0), dtype=np.bool_)

    def __call__(self, images: Mapping[str, IdMap], frame_index: int) -> dict[str, IdMap]:
        """Return the edited images of the next frame, whose index in the video is `frame_index`.

        Images of the size of the label map, such as instance ids, are edited with it; a replaced object keeps its
        instance id.
        """
        id_maps = {name: image for name, image in images.items() if image.shape == images[LABELS_KEY].shape}
        active_edits = [
            (index, edit) for index, edit in enumerate(self.edits) if edit.region.contains_frame(frame_index)
        ]
        edited_maps = self._remove_classes(id_maps, active_edits) if self._has_removals else id_maps
        return {**images, **self._replace_classes(edited_maps, active_edits)}

    def _remove_classes(self, id_maps: IdMaps, active_edits: Sequence[tuple[int, LabelEdit]]) -> IdMaps:
        labels = id_maps[LABELS_KEY]
        hole = np.zeros(labels.shape, dtype=np.bool_)
        counts = []
        for index, edit in active_edits:
            if edit.new_id is None:
                region_slices = edit.region.pixel_slices(*labels.shape)
                matches = labels[region_slices] == edit.old_id
                hole[region_slices] |= matches
                counts.append((index, int(matches.sum())))
        visible = np.isin(labels, self._fill_ids)
        if self._remembered_mask.shape != labels.shape:
            self._remembered_maps = {name: image.copy() for name, image in id_maps.items()}
            self._remembered_mask = np.zeros(labels.shape, dtype=np.bool_)
        filled_maps = self._fill_hole(id_maps, hole, visible) if hole.any() else id_maps
        for name, image in id_maps.items():
            np.copyto(self._remembered_maps[name], image, where=visible)
        self._remembered_mask |= visible
        if filled_maps is None:
            self.num_unfilled_frames += 1
            return id_maps
        for index, count in counts:
            self.changed_pixels[index] += count
        return filled_maps

    def _fill_hole(self, id_maps: IdMaps, hole: Mask, visible: Mask) -> IdMaps | None:
        """Return the maps with the hole filled; None if there is no label to fill it with."""
        remembered = hole & self._remembered_mask
        if visible.any():
            remembered &= self._seamless_pixels(hole, visible, id_maps[LABELS_KEY])
        elif not remembered.any():
            return None
        filled_maps = {
            name: np.where(remembered, self._remembered_maps[name], id_map) for name, id_map in id_maps.items()
        }
        unfilled = hole & ~remembered
        if not unfilled.any():
            return filled_maps
        nearest = _nearest_source_indices(_exclude_thin_runs(filled_maps[LABELS_KEY], visible | remembered), unfilled)
        return {name: np.where(unfilled, id_map.ravel()[nearest], id_map) for name, id_map in filled_maps.items()}

    def _seamless_pixels(self, hole: Mask, visible: Mask, labels: IdMap) -> Mask:
        """Return the connected regions of the hole whose remembered labels match the labels around them now.

        They do not match after the camera has moved, or after a remembered object has left.
        """
        num_regions, regions = cv2.connectedComponents(hole.astype(np.uint8), connectivity=8)
        known_rim = hole & self._remembered_mask & _dilate(visible, 1)
        remembered_labels = self._remembered_maps[LABELS_KEY]
        matching_rim = np.zeros_like(known_rim)
        for label in np.unique(remembered_labels[known_rim]):
            matching_rim |= (
                known_rim
                & (remembered_labels == label)
                & _dilate(visible & (labels == label), max(MIN_RIM_RADIUS_PX, len(labels) // 128))
            )
        rim_counts, matching_counts = (
            np.bincount(regions[mask], minlength=num_regions) for mask in (known_rim, matching_rim)
        )
        is_seamless: Mask = (rim_counts > 0) & (matching_counts >= MIN_RIM_MATCH_SHARE * rim_counts)
        return np.asarray(is_seamless[regions], dtype=np.bool_)

    def _replace_classes(self, id_maps: IdMaps, active_edits: Sequence[tuple[int, LabelEdit]]) -> IdMaps:
        replacements = [(index, edit, edit.new_id) for index, edit in active_edits if edit.new_id is not None]
        if not replacements:
            return id_maps
        labels = id_maps[LABELS_KEY]
        id_dtypes = [np.min_scalar_type(new_id) for _, _, new_id in replacements]
        result = {name: image.astype(np.result_type(image.dtype, *id_dtypes)) for name, image in id_maps.items()}
        for index, edit, new_id in replacements:
            region_slices = edit.region.pixel_slices(*labels.shape)
            matches = labels[region_slices] == edit.old_id
            self.changed_pixels[index] += int(matches.sum())
            for name, image in id_maps.items():
                # Instance maps keep their ids, except pixels without an instance, which hold the class id.
                result[name][region_slices][matches & (image[region_slices] == edit.old_id)] = new_id
        return result


def _dilate(mask: Mask, radius: int) -> Mask:
    """Return the mask dilated by a square of this radius in pixels."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(np.bool_)


def _exclude_thin_runs(labels: IdMap, visible: Mask) -> Mask:
    """Return `visible` without runs narrower than a share of the width, such as poles, unless nothing else is left."""
    index = np.arange(labels.shape[1], dtype=np.int32)
    starts, ends = np.zeros(labels.shape, dtype=np.int32), np.full(labels.shape, len(index), dtype=np.int32)
    changes = labels[:, 1:] != labels[:, :-1]
    starts[:, 1:] = np.maximum.accumulate(np.where(changes, index[1:], 0), axis=1)
    ends[:, -2::-1] = np.minimum.accumulate(np.where(changes, index[1:], len(index))[:, ::-1], axis=1)
    wide_mask: Mask = visible & (ends - starts >= len(index) // THIN_RUN_DIVISOR)
    return wide_mask if wide_mask.any() else visible


def _nearest_source_indices(sources: Mask, hole: Mask) -> NDArray[np.int32]:
    """Return (h, w): the flat index of the nearest source in the row or column of each pixel of the hole.

    There must be at least one source. A pixel without a source in its row and column takes the index of the nearest
    pixel that has one.
    """
    index = np.arange(sources.size, dtype=np.int32).reshape(sources.shape)
    source_indices = _propagate_sources(np.where(sources, index, np.int32(-1)), hole)
    while (source_indices[hole] < 0).any():
        source_indices = _propagate_sources(source_indices, source_indices < 0)
    return source_indices


def _propagate_sources(source_indices: NDArray[np.int32], target_mask: Mask) -> NDArray[np.int32]:
    """Propagate the indices that are set (not -1) along rows and columns to the pixels of `target_mask`."""
    result, best_distances = source_indices.copy(), np.where(source_indices < 0, np.float32(np.inf), np.float32(0))
    row_arrays = source_indices, result, best_distances, target_mask
    for (sources, nearest_sources, nearest_distances, mask), cost in (
        (row_arrays, 1),
        (tuple(array.T for array in row_arrays), VERTICAL_DISTANCE_WEIGHT),
    ):
        target_lines = np.flatnonzero(mask.any(axis=1))
        for step in (1, -1):
            line_sources = np.ascontiguousarray(sources[target_lines, ::step])
            index = np.arange(line_sources.shape[1], dtype=np.int32)
            last_source = np.maximum.accumulate(np.where(line_sources < 0, np.int32(-1), index), axis=1)
            line_distances = np.where(last_source < 0, np.float32(np.inf), (index - last_source) * np.float32(cost))[
                :, ::step
            ]
            candidates = np.take_along_axis(line_sources, np.maximum(last_source, 0), axis=1)[:, ::step]
            is_nearer = line_distances < nearest_distances[target_lines]
            nearest_sources[target_lines] = np.where(is_nearer, candidates, nearest_sources[target_lines])
            nearest_distances[target_lines] = np.where(is_nearer, line_distances, nearest_distances[target_lines])
    return result
