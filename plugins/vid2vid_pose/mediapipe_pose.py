"""Backend MediaPipe: the bundled pose model, run by the Tasks API.

A video-mode landmarker tracks one person from frame to frame, which is fast and stable. An image-mode landmarker
detects all people, at more than twice the cost; it runs on the first frames, at regular intervals, when the tracked
person is lost, and on every frame while another person is close.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import FloatArray, UInt8Array, iou, square_around
from vid2vid_pose.backend import Box, DetectedPose, FrameCrop, PoseBackend, crop_frame
from vid2vid_pose.hands_and_face import HandFaceDetector
from vid2vid_pose.mediapipe_tasks import Landmarker, load_bundled_model
from vid2vid_pose.topology import body_from_mediapipe

MAX_CANDIDATES = 4
"""Maximum number of people per detection; more than two have no extra cost."""
ALONE_SEARCH_INTERVAL, GROUP_SEARCH_INTERVAL, CLOSE_SEARCH_INTERVAL = 30, 10, 5
"""Frames between two searches for other people while one is tracked: none known, some known, some close."""
MIN_LARGE_SHARE = 0.3
"""Minimum size, as a share of the frame's longer side, for detection on the whole frame (resized to 224 x 224)."""
SEARCH_BOX_SCALE = 3.0
"""Side of the square crop around a small person, in multiples of the person's longer side."""
TOUCH_BOX_SCALE = 1.2
"""Factor on the boxes of two people; if the enlarged boxes overlap, the people may be confused."""
TILE_SIDE_SHARES = (0.6, 0.3)
"""Sides of the tiles that are searched for small people, as shares of the frame's shorter side."""
MIN_TILE_SIDE_PX = 96
"""Minimum side of a tile in pixels; people on smaller ones are too small to be recognised."""
MAX_TILES_PER_FRAME = 4
"""Tiles searched per frame while no person is known; the first frame of a shot searches all of them."""
MIN_TILE_SCORE = 0.3
"""Minimum score of a person in a tile, because many tiles give many false positives."""
MIN_PRESENCE = 0.05
"""Minimum presence (MediaPipe's probability that the point is in the image) of a point."""
MAX_OUTSIDE_SHARE = 0.1
"""Maximum distance of a point from the crop, as a share of its shorter side; keeps limbs that leave the image."""
SAME_PERSON_IOU = 0.15
"""Boxes of successive frames with a larger IoU belong to the same person."""


