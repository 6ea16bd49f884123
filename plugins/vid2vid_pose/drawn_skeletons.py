"""Reader of videos and image folders that show a skeleton drawn in OpenPose's colours on black, one per frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np

from vid2vid_cli.conditioning import (
    LabelFileError,
    UInt8Array,
    VideoContext,
    VideoReader,
    pair_with_frames,
    view_to_frames,
)
from vid2vid_pose.backend import Box, DetectedPose, PoseBackend
from vid2vid_pose.skeleton_recovery import (
    BODY_25,
    COCO_18,
    RecoveredSkeleton,
    SkeletonFormat,
    recover_skeleton,
)

OPTION_NAME = "pose.input_dir"
FORMATS = (COCO_18, BODY_25)
NUM_FORMAT_SAMPLES = 8
"""Number of frames with a skeleton after which the format is certain."""
MAX_BLACK_VALUE = 40
MIN_BLACK_SHARE = 0.5
"""Minimum share of a drawing's pixels that are black."""


class DrawnSkeletonReader(PoseBackend):
    """Backend that recovers one person from each drawing. A frame without a skeleton has no people."""

    default_smoothing = 0.0

    def __init__(self, path: Path, video_context: VideoContext | None) -> None:
        """Raises: InputFileMismatchError (number of drawings), and the errors of `VideoReader`."""
        self._path, self._video_context = path, video_context
        reader = VideoReader(path)
        self._pairing = pair_with_frames(
            path, reader.files or reader.probe.num_frames, video_context, option_name=OPTION_NAME
        )
        self._stream = _number_drawings(reader)
        self._image_index, self._image = -1, np.zeros((1, 1, 3), dtype=np.uint8)
        self._format_scores: Counter[str] = Counter()
        self._num_scored = self._num_frames = self._num_found = self._num_crowded = 0

    def detect_people(self, frame: UInt8Array, index: int, tracked_boxes: Sequence[Box]) -> list[DetectedPose]:
        """The person in the drawing of the frame, in pixels of the frame."""
        image_index = self._pairing[index]
        while self._image_index < image_index:
            self._image_index, self._image = next(self._stream)
        name = f"{self._path}, image {image_index}"
        _check_drawing(self._image, name)
        skeleton = self._recover(self._image)
        body = skeleton.body.copy()
        image_shape, frame_shape = self._image.shape[:2], frame.shape[:2]
        view = view_to_frames((image_shape[0], image_shape[1]), name, frame_shape, self._video_context)
        body[:, :2] = view.transform_points(body[:, :2])
        is_found = bool(np.isfinite(body).any())
        self._num_frames += 1
        self._num_found += is_found
        self._num_crowded += skeleton.has_several_people
        return [DetectedPose({"body": body})] if is_found else []

    def _recover(self, image: UInt8Array) -> RecoveredSkeleton:
        """Recover with the format in which most limbs have met so far."""
        if self._num_scored >= NUM_FORMAT_SAMPLES:
            return recover_skeleton(image, self._best_format())
        skeletons = {item.name: recover_skeleton(image, item) for item in FORMATS}
        self._format_scores.update({name: skeleton.num_joined for name, skeleton in skeletons.items()})
        self._num_scored += any(np.isfinite(skeleton.body).any() for skeleton in skeletons.values())
        return skeletons[self._best_format().name]

    def close(self) -> None:
        """Close the video, and report the format and the number of frames with a body."""
        self._stream.close()
        if self._video_context is None or not self._num_frames:
            return
        crowded_text = (
            f" {self._num_crowded} frames show several people, which cannot be separated; they are left empty."
            if self._num_crowded
            else ""
        )
        self._video_context.notices.append(
            f"{self._path} was read as skeletons drawn in OpenPose's {self._best_format().name} colours: a body was "
            f"found on {self._num_found} of {self._num_frames} frames; hands and face are not read.{crowded_text}"
        )

    def _best_format(self) -> SkeletonFormat:
        return max(FORMATS, key=lambda item: self._format_scores[item.name])


def _number_drawings(reader: VideoReader) -> Generator[tuple[int, UInt8Array], None, None]:
    index, image = -1, np.zeros((reader.height, reader.width, 3), dtype=np.uint8)
    for index, image in enumerate(reader):
        yield index, image
    while True:  # a video may have one frame less than its header states
        index += 1
        yield index, image


def _check_drawing(image: UInt8Array, name: str) -> None:
    if float((image.max(axis=2) < MAX_BLACK_VALUE).mean()) < MIN_BLACK_SHARE:
        raise LabelFileError(
            f"{name} is not the drawing of a skeleton on black: less than half of it is black.",
            "For an ordinary video, use vid2vid transfer; for annotations of a video, OpenPose's JSON files.",
        )
