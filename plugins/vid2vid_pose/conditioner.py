"""Conditioner `pose`: body joints, detected or read from files, tracked, smoothed and drawn as OpenPose's skeleton."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from vid2vid_cli.conditioning import (
    Annotation,
    Conditioner,
    ConditionerSpec,
    FloatArray,
    Options,
    Statistics,
    SubjectImage,
    UInt8Array,
    VideoFrame,
    View,
)
from vid2vid_pose import HAND_WEIGHTS, SPEC
from vid2vid_pose.augment import augment_points
from vid2vid_pose.backend import BODY_PARTS, missing_body_parts
from vid2vid_pose.backends import (
    backend_version,
    bundled_model_sha256,
    model_sha256,
    open_backend,
    open_input,
    resolve_backend,
)
from vid2vid_pose.body_statistics import pose_statistics
from vid2vid_pose.boxes import REGION_NAMES, face_and_hand_boxes
from vid2vid_pose.distance import measure_body, pose_errors
from vid2vid_pose.drawing import SkeletonStyle, draw_skeletons
from vid2vid_pose.interpolation import annotate_every
from vid2vid_pose.options import PoseOptions
from vid2vid_pose.retarget import BodyRetargeter, detected_point_names, omit_unknown_parts
from vid2vid_pose.topology import FLIP_INDICES, NUM_BODY_POINTS, described_points, missing_points, rigid_parts
from vid2vid_pose.tracking import PoseTracker


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
    error_units: ClassVar[Mapping[str, str]] = {"pose_error": "%", "pose_pck": "%"}
    subject = "person"
    mask_install_command = "" if find_spec("mediapipe") else SPEC.requires[0].install_command
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
        """Head, torso, limbs and hands of each person."""
        return rigid_parts(self.options.num_people)

    def describe(self, annotation: Annotation, view: View) -> FloatArray:
        """The body and a few points of hands and face in multiples of the image's height, see `described_points`."""
        points = np.concatenate([described_points(name, rows[:, :2]) for name, rows in annotation.points.items()])
        return (view.transform_points(points) / view.height).astype(np.float32).ravel()

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        """Yield one annotation per frame with the points `body` (25 p, 3), p being the option `num_people`, in order.

        With hands also `left_hand` and `right_hand` (21 p, 3), and `face` (70 p, 3) if a model or files provide it. The
        rows are grouped by person and NaN where a point was not detected.

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
                has_hands=bool(options.detect_hands),
                hands_model=options.hands_model,
                face_model=options.face_model,
            )
        with opened_backend as backend:
            tracker = PoseTracker(
                backend, person=options.person, num_people=options.num_people, smoothing=options.smoothing
            )
            interval = options.detection_interval if options.input_dir is None else 1
            yield from annotate_every(frames, tracker.annotate, interval)
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

    def subject_masks(self, images: Iterable[SubjectImage]) -> Iterator[FloatArray]:
        """The people, segmented by MediaPipe, or their skeletons drawn thick; see `person_masks`."""
        from vid2vid_pose.person_mask import person_masks

        return person_masks(images)

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """See `pose_statistics`, and `point_names`: the detected point sets; {} if the clip contains no people."""
        statistics = pose_statistics(annotations)
        return {**statistics, "point_names": detected_point_names(annotations)} if statistics else {}

    def retarget(
        self, annotations: Iterable[Annotation], source: Statistics, target: Statistics
    ) -> Iterator[Annotation]:
        """Yield the source's people with the target's position and proportions, in frames of the target's size.

        Empty annotations stay empty. If the limb lengths of one side are unknown, the points are only scaled to the
        target's frame height; without statistics of one side they are unchanged. Hands and faces are left out if the
        target was prepared without them: its generator has not been trained with them.
        """
        if not (source and target):
            yield from annotations
            return
        height, width = int(target["height"]), int(target["width"])
        has_limbs = bool(source.get("limb_lengths")) and bool(target.get("limb_lengths"))
        retargeter = BodyRetargeter(source, target)
        for annotation in annotations:
            points = retargeter(annotation.points) if has_limbs else _rescale_points(annotation, height, width)
            yield replace(annotation, height=height, width=width, points=omit_unknown_parts(points, target))

    def errors(self, detected: Annotation, reference: Annotation) -> dict[str, float]:
        """`pose_error` and `pose_pck` in %, see `pose_errors`; {} if either annotation is empty."""
        if min(detected.quality, reference.quality) <= 0:
            return {}
        return pose_errors(detected.points["body"], reference.points["body"])

    def measure(self, annotation: Annotation) -> dict[str, float]:
        """`right_arm_raised`, `left_arm_raised`, `feet_apart` and `lean` of the first person; see `measure_body`."""
        return measure_body(annotation.points["body"] if annotation.quality > 0 else None)

    def fingerprint(self) -> dict[str, Any]:
        """Options, resolved backend, its version, and the sha256 of the models."""
        options = self.options
        data = super().fingerprint()
        backend = resolve_backend(options.backend, options.weights)
        has_bundled_hands = backend == "mediapipe" and options.detect_hands and options.hands_model is None
        model_digests = {
            "weights": model_sha256(options.weights),
            "hands_model": HAND_WEIGHTS.sha256 if has_bundled_hands else model_sha256(options.hands_model),
            "face_model": model_sha256(options.face_model),
        }
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