class MediaPipePose(PoseBackend):
    """Tracks one person, or detects all people on every frame."""

    def __init__(self, num_people: int = 1, hand_face_detector: HandFaceDetector | None = None) -> None:
        """`num_people`: number of people to track. Raises: MissingPackageError, MissingWeightsError."""
        self._model_bytes = load_bundled_model()
        self._tracks_several = num_people > 1
        self._hand_face_detector = hand_face_detector
        self.point_names = ("body", *(hand_face_detector.point_names if hand_face_detector is not None else ()))
        self._image_landmarker = Landmarker("Pose", self._model_bytes, is_video=False, max_results=MAX_CANDIDATES)
        self._video_landmarker: Landmarker | None = None
        self._tracking_box: Box | None = None
        self._other_boxes: list[Box] = []
        self._others_include_tracked = False
        """True if `_other_boxes` may contain the tracked person, who was not selected yet."""
        self._frame_count = self._last_encounter = 0
        self._next_tile: int | None = None
        """Index of the next tile to search; None on the first frame of a shot."""

    def detect_people(self, frame: UInt8Array, index: int, tracked_boxes: Sequence[Box]) -> list[DetectedPose]:
        """Detect people on the next frame: at least the tracked person, and all people when a search is due."""
        self._frame_count += 1
        if tracked_boxes and self._others_include_tracked:
            self._other_boxes = [box for box in self._other_boxes if iou(box, tracked_boxes[0]) <= SAME_PERSON_IOU]
            self._others_include_tracked = False
        tracked_person = self._track(frame, tracked_boxes[0]) if tracked_boxes and not self._tracks_several else None
        if tracked_person is not None and self._frame_count % self._search_interval(tracked_person.box):
            return [tracked_person]
        people = self.search(frame, tracked_boxes if tracked_person is None else ())
        # The tracked result of a person is more stable than the detected one.
        people = people if tracked_person is None else [tracked_person, *_without_duplicates(people, [tracked_person])]
        tracked_box = tracked_person.box if tracked_person is not None else tracked_boxes[0] if tracked_boxes else None
        self._others_include_tracked = tracked_box is None
        other_boxes = [
            person.box for person in people if tracked_box is None or iou(person.box, tracked_box) <= SAME_PERSON_IOU
        ]
        # Keep people who disappeared for a while: they may be hidden by the tracked person.
        if other_boxes or self._frame_count - self._last_encounter > ALONE_SEARCH_INTERVAL:
            self._other_boxes, self._last_encounter = other_boxes, self._frame_count
        return people

    def search(self, frame: UInt8Array, tracked_boxes: Sequence[Box]) -> list[DetectedPose]:
        """Detect people on the whole frame, around tracked people who are missing, and in tiles if none is known."""
        people = self._detect(crop_frame(frame))
        for box in tracked_boxes:
            if not any(iou(person.box, box) > SAME_PERSON_IOU for person in people):
                people += _without_duplicates(
                    self._detect(crop_frame(frame, square_around(box, SEARCH_BOX_SCALE))), people
                )
        if not people and not tracked_boxes:
            tiles = _tile_boxes(*frame.shape[:2])
            num_searched = len(tiles) if self._next_tile is None else MAX_TILES_PER_FRAME
            for tile_offset in range(num_searched if tiles else 0):
                crop = crop_frame(frame, tiles[((self._next_tile or 0) + tile_offset) % len(tiles)])
                people += _without_duplicates(
                    [person for person in self._detect(crop) if person.score >= MIN_TILE_SCORE], people
                )
            self._next_tile = ((self._next_tile or 0) + num_searched) % max(len(tiles), 1)
        return people

    def add_hands_and_face(self, frame: UInt8Array, index: int, slot: int, person: DetectedPose) -> DetectedPose:
        """Add the points of hands and face if they are to be detected."""
        detector = self._hand_face_detector
        return person if detector is None else detector.add_points(frame, index, slot, person)

    def reset(self) -> None:
        """Discard the tracked person: the next frame begins a new shot."""
        self._tracking_box, self._other_boxes, self._next_tile = None, [], None
        if self._hand_face_detector is not None:
            self._hand_face_detector.reset()

    def _track(self, frame: UInt8Array, tracked_box: Box) -> DetectedPose | None:
        """Track the person in video mode; None if that is not possible or fails."""
        crop = None
        if self._tracking_box is None or not _is_inside(
            square_around(tracked_box, TOUCH_BOX_SCALE), self._tracking_box, frame
        ):
            self._tracking_box = None
            if self._is_near_others(tracked_box):
                return None  # the landmarker could start on another person
            self._reset_video_landmarker()
            self._tracking_box = (
                _frame_box(frame) if _is_large(tracked_box, frame) else square_around(tracked_box, SEARCH_BOX_SCALE)
            )
            crop = _mask_outside(crop_frame(frame, self._tracking_box), tracked_box)
        crop = crop or crop_frame(frame, self._tracking_box)
        assert self._video_landmarker is not None
        people = people_from_result(self._video_landmarker.detect(crop.image), crop)
        if not people or iou(people[0].box, tracked_box) <= SAME_PERSON_IOU:
            self._tracking_box = None
            return None
        return people[0]

    def _search_interval(self, box: Box) -> int:
        """Frames between two searches for other people."""
        if not self._other_boxes:
            return ALONE_SEARCH_INTERVAL
        if self._is_near_others(box):
            return 1
        return (
            CLOSE_SEARCH_INTERVAL
            if any(iou(square_around(box, SEARCH_BOX_SCALE), other) > 0 for other in self._other_boxes)
            else GROUP_SEARCH_INTERVAL
        )

    def _is_near_others(self, box: Box) -> bool:
        """True if the enlarged box overlaps that of another person at their last detection."""
        return any(iou(_enlarge_box(box), _enlarge_box(other)) > 0 for other in self._other_boxes)

    def _reset_video_landmarker(self) -> None:
        """Create the video landmarker, or make it drop its track by an empty frame."""
        if self._video_landmarker is None:
            self._video_landmarker = Landmarker("Pose", self._model_bytes, is_video=True, max_results=1)
        else:
            self._video_landmarker.detect(np.zeros((64, 64, 3), dtype=np.uint8))

    def _detect(self, crop: FrameCrop) -> list[DetectedPose]:
        return people_from_result(self._image_landmarker.detect(crop.image), crop)

    def close(self) -> None:
        """Stop MediaPipe's threads explicitly; its destructor prints errors at exit."""
        for detector in (self._video_landmarker, self._image_landmarker, self._hand_face_detector):
            if detector is not None:
                detector.close()


