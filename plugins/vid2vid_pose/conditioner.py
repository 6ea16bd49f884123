"""Conditioner `pose`: body joints, detected or read from files, tracked, smoothed and drawn as OpenPose's skeleton."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from vid2vid_cli.conditioning import (
    Annotation,
    Conditioner,
    ConditionerSpec,
    FloatArray,
    Options,
    PersonOption,
    Statistics,
    UInt8Array,
    VideoFrame,
    View,
    input_path_option,
    render_option,
)
from vid2vid_pose import SPEC
from vid2vid_pose.augment import augment_points
from vid2vid_pose.backend import BODY_PARTS, missing_body_parts
from vid2vid_pose.backends import (
    BackendChoice,
    backend_version,
    bundled_model_sha256,
    model_sha256,
    open_backend,
    open_input,
    resolve_backend,
)
from vid2vid_pose.body_statistics import pose_statistics
from vid2vid_pose.boxes import REGION_NAMES, face_and_hand_boxes
from vid2vid_pose.distance import pose_errors
from vid2vid_pose.drawing import PoseFormat, SkeletonStyle, draw_skeletons
from vid2vid_pose.retarget import BodyRetargeter
from vid2vid_pose.topology import FLIP_INDICES, NUM_BODY_POINTS, missing_points, rigid_parts
from vid2vid_pose.tracking import PoseTracker


class PoseOptions(Options):
    """Options of the conditioner, set with `--conditioner-option pose.KEY=VALUE`."""

    backend: BackendChoice = Field(
        "auto",
        description="Pose detector. auto: onnx (onnxruntime) if `weights` is set, otherwise mediapipe.",
    )
    person: PersonOption = Field(
        "largest",
        description="Person to track: largest, centre, or N, the N-th from the left in the first frame with N people.",
    )
    num_people: int = Field(
        1, ge=1, le=4, description="Number of people to track and draw; the first is the one selected by `person`."
    )
    smoothing: float | None = Field(
        None,
        ge=0,
        le=0.1,
        description="Amplitude of the jitter to remove, as a share of the person's size; 0 disables smoothing. "
        "Default: 0.006, and 0 for files.",
    )
    weights: Path | None = Field(
        None,
        description="DWPose or RTMPose model for the backend onnx (SimCC outputs; 17, 26 or 133 points).",
    )
    hands_model: Path | None = Field(
        None, description="MediaPipe's hand_landmarker.task; adds hands to the backend mediapipe."
    )
    face_model: Path | None = Field(
        None, description="MediaPipe's face_landmarker.task; adds faces to the backend mediapipe."
    )
    input_dir: Path | None = input_path_option(
        "Used instead of a detector: a folder of OpenPose's JSON, one file per frame, or a video or folder of images "
        "of one skeleton drawn on black in OpenPose's colours."
    )
    format: PoseFormat = render_option(
        "body_25", "Skeleton: body_25 (OpenPose's BODY_25) or coco_18 (OpenPose's COCO model, joints drawn as dots)."
    )
    body_only: bool = render_option(False, "Draw torso, arms, legs and feet only: no eyes, ears, hands or face.")
    hands: bool = render_option(True, "Draw the hands if they were detected.")
    face: bool = render_option(True, "Draw the face if it was detected.")
    min_confidence: float = render_option(0.05, "Minimum confidence of the points that are drawn.", ge=0, le=1)
    joint_dropout: float = render_option(
        0.0, "Training: probability of dropping each joint, hand and face from a clip.", ge=0, le=1
    )
    head_jitter: float = render_option(
        0.0,
        "Training: standard deviation of the offset of head joints and face, as a share of the person's size.",
        ge=0,
        le=0.2,
    )


class Pose(Conditioner):
    """Joints of one or several people, with hands and face if the backend detects them."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = PoseOptions
    supports_retargeting: ClassVar[bool] = True
    input_option: ClassVar[str] = "input_dir"
    reads_drawings: ClassVar[bool] = True
    flip_indices: ClassVar[Mapping[str, tuple[int, ...]]] = FLIP_INDICES
    region_names: ClassVar[tuple[str, ...]] = REGION_NAMES
    part_names: ClassVar[tuple[str, ...]] = tuple(BODY_PARTS)
    options: PoseOptions

    @property
    def num_channels(self) -> int:
        """3, the RGB drawing."""
        return 3

    @property
    def runs_on_one_core(self) -> bool:
        """Whether the detector is MediaPipe's graph."""
        options = self.options
        return options.input_dir is None and resolve_backend(options.backend, options.weights) == "mediapipe"

    def bones(self) -> Mapping[str, tuple[tuple[int, int], ...]]:
        """Head, torso and limbs of each person."""
        return {"body": rigid_parts(self.options.num_people)}

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        """Yield one annotation per frame with the points `body` (25 p, 3), p being the option `num_people`, in order.

        If models or files provide them, also `left_hand` and `right_hand` (21 p, 3) and `face` (70 p, 3). The rows are
        grouped by person and NaN where a point was not detected.

        Raises: MissingPackageError, MissingWeightsError; the errors of reading files.
        """
        options = self.options
        if options.input_dir is not None:
            opened_backend = open_input(options.input_dir, self.video_context)
        else:
            opened_backend = open_backend(
                options.backend,
                num_people=options.num_people,
                weights=options.weights,
                hands_model=options.hands_model,
                face_model=options.face_model,
            )
        with opened_backend as backend:
            tracker = PoseTracker(
                backend, person=options.person, num_people=options.num_people, smoothing=options.smoothing
            )
            for frame in frames:
                yield tracker.annotate(frame)
            self.report(f"{SPEC.name}.{warning}" for warning in tracker.warnings)

    def render(self, annotation: Annotation, view: View) -> FloatArray:
        """(3, height, width) in [-1, 1]: the RGB drawing; -1 where nothing is drawn."""
        drawing = self._draw_skeletons(annotation, view)
        drawing *= np.float32(1 / 127.5)
        drawing -= 1
        return np.ascontiguousarray(np.clip(drawing, -1, 1, out=drawing).transpose(2, 0, 1))

    def visualize(self, annotation: Annotation, view: View) -> UInt8Array:
        """The drawing as an RGB image (height, width, 3) uint8."""
        return np.rint(self._draw_skeletons(annotation, view)).astype(np.uint8)

    def _draw_skeletons(self, annotation: Annotation, view: View) -> FloatArray:
        options = self.options
        has_details = not options.body_only
        style = SkeletonStyle(
            format=options.format,
            has_head=has_details,
            has_hands=has_details and options.hands,
            has_face=has_details and options.face,
            min_confidence=options.min_confidence,
        )
        return draw_skeletons(annotation.points if annotation.quality > 0 else {}, view, style)

    def augment(self, annotations: Sequence[Annotation], rng: np.random.Generator) -> Sequence[Annotation]:
        """Drop points (`joint_dropout`) and shift heads (`head_jitter`), equally on all frames of the clip."""
        options = self.options
        return augment_points(annotations, rng, joint_dropout=options.joint_dropout, head_jitter=options.head_jitter)

    def region_boxes(self, annotation: Annotation, view: View) -> dict[str, FloatArray]:
        """Boxes `face` (p, 4) and `hands` (2 p, 4), p being the option `num_people`; see `face_and_hand_boxes`."""
        points = (
            annotation.points
            if annotation.quality > 0
            else {"body": missing_points(NUM_BODY_POINTS * self.options.num_people)}
        )
        return face_and_hand_boxes(points, view, self.options.min_confidence)

    def missing_parts(self, annotation: Annotation) -> tuple[str, ...]:
        """Head, torso, arms and legs that are missing, see `missing_body_parts`."""
        return missing_body_parts(annotation.points["body"])

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Statistics of a clip, see `pose_statistics`; {} if it contains no people."""
        return pose_statistics(annotations)

    def retarget(
        self, annotations: Iterable[Annotation], source: Statistics, target: Statistics
    ) -> Iterator[Annotation]:
        """Yield the source's people with the target's position and proportions, in frames of the target's size.

        Empty annotations stay empty. If the limb lengths of one side are unknown, the points are only scaled to the
        target's frame height; without statistics of one side they are unchanged.
        """
        if not (source and target):
            yield from annotations
            return
        height, width = int(target["height"]), int(target["width"])
        has_limbs = bool(source.get("limb_lengths")) and bool(target.get("limb_lengths"))
        retargeter = BodyRetargeter(source, target)
        for annotation in annotations:
            points = retargeter(annotation.points) if has_limbs else _rescale_points(annotation, height, width)
            yield replace(annotation, height=height, width=width, points=points)

    def errors(self, detected: Annotation, reference: Annotation) -> dict[str, float]:
        """`pose_error` and `pose_pck` in %, see `pose_errors`; {} if either annotation is empty."""
        if min(detected.quality, reference.quality) <= 0:
            return {}
        return pose_errors(detected.points["body"], reference.points["body"])

    def fingerprint(self) -> dict[str, Any]:
        """Options, resolved backend, its version, and the sha256 of the models."""
        options = self.options
        data = super().fingerprint()
        model_digests = {
            "weights": model_sha256(options.weights),
            "hands_model": model_sha256(options.hands_model),
            "face_model": model_sha256(options.face_model),
        }
        backend = resolve_backend(options.backend, options.weights)
        data["options"] = {**data["options"], **model_digests}
        return {**data, "backend": backend, "version": backend_version(backend), "model": bundled_model_sha256(backend)}


def _rescale_points(annotation: Annotation, height: int, width: int) -> dict[str, FloatArray]:
    """Scale the points to a frame of another size, so that the heights match and the centres coincide."""
    half_width = 0.5 * annotation.height * width / height
    view = View.from_box(
        (annotation.width / 2 - half_width, 0.0, annotation.width / 2 + half_width, float(annotation.height)),
        height,
        width,
    )
    return {
        name: np.column_stack([view.transform_points(rows[:, :2]), rows[:, 2:]])
        for name, rows in annotation.points.items()
    }
