"""Backend dlib: its HOG face detector and the 68-point predictor that face-recognition-models contains."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vid2vid_cli.conditioning import MissingPackageError, MissingWeightsError, UInt8Array, square_around
from vid2vid_landmarks.backend import DetectedFace, FaceBackend, ScaledCrop, crop_and_resize

PREDICTOR_FILE = "shape_predictor_68_face_landmarks.dat"
INSTALL_COMMAND = 'pip install "vid2vid-cli[dlib]"'
# Shorter side in pixels of the resized frame for a full search; the detector finds faces of 80 pixels or more.
SEARCH_SHORT_SIDE = 480
TRACKED_FACE_WIDTH = 140  # width in pixels of the tracked face in its search window
LANDMARK_FACE_WIDTH = 240  # width in pixels of a face for the predictor, which returns whole pixels
LARGE_SEARCH_INTERVAL = 6  # frames between two searches at double size while no face is detected


class DlibBackend(FaceBackend):
    """Searches the whole frame until a face is detected, then a square around it."""

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError as error:
            raise MissingPackageError(f"dlib cannot be imported: {error}.", INSTALL_COMMAND) from error
        self._dlib = dlib
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = _load_predictor(str(predictor_path()))
        self._num_empty_frames = 0

    def detect_faces(self, frame: UInt8Array, tracked_face: DetectedFace | None) -> list[DetectedFace]:
        """Detect the tracked face in its surroundings; if that fails, all faces on the frame."""
        detections = self._detect(frame, tracked_face)
        self._num_empty_frames = 0 if detections else self._num_empty_frames + 1
        return [self._predict_landmarks(frame, box, score) for box, score in detections]

    def _detect(self, frame: UInt8Array, tracked_face: DetectedFace | None) -> list[tuple[tuple[float, ...], float]]:
        height, width = frame.shape[:2]
        if tracked_face is not None:
            box = tracked_face.box
            scale = TRACKED_FACE_WIDTH / max(box[2] - box[0], 1.0)
            detections = self._run_detector(crop_and_resize(frame, square_around(box, 2.2), scale), -0.3)
            if detections:
                return detections
        scale = SEARCH_SHORT_SIDE / min(height, width)
        frame_box = (0.0, 0.0, float(width), float(height))
        detections = self._run_detector(crop_and_resize(frame, frame_box, scale), 0.0)
        if not detections and self._num_empty_frames % LARGE_SEARCH_INTERVAL == 0:
            detections = self._run_detector(crop_and_resize(frame, frame_box, 2 * scale), 0.0)
        return detections

    def _run_detector(self, scaled_crop: ScaledCrop, threshold: float) -> list[tuple[tuple[float, ...], float]]:
        """Boxes (x0, y0, x1, y1) in pixels of the frame, with the detector's scores."""
        gray = cv2.cvtColor(scaled_crop.image, cv2.COLOR_RGB2GRAY)
        boxes, scores, _ = self._detector.run(gray, 0, threshold)
        detections = []
        for box, score in zip(boxes, scores, strict=True):
            corners = np.array([[box.left(), box.top()], [box.right(), box.bottom()]], dtype=np.float32)
            detections.append((tuple(float(value) for value in scaled_crop.to_frame(corners).ravel()), float(score)))
        return detections

    def _predict_landmarks(self, frame: UInt8Array, box: tuple[float, ...], score: float) -> DetectedFace:
        x0, y0, x1, y1 = box
        scale = LANDMARK_FACE_WIDTH / max(x1 - x0, 1.0)
        scaled_crop = crop_and_resize(frame, square_around((x0, y0, x1, y1), 1.8), scale)
        corners = [
            round((value - origin + 0.5) * scale - 0.5)
            for value, origin in zip(box, (scaled_crop.x, scaled_crop.y) * 2, strict=True)
        ]
        gray = cv2.cvtColor(scaled_crop.image, cv2.COLOR_RGB2GRAY)
        landmarks: Any = self._predictor(gray, self._dlib.rectangle(*corners))
        points = np.array([(landmarks.part(i).x, landmarks.part(i).y) for i in range(68)], dtype=np.float32)
        # Detector scores range from the threshold to about 2; a clear frontal face scores about 1.
        return DetectedFace(scaled_crop.to_frame(points), float(np.clip(0.4 + 0.6 * score, 0.1, 1.0)))


@cache
def _load_predictor(path: str) -> Any:
    """Load the predictor once per process: it has 100 MB, takes a second to load, and is stateless."""
    import dlib

    return dlib.shape_predictor(path)


def predictor_path() -> Path:
    """Path of the predictor file.

    The package that contains it is located without importing it, because its import needs pkg_resources.

    Raises: MissingPackageError, MissingWeightsError.
    """
    package_spec = find_spec("face_recognition_models")
    if package_spec is None or not package_spec.submodule_search_locations:
        raise MissingPackageError("dlib's 68-point predictor is not installed.", INSTALL_COMMAND)
    for folder in package_spec.submodule_search_locations:
        path = Path(folder) / "models" / PREDICTOR_FILE
        if path.is_file():
            return path
    raise MissingWeightsError(f"face_recognition_models does not contain {PREDICTOR_FILE}.", INSTALL_COMMAND)