def people_from_result(result: Any, crop: FrameCrop) -> list[DetectedPose]:
    """The people of a result whose score is not 0."""
    return [person for person in all_people_from_result(result, crop) if person.score > 0]


def all_people_from_result(result: Any, crop: FrameCrop) -> list[DetectedPose]:
    """One person for each set of landmarks of a result."""
    return [_person_from_landmarks(landmarks, crop) for landmarks in result.pose_landmarks]


def _person_from_landmarks(landmarks: Any, crop: FrameCrop) -> DetectedPose:
    """Convert the 33 landmarks to BODY_25; points outside the image become NaN."""
    points: FloatArray = np.array([(point.x, point.y, point.visibility) for point in landmarks], dtype=np.float32)
    presence = np.array([point.presence for point in landmarks])
    height, width = crop.image.shape[:2]
    margin = MAX_OUTSIDE_SHARE * min(height, width) / np.array([width, height])
    is_inside = ((points[:, :2] >= -margin) & (points[:, :2] <= 1 + margin)).all(axis=1)
    points[:, :2] = crop.to_frame(points[:, :2])
    points[~is_inside | (presence < MIN_PRESENCE)] = np.nan
    return DetectedPose({"body": body_from_mediapipe(points)})


def _without_duplicates(candidates: list[DetectedPose], known_people: list[DetectedPose]) -> list[DetectedPose]:
    """Candidates whose boxes do not coincide with that of a known person."""
    return [person for person in candidates if not any(iou(person.box, known.box) > 0.5 for known in known_people)]


def _tile_boxes(height: int, width: int) -> list[Box]:
    """Overlapping square tiles of the frame for the detection of small people; at most 64."""
    boxes = []
    for side in (share * min(height, width) for share in TILE_SIDE_SHARES):
        if side < MIN_TILE_SIDE_PX:
            break
        lefts, tops = np.arange(0, width - side / 2, side / 2), np.arange(0, height - side / 2, side / 2)
        boxes += [(float(x), float(y), float(x + side), float(y + side)) for y in tops for x in lefts]
    return boxes[:64]


def _mask_outside(crop: FrameCrop, box: Box) -> FrameCrop:
    """Set the crop to black outside the enlarged box, so that the landmarker starts on the person inside."""
    image = np.zeros_like(crop.image)
    x0, y0, x1, y1 = _enlarge_box(box)
    left, top, right, bottom = (max(int(edge), 0) for edge in (x0 - crop.x, y0 - crop.y, x1 - crop.x, y1 - crop.y))
    image[top:bottom, left:right] = crop.image[top:bottom, left:right]
    return FrameCrop(image, crop.x, crop.y)


def _enlarge_box(box: Box) -> Box:
    """Enlarge a box of joints to include hands, feet and the top of the head."""
    x, y = (TOUCH_BOX_SCALE - 1) / 2 * (box[2] - box[0]), (TOUCH_BOX_SCALE - 1) / 2 * (box[3] - box[1])
    return box[0] - x, box[1] - y, box[2] + x, box[3] + y


def _frame_box(frame: UInt8Array) -> Box:
    height, width = frame.shape[:2]
    return 0.0, 0.0, float(width), float(height)


def _is_large(box: Box, frame: UInt8Array) -> bool:
    return bool(max(box[2] - box[0], box[3] - box[1]) >= MIN_LARGE_SHARE * max(frame.shape[:2]))


def _is_inside(box: Box, outer_box: Box, frame: UInt8Array) -> bool:
    """True if `box`, clipped to the frame, lies in `outer_box`."""
    frame_box = _frame_box(frame)
    return all(
        max(box[i], frame_box[i]) >= outer_box[i] and min(box[i + 2], frame_box[i + 2]) <= outer_box[i + 2]
        for i in (0, 1)
    )
