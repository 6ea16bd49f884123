"""State of one tracked person, and the costs of assigning a detection to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from vid2vid_cli.conditioning.appearance import appearance_distance
from vid2vid_cli.conditioning.boxes import Vector, box_centre, iou, longer_side
from vid2vid_cli.core.geometry import Box, FloatArray

MAX_STEP_SHARE = 0.6
"""Largest displacement between two frames, as a share of the longer side of the box."""
STEP_GROWTH_PER_FRAME = 0.05
"""Relative growth of this limit for each frame without a detection, up to MAX_GROWTH_FRAMES."""
MAX_GROWTH_FRAMES = 30
MAX_SIZE_RATIO = 2.0
"""Largest ratio of box sizes between two detections of one person."""
VELOCITY_WINDOW = 15
"""Number of displacements whose median is the velocity; boxes of two people who meet jump for one or two frames."""
VELOCITY_DECAY = 0.85
"""Factor on the velocity for each frame without a detection."""
MISSING_COST, RETURN_COST = 0.2, 0.25
"""Cost added, in longer sides, for a track without a recent detection, and for a return to the last box."""
APPEARANCE_UPDATE_WEIGHT = 0.1
"""Weight of a new detection in the running mean of the appearance."""
PLACE_AND_SIZE_COST = 0.2
"""Largest part of `identity_cost` that place and size contribute; the appearance contributes up to 1."""
MAX_IDENTITY_COST = 0.6
"""Largest `identity_cost` of the same person. Measured: below 0.45 for one person, above 0.55 for different people."""
OCCLUDER_MARGIN = 0.1
"""Difference of appearance distances above which a box that covers two people shows only the one in front."""


class Detection(NamedTuple):
    """A person detected on a frame."""

    box: Box
    score: float
    appearance: FloatArray | None
    """See `measure_appearance`."""


@dataclass
class Track:
    """State of one tracked person."""

    box: Box
    """Box of the last detection."""
    centre: Vector
    """Centre of the last detection; while the box is shared with another person, the predicted centre."""
    displacements: list[Vector] = field(default_factory=list)
    """Recent displacements of the centre per frame."""
    appearance: FloatArray | None = None
    """Running mean over the detections."""
    first_frame: int = 0
    """Index of the frame of the first detection."""
    last_frame: int = 0
    """Index of the frame of the last detection."""
    hits: int = 1
    """Number of detections."""
    missing_frames: int = 0
    """Frames since the last detection."""
    hidden_frames: int = 0
    """Frames for which the person has been occluded by another."""
    is_shared: bool = False
    """Whether the box also covers another person."""
    slot: int | None = None
    """Index among the selected people; None if not selected."""

    @property
    def velocity(self) -> Vector:
        """Median displacement of the centre per frame."""
        return np.median(self.displacements, axis=0) if self.displacements else np.zeros(2)

    @property
    def predicted_box(self) -> Box:
        """Box predicted for the next frame: constant velocity, which decays while there is no detection."""
        effective_frames = sum(VELOCITY_DECAY**i for i in range(self.missing_frames + 1))
        x, y = self.centre + effective_frames * self.velocity
        half_width, half_height = (self.box[2] - self.box[0]) / 2, (self.box[3] - self.box[1]) / 2
        return float(x - half_width), float(y - half_height), float(x + half_width), float(y + half_height)

    @staticmethod
    def start(detection: Detection, frame_index: int) -> Track:
        """Return the track of a person who is detected for the first time."""
        return Track(
            detection.box,
            box_centre(detection.box),
            appearance=detection.appearance,
            first_frame=frame_index,
            last_frame=frame_index,
        )

    def update(self, detection: Detection, frame_index: int) -> None:
        """Add a detection."""
        displacement = (box_centre(detection.box) - self.centre) / (self.missing_frames + 1)
        self.displacements = [*self.displacements[1 - VELOCITY_WINDOW :], displacement]
        self._add_detection(detection, frame_index)

    def resume(self, detection: Detection, frame_index: int) -> None:
        """Add the detection of a person who was absent; the motion restarts at that place."""
        self.displacements = []
        self._add_detection(detection, frame_index)

    def _add_detection(self, detection: Detection, frame_index: int) -> None:
        self.box, self.centre, self.last_frame = detection.box, box_centre(detection.box), frame_index
        self.hits, self.missing_frames, self.hidden_frames, self.is_shared = self.hits + 1, 0, 0, False
        if self.appearance is None:
            self.appearance = detection.appearance
        elif detection.appearance is not None:
            self.appearance = self.appearance + APPEARANCE_UPDATE_WEIGHT * (detection.appearance - self.appearance)


def identity_cost(track: Track, detection: Detection) -> float:
    """Return how much a detection differs from the tracked person, 0 to 1.2, after an absence of any length.

    It is the distance of the appearances, plus up to PLACE_AND_SIZE_COST for another place and size.
    """
    side, centre = longer_side(track.box), box_centre(detection.box)
    distance = min(float(np.hypot(*(centre - box_centre(box)))) for box in (track.box, track.predicted_box)) / side
    size_difference = abs(float(np.log2(longer_side(detection.box) / side)))
    return appearance_distance(track.appearance, detection.appearance) + PLACE_AND_SIZE_COST * min(
        distance + size_difference, 1.0
    )


def match_cost(track: Track, predicted_box: Box, box: Box) -> float | None:
    """Return the cost of assigning `box` to the track, in longer sides; None if it cannot be the same person."""
    previous_side = longer_side(track.box)
    if not 1 / MAX_SIZE_RATIO < longer_side(box) / previous_side < MAX_SIZE_RATIO:
        return None
    max_distance = MAX_STEP_SHARE * (1 + STEP_GROWTH_PER_FRAME * min(track.missing_frames, MAX_GROWTH_FRAMES))
    candidates = [(predicted_box, MISSING_COST if track.missing_frames or track.hidden_frames else 0.0)]
    if track.missing_frames or track.is_shared:
        candidates.append((track.box, RETURN_COST))
    costs = [
        extra_cost + distance + 0.5 * (1 - iou(candidate, box))
        for candidate, extra_cost in candidates
        if (distance := float(np.hypot(*(box_centre(box) - box_centre(candidate)))) / previous_side) < max_distance
    ]
    return min(costs, default=None)


def should_swap(track_a: Track, track_b: Track, box_a: Box, box_b: Box, gain: float) -> bool:
    """Return whether two tracks should exchange their boxes: if `gain` is positive, or if they separate that way.

    When they separate after an occlusion, the assignment with the smaller sum of squared distances to the predicted
    centres is used; the drift common to both cancels.
    """
    if not (track_a.is_shared or track_a.hidden_frames) or not (track_b.is_shared or track_b.hidden_frames):
        return gain > 0
    predicted_offset = box_centre(track_a.predicted_box) - box_centre(track_b.predicted_box)
    return bool(predicted_offset @ (box_centre(box_a) - box_centre(box_b)) < 0)


def shows_occluder_only(track: Track, occluder: Track, detection: Detection) -> bool:
    """Return whether a box that covers two people has the colours of the occluder rather than those of the track."""
    occluder_distance = appearance_distance(occluder.appearance, detection.appearance)
    return occluder_distance + OCCLUDER_MARGIN < appearance_distance(track.appearance, detection.appearance)
