"""Tracking of people by their boxes, and selection of the person or people to annotate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from vid2vid_cli.conditioning.boxes import box_area, box_centre, iou
from vid2vid_cli.conditioning.person import parse_person
from vid2vid_cli.conditioning.track import Track, match_cost, should_swap
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.geometry import Box

MAX_MISSING_FRAMES = 30
"""Frames without a detection after which a track is dropped."""
MIN_MERGED_IOU = 0.2
"""Minimum IoU of a detection with another track's predicted box for the detection to cover both people."""
MAX_BRIEF_GAP_FRAMES = 3
"""Frames without a detection after which a passing person is not considered to occlude the track."""
MIN_CONFIRMED_HITS = 5
"""Detections after which a track is confirmed: it is not a false detection and may be occluded."""


class Tracker:
    """Tracks all people of one video by their boxes and selects some of them; call `update` for every frame in order.

    People who are not selected are tracked too, so that a person who passes in front is not confused with the one
    behind. Boxes are assigned greedily to the nearest predicted box (constant velocity). While one box covers two
    people, it is assigned to the selected one, and both continue at their velocities. A track without a detection is
    kept for `max_missing_frames` frames.
    """

    def __init__(self, person: str, num_people: int = 1, max_missing_frames: int = MAX_MISSING_FRAMES) -> None:
        """`person` selects the first person: `largest`, `centre` (nearest to the image centre), or N, the N-th from
        the left on the first frame that shows at least N people. `num_people` is the number of people to select.

        Raises: ConfigError.
        """
        try:
            self.person = parse_person(person)
        except ValueError as error:
            raise ConfigError(f"{error}.", "Set --person largest, --person centre, or --person 2.") from error
        self.num_people = num_people
        self.max_missing_frames = max_missing_frames
        self._tracks: list[Track] = []

    @property
    def box(self) -> Box | None:
        """Last box of the first selected person; None if there is no track."""
        return self.boxes[0]

    @property
    def boxes(self) -> list[Box | None]:
        """Last box of each selected person; None if there is no track."""
        last_boxes: list[Box | None] = [None] * self.num_people
        for track in self._tracks:
            if track.slot is not None:
                last_boxes[track.slot] = track.box
        return last_boxes

    def reset(self) -> None:
        """Drop all tracks, e.g. at a cut."""
        self._tracks = []

    def update_single(
        self, boxes: Sequence[Box], scores: Sequence[float], height: int, width: int, *, is_cut: bool = False
    ) -> int | None:
        """Return the index in `boxes`, on a frame of height x width, of the first selected person; None if missing."""
        return self.update(boxes, scores, height, width, is_cut=is_cut)[0]

    def update(
        self, boxes: Sequence[Box], scores: Sequence[float], height: int, width: int, *, is_cut: bool = False
    ) -> list[int | None]:
        """Return the index in `boxes` for each selected person, in the same order on every frame; None if missing."""
        if is_cut:
            self.reset()
        valid_indices = [
            i for i, (box, score) in enumerate(zip(boxes, scores, strict=True)) if _is_valid_box(box, score)
        ]
        matches = self._associate(boxes, valid_indices)
        self._update_tracks(matches, boxes)
        self._tracks = [track for track in self._tracks if track.missing_frames <= self._missing_limit(track)]
        for index in [index for index in valid_indices if index not in matches.values()]:
            self._tracks.append(Track(boxes[index], box_centre(boxes[index])))
            matches[id(self._tracks[-1])] = index
        self._assign_slots(matches, boxes, scores, height, width)
        selected: list[int | None] = [None] * self.num_people
        for track in self._tracks:
            if track.slot is not None:
                selected[track.slot] = matches.get(id(track))
        return selected

    def _associate(self, boxes: Sequence[Box], valid_indices: list[int]) -> dict[int, int]:
        """Return track id -> index of its box for the existing tracks that have a detection."""
        costs: dict[tuple[int, int], float] = {}
        for track in self._tracks:
            predicted_box = track.predicted_box
            for index in valid_indices:
                cost = match_cost(track, predicted_box, boxes[index])
                if cost is not None:
                    costs[id(track), index] = cost
        matches: dict[int, int] = {}
        for track_id, index in sorted(costs, key=costs.__getitem__):
            if index not in matches.values() and track_id not in matches:
                matches[track_id] = index
        tracks = {id(track): track for track in self._tracks}
        for id_a, id_b in combinations(matches, 2):
            index_a, index_b = matches[id_a], matches[id_b]
            if (id_a, index_b) not in costs or (id_b, index_a) not in costs:
                continue
            gain = costs[id_a, index_a] + costs[id_b, index_b] - costs[id_a, index_b] - costs[id_b, index_a]
            if should_swap(tracks[id_a], tracks[id_b], boxes[index_a], boxes[index_b], gain):
                matches[id_a], matches[id_b] = index_b, index_a
        return matches

    def _update_tracks(self, matches: dict[int, int], boxes: Sequence[Box]) -> None:
        """Update all tracks; of two people covered by one box, `matches` keeps the selected one."""
        merged_ids: set[int] = set()
        for track in self._tracks:
            is_lost = track.missing_frames > MAX_BRIEF_GAP_FRAMES or track.hidden_frames >= self.max_missing_frames
            if id(track) in matches or track.hits < MIN_CONFIRMED_HITS or is_lost:
                continue
            occluder = max(self._tracks, key=lambda candidate: _occlusion_iou(candidate, track, matches, boxes))
            if _occlusion_iou(occluder, track, matches, boxes) > (0.0 if track.hidden_frames else MIN_MERGED_IOU):
                track.hidden_frames += 1
                merged_ids |= {id(track), id(occluder)}
                if track.slot is not None and occluder.slot is None:
                    matches[id(track)] = matches.pop(id(occluder))
        for track in self._tracks:
            index = matches.get(id(track))
            if id(track) in merged_ids:
                track.centre = track.centre + track.velocity
                track.box, track.is_shared = (track.box, False) if index is None else (boxes[index], True)
            elif index is None:
                track.missing_frames += 1
            else:
                track.update(boxes[index])

    def _missing_limit(self, track: Track) -> int:
        """Return the frames for which a track without a detection is kept; fewer if it may be a false detection."""
        return (
            self.max_missing_frames
            if track.slot is not None or track.hits >= MIN_CONFIRMED_HITS
            else MAX_BRIEF_GAP_FRAMES
        )

    def _assign_slots(
        self, matches: dict[int, int], boxes: Sequence[Box], scores: Sequence[float], height: int, width: int
    ) -> None:
        """Assign free slots of selected people to visible tracks without a slot."""
        free_slots = [slot for slot in range(self.num_people) if all(track.slot != slot for track in self._tracks)]
        if not free_slots:
            return
        visible_tracks = [track for track in self._tracks if id(track) in matches]
        if self.person.isdecimal():
            visible_tracks.sort(key=lambda track: track.box[0] + track.box[2])
            position = int(self.person) - 1
            if 0 in free_slots:
                if position >= len(visible_tracks) or visible_tracks[position].slot is not None:
                    return  # the other slots are assigned after the first one
                visible_tracks[position].slot = 0
        elif self.person == "centre":
            image_centre = np.array([width, height]) / 2
            visible_tracks.sort(key=lambda track: float(np.hypot(*(box_centre(track.box) - image_centre))))
        else:
            # The score keeps a large, uncertain detection from being preferred to a person.
            visible_tracks.sort(key=lambda track: -box_area(track.box) * scores[matches[id(track)]])
        remaining_slots = [slot for slot in free_slots if all(track.slot != slot for track in self._tracks)]
        unassigned_tracks = [track for track in visible_tracks if track.slot is None]
        for slot, track in zip(remaining_slots, unassigned_tracks, strict=False):
            track.slot = slot


def _occlusion_iou(occluder: Track, hidden_track: Track, matches: dict[int, int], boxes: Sequence[Box]) -> float:
    """Return the IoU of the occluder's box with the predicted box of `hidden_track`; 0 if it cannot occlude."""
    if occluder is hidden_track or id(occluder) not in matches or occluder.hits < MIN_CONFIRMED_HITS:
        return 0.0
    return iou(hidden_track.predicted_box, boxes[matches[id(occluder)]])


def _is_valid_box(box: Box, score: float) -> bool:
    return bool(np.isfinite(box).all()) and score > 0 and box[2] > box[0] and box[3] > box[1]
