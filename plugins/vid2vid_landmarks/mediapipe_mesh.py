"""MediaPipe's face mesh as a backend: the vendored model through the Tasks API, in video mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import Bytes, MissingPackageError, around, own_weights, quietly
from vid2vid_landmarks import MESH
from vid2vid_landmarks.backend import Backend, Crop, Face, crop
from vid2vid_landmarks.topology import from_mesh

MODEL = Path(__file__).parent / "models" / MESH.name
SMALLEST = 256  # shorter side in pixels below which a frame is enlarged: a face that fills a third of it has 80
FACES = 3  # candidates; with more than one, MediaPipe does not smooth by itself, which would lag
SMALL = 0.2  # share of the frame's shorter side below which a face is far
EVERY = 6  # frames between two searches for small faces where none is known
STEP = 33  # milliseconds between frames: MediaPipe only needs them to rise
# What MediaPipe's libraries write to stderr on every start; anything else is passed on.
NOISE = (b"XNNPACK delegate", b"absl::InitializeLog", b"inference_feedback_manager", b"face_landmarker_graph")


class MeshBackend(Backend):
    """Detects on the whole frame; far faces in a square about them; where that finds nothing, in parts."""

    def __init__(self) -> None:
        self._model = _model()
        self._video = _landmarker(self._model, video=True)
        self._search: Any = None
        self._index = 0
        self._empty = 0

    def faces(self, frame: Bytes, near: Face | None) -> list[Face]:
        """Up to three faces on the next frame."""
        height, width = frame.shape[:2]
        self._index += 1
        far = SMALL * min(height, width)
        found = self._parts(frame, [around(near.box, 3.0)]) if near and _width(near) < far else []
        if not found:
            whole = crop(frame, (0, 0, width, height), max(1.0, SMALLEST / min(height, width)))
            seen = _faces(self._video.detect_for_video(_image(whole), self._index * STEP), whole)
            found = [face for face in seen if _width(face) >= far]
            # Points of a far face are guesses until it has been looked at more closely.
            found += self._parts(frame, [around(face.box, 3.0) for face in seen if _width(face) < far])
        if not found:
            found = self._parts(frame, self._places(height, width, near))
        self._empty = 0 if found else self._empty + 1
        return found

    def _places(self, height: int, width: int, near: Face | None) -> list[tuple[float, float, float, float]]:
        """Where to look when the whole frame shows nothing: about the last face, or now and then everywhere."""
        if near is not None:
            return [around(near.box, 3.0)]
        if self._empty % EVERY:
            return []
        side = 0.6 * min(height, width)
        lefts, tops = np.arange(0, width - side + 1, side / 2), np.arange(0, height - side + 1, side / 2)
        return [(float(x), float(y), float(x + side), float(y + side)) for y in tops for x in lefts][:16]

    def _parts(self, frame: Bytes, boxes: list[tuple[float, float, float, float]]) -> list[Face]:
        """Faces in parts of the frame: the detector sees any picture at 128 x 128, so a far face needs this."""
        if boxes and self._search is None:
            self._search = _landmarker(self._model, video=False)
        found: list[Face] = []
        for box in boxes:
            part = crop(frame, box, max(1.0, SMALLEST / (box[3] - box[1])))
            found += _faces(self._search.detect(_image(part)), part)
        return found

    def close(self) -> None:
        """End MediaPipe's threads; left to its destructor it complains at exit."""
        for landmarker in (self._video, self._search):
            if landmarker is not None:
                landmarker.close()
        self._video = self._search = None


def _width(face: Face) -> float:
    return face.box[2] - face.box[0]


def _faces(result: Any, part: Crop) -> list[Face]:
    height, width = part.image.shape[:2]
    faces = []
    for marks in result.face_landmarks:
        # MediaPipe's 0..1 spans the picture's edges; ours are pixel centres.
        mesh = np.array([(mark.x * width - 0.5, mark.y * height - 0.5) for mark in marks], dtype=np.float32)
        faces.append(Face(part.back(from_mesh(mesh)), 1.0))
    return faces


def _image(part: Crop) -> Any:
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=part.image)


def _model() -> bytes:
    """The model's bytes, checked."""
    return own_weights(MODEL, MESH, "face model")


def _landmarker(model: bytes, *, video: bool) -> Any:
    """A FaceLandmarker that has already seen a frame, so that its start-up messages are over."""
    try:
        import mediapipe
        from mediapipe.tasks.python.core.base_options import BaseOptions
        from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions, RunningMode
    except ImportError as error:
        raise MissingPackageError(
            f"landmarks needs mediapipe, which cannot be imported: {error}.",
            'pip install "vid2vid-cli[landmarks]"',
        ) from error
    options = FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=model),
        running_mode=RunningMode.VIDEO if video else RunningMode.IMAGE,
        num_faces=FACES,
    )
    blank = np.zeros((64, 64, 3), dtype=np.uint8)
    image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=blank)
    with quietly(NOISE):
        landmarker = FaceLandmarker.create_from_options(options)
        if video:
            landmarker.detect_for_video(image, 0)
        else:
            landmarker.detect(image)
    return landmarker
