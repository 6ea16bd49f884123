"""Conditioner `landmarks`: 68 facial landmarks, detected or read from files, tracked, smoothed and drawn as curves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
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
    bounding_box,
    empty_annotation,
)
from vid2vid_landmarks import IRIS_WEIGHTS, MESH_WEIGHTS, SPEC
from vid2vid_landmarks.backend import DetectedFace, FaceBackend
from vid2vid_landmarks.backends import backend_version, open_backend, resolve_backend
from vid2vid_landmarks.condition_rendering import count_channels, render_condition, visualize_annotation
from vid2vid_landmarks.drawing import background_edges
from vid2vid_landmarks.face_hull import face_hull_mask
from vid2vid_landmarks.face_shape import describe_face, face_statistics
from vid2vid_landmarks.iris import median_iris_diameter
from vid2vid_landmarks.iris_network import IrisNetwork
from vid2vid_landmarks.metrics import face_errors, measure_face
from vid2vid_landmarks.options import LandmarkOptions
from vid2vid_landmarks.point_files import read_faces
from vid2vid_landmarks.retarget import retarget_faces
from vid2vid_landmarks.topology import (
    FACE_PARTS,
    FACE_SHAPES,
    FLIP_INDICES,
    IRIS_FLIP_INDICES,
    IRIS_SHAPES,
    NUM_POINTS,
    SHAPE_PARTS,
    TORSO_SHAPES,
)
from vid2vid_landmarks.torso import TorsoTracker, median_torso
from vid2vid_landmarks.tracking import FaceTracker, LandmarkSmoother, face_quality

NO_POINTS: Mapping[str, FloatArray] = {}


class Landmarks(Conditioner):
    """68 landmarks of one face."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = LandmarkOptions
    supports_retargeting: ClassVar[bool] = True
    input_option: ClassVar[str] = "input_dir"
    flip_indices: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "face": FLIP_INDICES,
        "iris": IRIS_FLIP_INDICES,
        "torso": (1, 0),
    }
    shape_parts: ClassVar[Mapping[str, Mapping[str, tuple[int, ...]]]] = SHAPE_PARTS
    context_points: ClassVar[tuple[str, ...]] = ("torso",)
    region_names: ClassVar[tuple[str, ...]] = ("face", "eyes", "mouth")
    error_units: ClassVar[Mapping[str, str]] = {"landmark_error": "%", "gaze_error": "%"}
    subject = "face"
    options: LandmarkOptions

    @property
    def num_channels(self) -> int:
        """Number of channels: drawing, 14 distance maps with `distance_maps`, irises with `iris`."""
        return count_channels(self.options)

    @property
    def _point_shapes(self) -> dict[str, tuple[int, int]]:
        shapes = FACE_SHAPES | (IRIS_SHAPES if self.options.iris else {})
        return shapes | (TORSO_SHAPES if self.options.torso else {})

    @property
    def runs_on_one_core(self) -> bool:
        """Whether the detector is MediaPipe's graph."""
        return self.options.input_dir is None and resolve_backend(self.options.backend) == "mediapipe"

    def describe(self, annotation: Annotation, view: View) -> FloatArray:
        """The points, the shapes of the eyes and the mouth, and the positions of the irises; see `describe_face`."""
        scale = np.float32(1 / view.height)
        irises = annotation.points.get("iris")
        face_points = view.transform_points(annotation.points["face"][:, :2]) * scale
        return describe_face(face_points, None if irises is None else view.transform_points(irises[:, :2]) * scale)

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        """Yield one annotation per frame, in order, with the points `face` (68, 2), `iris` (10, 2), `torso` (2, 2).

        `iris` and `torso` depend on the options. The irises of closed eyes are NaN. With `background_edges`,
        annotations also contain the image `background` (h, w) uint8. The selected face is tracked; frames without it
        are empty annotations, whatever the length of the gap. Points from files are not smoothed.

        Raises: MissingPackageError, MissingWeightsError; InputFileMismatchError and LabelFileError for files.
        """
        if self.options.input_dir is not None:
            images = (frame.rgb for frame in frames)
            if self.options.iris:
                self.report(["landmarks: files of 68 points contain no irises; they are not drawn."])
            for image, points in read_faces(self.options.input_dir, self.video_context, images):
                yield self._make_annotation(image, None if points is None else DetectedFace(points, 1.0))
            return
        with open_backend(self.options.backend) as backend, ExitStack() as stack:
            network = stack.enter_context(closing(IrisNetwork())) if self.options.iris else None
            yield from self._annotate_frames(frames, backend, network)

    def _annotate_frames(
        self, frames: Iterable[VideoFrame], backend: FaceBackend, network: IrisNetwork | None
    ) -> Iterator[Annotation]:
        tracker, smoother = FaceTracker(self.options.person), LandmarkSmoother(self.options.smoothing)
        torso_tracker = TorsoTracker()
        for frame in frames:
            if frame.is_cut:
                tracker.reset()
                smoother.reset()
                torso_tracker.reset()
            image = frame.rgb
            face = tracker.update(backend.detect_faces(image, tracker.tracked_face), frame)
            if face is None:
                smoother.reset()
                torso_tracker.reset()
                yield self._make_annotation(image, None)
                continue
            irises = None if network is None else network.detect(image, face.points)
            points = smoother(face.points if irises is None else np.concatenate([face.points, irises]))
            other_points = {} if irises is None else {"iris": points[NUM_POINTS:]}
            if self.options.torso:
                other_points["torso"] = torso_tracker(image, face.points)
            yield self._make_annotation(image, DetectedFace(points[:NUM_POINTS], face.score), other_points)
        self.report(f"{SPEC.name}.{warning}" for warning in tracker.warnings)

    def _make_annotation(
        self, frame: UInt8Array, face: DetectedFace | None, other_points: Mapping[str, FloatArray] = NO_POINTS
    ) -> Annotation:
        height, width = frame.shape[:2]
        face_points = None if face is None else face.points
        images = {"background": background_edges(frame, face_points)} if self.options.background_edges else {}
        points = dict(empty_annotation(height, width, self._point_shapes).points)
        if face is None:
            return Annotation(height, width, 0.0, points, images)
        points |= {"face": face.points, **other_points}
        return Annotation(height, width, face_quality(face, height, width), points, images)

    def render(self, annotation: Annotation, view: View) -> FloatArray:
        """(num_channels, height, width) in [-1, 1]: drawing, 14 distance maps, irises; see `num_channels`.

        The drawing consists of the face's curves, and of a line between the points of the torso. Without a face,
        drawing (except background edges) and irises are -1, and all distances are 1, the maximum.
        """
        return render_condition(annotation, view, self.options)

    def visualize(self, annotation: Annotation, view: View) -> UInt8Array:
        """RGB image of the curves on black, one colour per part; background edges and torso are grey."""
        return visualize_annotation(annotation, view, self.options)

    def region_boxes(self, annotation: Annotation, view: View) -> dict[str, FloatArray]:
        """Boxes of the face (1, 4), the eyes (2, 4) and the mouth (1, 4)."""
        points = annotation.points["face"] if annotation.quality > 0 else np.full((NUM_POINTS, 2), np.nan)

        def boxes_around(*part_names: str) -> FloatArray:
            return np.stack([bounding_box(points[list(FACE_PARTS[name])], view) for name in part_names])

        return {
            "face": bounding_box(points, view)[None],
            "eyes": boxes_around("left_eye", "right_eye"),
            "mouth": boxes_around("mouth"),
        }

    def subject_masks(self, images: Iterable[SubjectImage]) -> Iterator[FloatArray]:
        """The hull of the face, see `face_hull_mask`."""
        return map(face_hull_mask, images)

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Statistics of a clip, see `face_statistics`; {} if it contains no face."""
        statistics = face_statistics(annotations)
        diameter, torso = median_iris_diameter(annotations), median_torso(annotations)
        if diameter is not None:
            statistics["iris_diameter"] = diameter
        return statistics if torso is None else {**statistics, "torso": torso}

    def retarget(
        self, annotations: Iterable[Annotation], source: Statistics, target: Statistics
    ) -> Iterator[Annotation]:
        """Yield the source's faces with the target's position and proportions, in frames of the target's size.

        Empty annotations stay empty. Without statistics of both sides the points are unchanged. Background edges are
        dropped, because they belong to the source.
        """
        return retarget_faces(annotations, source, target, point_shapes=self._point_shapes)

    def errors(self, detected: Annotation, reference: Annotation) -> dict[str, float]:
        """`landmark_error` and `gaze_error`, in %; see `face_errors`."""
        return face_errors(detected, reference)

    def measure(self, annotation: Annotation) -> dict[str, float]:
        """`mouth_open`, `mouth_width`, `eyes_open`, `brows_raised`, `head_yaw`, `head_roll`; see `measure_face`."""
        return measure_face(annotation)

    def fingerprint(self) -> dict[str, Any]:
        """Options, resolved backend, its version, and the sha256 of its model."""
        if self.options.input_dir is not None:
            return {**super().fingerprint(), "backend": "input_files"}
        backend = resolve_backend(self.options.backend)
        model_sha256 = MESH_WEIGHTS.sha256 if backend == "mediapipe" else ""
        fingerprint = {**super().fingerprint(), "backend": backend, "version": backend_version(backend)}
        return {**fingerprint, "model": model_sha256, "iris_model": IRIS_WEIGHTS.sha256 if self.options.iris else ""}
