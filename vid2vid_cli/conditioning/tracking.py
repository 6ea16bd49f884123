"""Tracking of people by their boxes, and selection of the person or people to annotate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from vid2vid_cli.conditioning.appearance import measure_appearance
from vid2vid_cli.conditioning.boxes import box_area, box_centre, iou
from vid2vid_cli.conditioning.person import parse_person
from vid2vid_cli.conditioning.reidentification import (
    MAX_BRIEF_GAP_FRAMES,
    Gallery,
    find_absent_person,
    find_gallery_person,
    is_other_person,
    merge_returned_people,
)
from vid2vid_cli.conditioning.track import Detection, Track, match_cost, should_swap, shows_occluder_only
from vid2vid_cli.conditioning.video_frame import VideoFrame
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.geometry import Box

MAX_MISSING_FRAMES = 30
"""Frames without a detection after which a person is recognised by appearance only, and no longer by motion."""
MIN_MERGED_IOU = 0.2
"""Minimum IoU of a detection with another track's predicted box for the detection to cover both people."""
MIN_CONFIRMED_HITS = 5
"""Detections after which a track is confirmed: it is not a false detection and may be occluded."""


class Tracker:
    """Tracks all people of one video by their boxes and selects some of them; call `update` for every frame in order.

    People who are not selected are tracked too, so that a person who passes in front is not confused with the one
    behind. Boxes are assigned greedily to the nearest predicted box (constant velocity). While one box covers two
    people, it is assigned to the selected one unless it shows the other's colours, and both continue at their
    velocities. A selected person who is absent keeps the slot until the end of the shot: another person never takes it,
    and the selected one is recognised by appearance, place and size.
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
        self._gallery = Gallery()
        self._frame_index = -1
        self._max_visible: list[int] = []
        """For each shot: the largest number of people on one frame."""
        self._replacement_warnings: list[str] = []

    @property
    def box(self) -> Box | None:
        """Box of the first selected person; see `boxes`."""
        return self.boxes[0]

    @property
    def boxes(self) -> list[Box | None]:
        """Last box of each selected person; None if not selected yet, or missing for over `max_missing_frames`."""
        last_boxes: list[Box | None] = [None] * self.num_people
        for track in self._tracks:
            if track.slot is not None and track.missing_frames <= self.max_missing_frames:
                last_boxes[track.slot] = track.box
        return last_boxes

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user on the frames so far; each begins with the option `person` or `num_people`."""
        option, required = f"person={self.person}", int(self.person) if self.person.isdecimal() else 1
        if self.num_people > required:
            option, required = f"num_people={self.num_people}", self.num_people
        short_shots = [num_visible for num_visible in self._max_visible if 0 < num_visible < required]
        if not short_shots:
            return self._replacement_warnings
        people = "1 person was" if max(short_shots) == 1 else f"{max(short_shots)} people were"
        place = "" if len(self._max_visible) == 1 else f" in {len(short_shots)} of {len(self._max_visible)} shots"
        return [f"{option}: at most {people} detected on one frame{place}.", *self._replacement_warnings]

    def reset(self) -> None:
        """Drop all tracks, e.g. at a cut."""
        self._tracks, self._gallery, self._frame_index = [], Gallery(), -1

    def update_single(self, boxes: Sequence[Box], scores: Sequence[float], frame: VideoFrame) -> int | None:
        """Return the index in `boxes`, the people on the frame, of the first selected person; None if missing."""
        return self.update(boxes, scores, frame)[0]

    def update(self, boxes: Sequence[Box], scores: Sequence[float], frame: VideoFrame) -> list[int | None]:
        """Return the index in `boxes` for each selected person, in the same order on every frame; None if missing."""
        if frame.is_cut:
            self.reset()
        self._frame_index += 1
        detections = {
            index: Detection(box, score, measure_appearance(frame.rgb, box))
            for index, (box, score) in enumerate(zip(boxes, scores, strict=True))
            if _is_valid_box(box, score)
        }
        if self._frame_index == 0:
            self._max_visible.append(0)
        self._max_visible[-1] = max(self._max_visible[-1], len(detections))
        matches = self._associate(detections)
        self._update_tracks(matches, detections)
        self._end_tracks()
        for index, detection in detections.items():
            if index not in matches.values():
                matches[id(self._start_track(detection))] = index
        self._tracks = merge_returned_people(self._tracks, matches, detections, self.max_missing_frames)
        self._assign_slots(matches, detections, frame.rgb.shape[:2])
        selected: list[int | None] = [None] * self.num_people
        for track in self._tracks:
            if track.slot is not None:
                selected[track.slot] = matches.get(id(track))
        return selected

    def _associate(self, detections: Mapping[int, Detection]) -> dict[int, int]:
        """Return track id -> index of its detection for the existing tracks that have one."""
        costs: dict[tuple[int, int], float] = {}
        predicted_boxes = [(track, track.predicted_box) for track in self._tracks]
        for index, detection in detections.items():
            gallery_match = self._gallery.find(detection)
            for track, predicted_box in predicted_boxes:
                cost = match_cost(track, predicted_box, detection.box)
                if cost is not None and not is_other_person(track, detection, gallery_match):
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
            if should_swap(tracks[id_a], tracks[id_b], detections[index_a].box, detections[index_b].box, gain):
                matches[id_a], matches[id_b] = index_b, index_a
        return matches

    def _update_tracks(self, matches: dict[int, int], detections: Mapping[int, Detection]) -> None:
        """Update all tracks; of two people covered by one box, `matches` keeps the selected one."""
        merged_ids: set[int] = set()
        for track in self._tracks:
            is_lost = track.missing_frames > MAX_BRIEF_GAP_FRAMES or track.hidden_frames >= self.max_missing_frames
            if id(track) in matches or track.hits < MIN_CONFIRMED_HITS or is_lost:
                continue
            occluder = max(self._tracks, key=lambda other: _occlusion_iou(other, track, matches, detections))
            if _occlusion_iou(occluder, track, matches, detections) > (0.0 if track.hidden_frames else MIN_MERGED_IOU):
                track.hidden_frames += 1
                merged_ids |= {id(track), id(occluder)}
                is_selected = track.slot is not None and occluder.slot is None
                if is_selected and not shows_occluder_only(track, occluder, detections[matches[id(occluder)]]):
                    matches[id(track)] = matches.pop(id(occluder))
        for track in self._tracks:
            index = matches.get(id(track))
            if id(track) in merged_ids:
                track.centre = track.centre + track.velocity
                track.box, track.is_shared = (track.box, False) if index is None else (detections[index].box, True)
                track.last_frame = track.last_frame if index is None else self._frame_index
            elif index is None:
                track.missing_frames += 1
            else:
                track.update(detections[index], self._frame_index)

    def _end_tracks(self) -> None:
        """End the tracks without a detection for too long; a selected person remains, unless it is unconfirmed."""
        remaining_tracks = []
        for track in self._tracks:
            is_confirmed = track.hits >= MIN_CONFIRMED_HITS
            limit = self.max_missing_frames if is_confirmed or track.slot is not None else MAX_BRIEF_GAP_FRAMES
            if track.missing_frames <= limit or (is_confirmed and track.slot is not None):
                remaining_tracks.append(track)
            elif track.slot is not None:
                self._replacement_warnings.append(
                    f"person={self.person}: the selected person was detected only {track.hits} times and then missing "
                    f"for {track.missing_frames} frames; another person may be tracked from there."
                )
            elif is_confirmed or not self._is_duplicate(track):
                self._gallery.add(track)
        self._tracks = remaining_tracks

    def _is_duplicate(self, track: Track) -> bool:
        """Whether a track may be a second detection of a selected person."""
        return any(iou(track.box, other.box) > MIN_MERGED_IOU for other in self._tracks if other.slot is not None)

    def _start_track(self, detection: Detection) -> Track:
        """Start the track of a detection, or continue that of a person of the gallery."""
        track = find_gallery_person(self._gallery, self._tracks, detection)
        if track is None:
            track = Track.start(detection, self._frame_index)
        else:
            self._gallery.remove(track)
            track.resume(detection, self._frame_index)
        self._tracks.append(track)
        return track

    def _assign_slots(
        self, matches: Mapping[int, int], detections: Mapping[int, Detection], frame_size: tuple[int, ...]
    ) -> None:
        """Assign free slots of selected people to visible tracks that do not show an absent person."""
        free_slots = [slot for slot in range(self.num_people) if all(track.slot != slot for track in self._tracks)]
        if not free_slots:
            return
        visible = {id(track): detections[matches[id(track)]] for track in self._tracks if id(track) in matches}
        visible_tracks = [track for track in self._tracks if id(track) in visible]
        if self.person.isdecimal():
            visible_tracks.sort(key=lambda track: track.box[0] + track.box[2])
            position = int(self.person) - 1
            if 0 in free_slots:
                if position >= len(visible_tracks) or visible_tracks[position].slot is not None:
                    return  # the other slots are assigned after the first one
                visible_tracks[position].slot = 0
        elif self.person == "centre":
            image_centre = np.array([frame_size[1], frame_size[0]]) / 2
            visible_tracks.sort(key=lambda track: float(np.hypot(*(box_centre(track.box) - image_centre))))
        else:
            # The score keeps a large, uncertain detection from being preferred to a person.
            visible_tracks.sort(key=lambda track: -box_area(track.box) * visible[id(track)].score)
        remaining_slots = [slot for slot in free_slots if all(track.slot != slot for track in self._tracks)]
        unassigned_tracks = [
            track
            for track in visible_tracks
            if track.slot is None and find_absent_person(self._tracks, track, visible[id(track)]) is None
        ]
        for slot, track in zip(remaining_slots, unassigned_tracks, strict=False):
            track.slot = slot


def _occlusion_iou(
    occluder: Track, hidden_track: Track, matches: Mapping[int, int], detections: Mapping[int, Detection]
) -> float:
    """Return the IoU of the occluder's box with the predicted box of `hidden_track`; 0 if it cannot occlude."""
    if occluder is hidden_track or id(occluder) not in matches or occluder.hits < MIN_CONFIRMED_HITS:
        return 0.0
    return iou(hidden_track.predicted_box, detections[matches[id(occluder)]].box)


def _is_valid_box(box: Box, score: float) -> bool:
    return bool(np.isfinite(box).all()) and score > 0 and box[2] > box[0] and box[3] > box[1]
