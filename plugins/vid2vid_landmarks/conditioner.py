"""Conditioner `landmarks`: 68 facial landmarks, detected or read from files, tracked, smoothed and drawn as curves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import cv2
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
    bounding_box,
    empty_annotation,
    input_path_option,
    render_option,
    view_image,
)
from vid2vid_landmarks import MESH_WEIGHTS, SPEC
from vid2vid_landmarks.backend import DetectedFace
from vid2vid_landmarks.backends import backend_version, open_backend, resolve_backend
from vid2vid_landmarks.drawing import (
    background_edges,
    curve_polylines,
    distance_maps,
    draw_coloured_curves,
    draw_curves,
)
from vid2vid_landmarks.face_shape import describe_face, face_statistics
from vid2vid_landmarks.nvidia_drawing import render_nvidia_condition
from vid2vid_landmarks.point_files import read_faces
from vid2vid_landmarks.retarget import FaceRetargeter
from vid2vid_landmarks.topology import FACE_CURVES, FACE_PARTS, FLIP_INDICES, NUM_POINTS
from vid2vid_landmarks.tracking import FaceTracker, LandmarkSmoother, face_quality

POINT_SHAPES = {"face": (NUM_POINTS, 2)}
EYE_CORNERS = (36, 45)
"""Indices of the outer eye corners."""


class LandmarkOptions(Options):
    """Options of the conditioner, set with `--conditioner-option landmarks.KEY=VALUE`."""

    backend: Literal["auto", "mediapipe", "dlib"] = Field(
        "auto", description="Face detector. auto: mediapipe if it is installed, otherwise dlib."
    )
    person: PersonOption = Field(
        "largest",
        description="Face to track: largest, centre, or N, the N-th from the left in the first frame with N faces.",
    )
    smoothing: float = Field(
        0.01, ge=0, le=0.1, description="Amplitude of the jitter to remove, in eye distances; 0 disables smoothing."
    )
    distance_maps: bool = Field(True, description="Add a distance map for each of the 14 curves as a channel.")
    background_edges: bool = Field(
        False, description="Draw Canny edges outside the face, so that the condition describes the background."
    )
    drawing: Literal["antialiased", "published"] = render_option(
        "antialiased",
        "antialiased: at the output resolution; published: NVIDIA's drawing, in whole pixels of the frame, which is "
        "then cropped and resized.",
    )
    input_dir: Path | None = input_path_option(
        "Folder with one file of 68 points per frame, text (x,y per line) or JSON; used instead of a detector."
    )


class Landmarks(Conditioner):
    """68 landmarks of one face."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = LandmarkOptions
    supports_retargeting: ClassVar[bool] = True
    input_option: ClassVar[str] = "input_dir"
    flip_indices: ClassVar[Mapping[str, tuple[int, ...]]] = {"face": FLIP_INDICES}
    region_names: ClassVar[tuple[str, ...]] = ("face", "eyes", "mouth")
    options: LandmarkOptions

    @property
    def num_channels(self) -> int:
        """Number of channels: 15, or 1 without distance maps."""
        return 1 + len(FACE_CURVES) if self.options.distance_maps else 1

    @property
    def runs_on_one_core(self) -> bool:
        """Whether the detector is MediaPipe's graph."""
        return self.options.input_dir is None and resolve_backend(self.options.backend) == "mediapipe"

    def describe(self, annotation: Annotation, view: View) -> FloatArray:
        """The points, and the shapes of the eyes and the mouth; see `describe_face`."""
        return describe_face(view.transform_points(annotation.points["face"]) / np.float32(view.height))

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        """Yield one annotation per frame with the points `face` (68, 2), in order.

        With `background_edges`, annotations also contain the image `background` (h, w) uint8. The selected face is
        tracked; frames without it are empty annotations, whatever the length of the gap. Points from files are not
        smoothed.

        Raises: MissingPackageError, MissingWeightsError; InputFileMismatchError and LabelFileError for files.
        """
        if self.options.input_dir is not None:
            images = (frame.rgb for frame in frames)
            for image, points in read_faces(self.options.input_dir, self.video_context, images):
                yield self._make_annotation(image, None if points is None else DetectedFace(points, 1.0))
            return
        tracker, smoother = FaceTracker(self.options.person), LandmarkSmoother(self.options.smoothing)
        with open_backend(self.options.backend) as backend:
            for frame in frames:
                if frame.is_cut:
                    tracker.reset()
                    smoother.reset()
                image = frame.rgb
                face = tracker.update(backend.detect_faces(image, tracker.tracked_face), frame)
                if face is None:
                    smoother.reset()
                    yield self._make_annotation(image, None)
                else:
                    yield self._make_annotation(image, DetectedFace(smoother(face.points), face.score))
            self.report(f"{SPEC.name}.{warning}" for warning in tracker.warnings)

    def _make_annotation(self, frame: UInt8Array, face: DetectedFace | None) -> Annotation:
        height, width = frame.shape[:2]
        if face is None:
            undetected = empty_annotation(height, width, POINT_SHAPES)
            return Annotation(height, width, 0.0, undetected.points, self._background_images(frame, None))
        images = self._background_images(frame, face.points)
        return Annotation(height, width, face_quality(face, height, width), {"face": face.points}, images)

    def _background_images(self, frame: UInt8Array, points: FloatArray | None) -> dict[str, UInt8Array]:
        if not self.options.background_edges:
            return {}
        gray = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        return {"background": background_edges(gray, points)}

    def render(self, annotation: Annotation, view: View) -> FloatArray:
        """(15, height, width), or (1, height, width) without distance maps, in [-1, 1]: drawing, then distance maps.

        Without a face, the drawing is -1 (except background edges) and all distances are 1, the maximum.
        """
        if self.options.drawing == "published":
            edges = annotation.images.get("background") if self.options.background_edges else None
            points = annotation.points.get("face") if annotation.quality > 0 else None
            channels = render_nvidia_condition(points, edges, view, annotation.height, annotation.width)
            return channels[: self.num_channels]
        curves = self._view_curves(annotation, view)
        drawing = draw_curves(curves, view)
        if self.options.background_edges and "background" in annotation.images:
            np.maximum(drawing, view_image(annotation.images["background"], view), out=drawing)
        channels = np.empty((self.num_channels, view.height, view.width), dtype=np.float32)
        np.multiply(drawing, np.float32(1 / 127.5), out=channels[0])
        channels[0] -= 1
        if curves and self.options.distance_maps:
            distance_maps(curves, channels[1:], min(view.full_size))
        else:
            channels[1:] = 1
        return channels

    def visualize(self, annotation: Annotation, view: View) -> UInt8Array:
        """RGB image of the curves on black, one colour per part; background edges are grey."""
        canvas = np.zeros((view.height, view.width, 3), dtype=np.uint8)
        if self.options.background_edges and "background" in annotation.images:
            canvas[:] = (view_image(annotation.images["background"], view) // 2)[:, :, None]
        curves = self._view_curves(annotation, view)
        if curves:
            draw_coloured_curves(canvas, curves, min(view.full_size))
        return canvas

    def _view_curves(self, annotation: Annotation, view: View) -> list[Any]:
        points = annotation.points.get("face")
        if annotation.quality <= 0 or points is None or not np.isfinite(points).any():
            return []
        return curve_polylines(points[:, :2], view)

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

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Statistics of a clip, see `face_statistics`; {} if it contains no face."""
        return face_statistics(annotations)

    def retarget(
        self, annotations: Iterable[Annotation], source: Statistics, target: Statistics
    ) -> Iterator[Annotation]:
        """Yield the source's faces with the target's position and proportions, in frames of the target's size.

        Empty annotations stay empty. Without statistics of both sides the points are unchanged. Background edges are
        dropped, because they belong to the source.
        """
        if not target:
            yield from annotations
            return
        height, width = int(target["height"]), int(target["width"])
        retargeter = FaceRetargeter(source, target) if source else None
        for annotation in annotations:
            if retargeter is None and annotation.quality > 0:
                yield annotation
                continue
            points = annotation.points.get("face")
            is_valid = annotation.quality > 0 and points is not None and bool(np.isfinite(points).all())
            images = {name: np.zeros((height, width), dtype=np.uint8) for name in annotation.images}
            if retargeter is not None and points is not None and is_valid:
                yield Annotation(height, width, annotation.quality, {"face": retargeter(points)}, images)
            else:
                yield Annotation(height, width, 0.0, empty_annotation(height, width, POINT_SHAPES).points, images)

    def errors(self, detected: Annotation, reference: Annotation) -> dict[str, float]:
        """`landmark_error`: mean distance of the 68 points, in % of the reference's outer eye corner distance."""
        if min(detected.quality, reference.quality) <= 0:
            return {}
        detected_points, reference_points = detected.points["face"][:, :2], reference.points["face"][:, :2]
        eye_spacing = float(np.linalg.norm(reference_points[EYE_CORNERS[0]] - reference_points[EYE_CORNERS[1]]))
        mean_distance = float(np.linalg.norm(detected_points - reference_points, axis=1).mean())
        error = 100 * mean_distance / max(eye_spacing, 1e-6)
        return {"landmark_error": error} if np.isfinite(error) else {}

    def fingerprint(self) -> dict[str, Any]:
        """Options, resolved backend, its version, and the sha256 of its model."""
        if self.options.input_dir is not None:
            return {**super().fingerprint(), "backend": "input_files"}
        backend = resolve_backend(self.options.backend)
        model_sha256 = MESH_WEIGHTS.sha256 if backend == "mediapipe" else ""
        return {**super().fingerprint(), "backend": backend, "version": backend_version(backend), "model": model_sha256}
