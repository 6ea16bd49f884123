"""68 facial landmarks as a conditioner: found by a backend, followed and smoothed, drawn as vid2vid's face input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import cv2
import numpy as np
from pydantic import Field

from vid2vid_cli.conditioning import (
    Annotation,
    Bytes,
    Conditioner,
    ConditionerSpec,
    Floats,
    Options,
    Person,
    Statistics,
    View,
    bounds,
    drawing_option,
    files_option,
    nothing,
    view_image,
)
from vid2vid_landmarks import MESH, SPEC
from vid2vid_landmarks.backend import Face
from vid2vid_landmarks.backends import choose, open_backend, version
from vid2vid_landmarks.drawing import background_edges, distance_maps, draw_curves, draw_picture, polylines
from vid2vid_landmarks.face_shape import describe
from vid2vid_landmarks.nvidia_drawing import channels as as_published
from vid2vid_landmarks.point_files import read_faces
from vid2vid_landmarks.retarget import Retarget
from vid2vid_landmarks.topology import COUNT, CURVES, MIRRORED, PARTS
from vid2vid_landmarks.tracking import Follower, Smoother, quality

SHAPES = {"face": (COUNT, 2)}
EYES = (36, 45)
"""The outer corners of the eyes."""


class LandmarkOptions(Options):
    """What can be set with `--option landmarks.…`."""

    backend: Literal["auto", "mediapipe", "dlib"] = Field(
        "auto", description="auto: mediapipe where it is installed, otherwise dlib."
    )
    person: Person = Field(
        "largest",
        description="Whose face: largest, centre, or 1, 2, ... from left to right on the first frame with so many.",
    )
    smooth: float = Field(
        0.01, ge=0, le=0.1, description="Size of the jitter to remove, in distances of the eyes; 0: none."
    )
    distance_maps: bool = Field(True, description="Besides the drawing, a distance map for each of the 14 curves.")
    background_edges: bool = Field(
        False, description="Draw the edges outside the face too; they carry the background into the condition."
    )
    drawing: Literal["smooth", "vid2vid"] = drawing_option(
        "smooth", "smooth: as fine as the picture; vid2vid: in whole pixels of the frame, for its own networks."
    )
    points_dir: Path | None = files_option(
        "A folder with 68 points for each frame, as text (x,y on a line) or JSON, read as they are instead of found."
    )


class Landmarks(Conditioner):
    """68 points of one face."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = LandmarkOptions
    retargets: ClassVar[bool] = True
    reads: ClassVar[str] = "points_dir"
    sides: ClassVar[Mapping[str, tuple[int, ...]]] = {"face": MIRRORED}
    offers: ClassVar[tuple[str, ...]] = ("face", "eyes", "mouth")
    options: LandmarkOptions

    @property
    def channels(self) -> int:
        """The drawing, and fourteen distance maps unless they are switched off."""
        return 1 + len(CURVES) if self.options.distance_maps else 1

    @property
    def serial(self) -> bool:
        """MediaPipe's threads take turns. dlib's one thread holds Python's lock, and what that keeps waiting counts."""
        return self.options.points_dir is None and choose(self.options.backend) == "mediapipe"

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        """Points `face` (68, 2); with `background_edges` the image `background` (h, w) uint8 too.

        The wanted face is taken and followed. A frame without it is empty, however short the gap. Points that are
        read from files are left as they are.

        Raises: MissingPackageError, MissingWeightsError; FilesMismatchError, LabelFilesError for files.
        """
        if self.options.points_dir is not None:
            for frame, points in read_faces(self.options.points_dir, self.footage, frames):
                yield self._annotation(frame, None if points is None else Face(points, 1.0))
            return
        follower, smoother = Follower(self.options.person), Smoother(self.options.smooth)
        with open_backend(self.options.backend) as backend:
            for frame in frames:
                if follower.look(frame):
                    smoother.forget()
                face = follower.choose(backend.faces(frame, follower.last), *frame.shape[:2])
                if face is None:
                    smoother.forget()
                    yield self._annotation(frame, None)
                else:
                    yield self._annotation(frame, Face(smoother(face.points), face.score))

    def _annotation(self, frame: Bytes, face: Face | None) -> Annotation:
        height, width = frame.shape[:2]
        if face is None:
            empty = nothing(height, width, SHAPES)
            return Annotation(height, width, 0.0, empty.points, self._background(frame, None))
        images = self._background(frame, face.points)
        return Annotation(height, width, quality(face, height, width), {"face": face.points}, images)

    def _background(self, frame: Bytes, points: Floats | None) -> dict[str, Bytes]:
        if not self.options.background_edges:
            return {}
        gray = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        return {"background": background_edges(gray, points)}

    def render(self, annotation: Annotation, view: View) -> Floats:
        """(15, height, width), or (1, ...) without distance maps: the drawing, -1 to 1, then the distance maps.

        Without a face the drawing is -1 (but for background edges) and all distances are 1, the farthest.
        """
        if self.options.drawing == "vid2vid":
            edges = annotation.images.get("background") if self.options.background_edges else None
            found = annotation.points.get("face") if annotation.quality > 0 else None
            return as_published(found, edges, view, annotation.height, annotation.width)[: self.channels]
        curves = self._curves(annotation, view)
        drawing = draw_curves(curves, view)
        if self.options.background_edges and "background" in annotation.images:
            np.maximum(drawing, view_image(annotation.images["background"], view), out=drawing)
        channels = np.empty((self.channels, view.height, view.width), dtype=np.float32)
        np.multiply(drawing, np.float32(1 / 127.5), out=channels[0])
        channels[0] -= 1
        if curves and self.options.distance_maps:
            distance_maps(curves, channels[1:], min(view.whole))
        else:
            channels[1:] = 1
        return channels

    def picture(self, annotation: Annotation, view: View) -> Bytes:
        """The curves in one colour per part on black; background edges in grey."""
        canvas = np.zeros((view.height, view.width, 3), dtype=np.uint8)
        if self.options.background_edges and "background" in annotation.images:
            canvas[:] = (view_image(annotation.images["background"], view) // 2)[:, :, None]
        curves = self._curves(annotation, view)
        if curves:
            draw_picture(canvas, curves, min(view.whole))
        return canvas

    def _curves(self, annotation: Annotation, view: View) -> list[Any]:
        points = annotation.points.get("face")
        if annotation.quality <= 0 or points is None or not np.isfinite(points).any():
            return []
        return polylines(points[:, :2], view)

    def regions(self, annotation: Annotation, view: View) -> dict[str, Floats]:
        """One box each of the face and the mouth, one for each eye."""
        points = annotation.points["face"] if annotation.quality > 0 else np.full((COUNT, 2), np.nan)

        def about(*parts: str) -> Floats:
            return np.stack([bounds(points[list(PARTS[part])], view) for part in parts])

        return {"face": bounds(points, view)[None], "eyes": about("left_eye", "right_eye"), "mouth": about("mouth")}

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """See `shape.describe`; {} where no face was found."""
        return describe(annotations)

    def retarget(
        self, annotations: Iterable[Annotation], source: Statistics, target: Statistics
    ) -> Iterator[Annotation]:
        """The source's faces in the target's place and proportions, in frames of the target's size.

        Empty annotations stay empty. Without statistics of both sides the points pass unchanged. Background edges
        are dropped: they are the source's.
        """
        if not target:
            yield from annotations
            return
        height, width = int(target["height"]), int(target["width"])
        change = Retarget(source, target) if source else None
        for one in annotations:
            if change is None and one.quality > 0:
                yield one
                continue
            points = one.points.get("face")
            sound = one.quality > 0 and points is not None and bool(np.isfinite(points).all())
            images = {name: np.zeros((height, width), dtype=np.uint8) for name in one.images}
            if change is not None and points is not None and sound:
                yield Annotation(height, width, one.quality, {"face": change(points)}, images)
            else:
                yield Annotation(height, width, 0.0, nothing(height, width, SHAPES).points, images)

    def distances(self, found: Annotation, wanted: Annotation) -> dict[str, float]:
        """`landmark_error`: the mean distance of the 68 points in % of that of the outer eye corners of `wanted`."""
        if min(found.quality, wanted.quality) <= 0:
            return {}
        one, other = found.points["face"][:, :2], wanted.points["face"][:, :2]
        eyes = float(np.linalg.norm(other[EYES[0]] - other[EYES[1]]))
        error = 100 * float(np.linalg.norm(one - other, axis=1).mean()) / max(eyes, 1e-6)
        return {"landmark_error": error} if np.isfinite(error) else {}

    def fingerprint(self) -> dict[str, Any]:
        """Options, the backend that would be used, its version, and the model's sha256."""
        if self.options.points_dir is not None:
            return {**super().fingerprint(), "backend": "files"}
        backend = choose(self.options.backend)
        model = MESH.sha256 if backend == "mediapipe" else ""
        return {**super().fingerprint(), "backend": backend, "version": version(backend), "model": model}
