"""Backend MediaPipe: the bundled face mesh with attention, run by the Tasks API in video mode.

The model refines lips and eyes: the plain mesh of 468 points opens wide mouths by a fifth too little and does not
close lips and lids (docs/conditioners.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import (
    MissingPackageError,
    UInt8Array,
    iou,
    load_bundled_weights,
    square_around,
    suppress_stderr,
)
from vid2vid_landmarks import MESH_WEIGHTS
from vid2vid_landmarks.backend import DetectedFace, FaceBackend, ScaledCrop, crop_and_resize
from vid2vid_landmarks.topology import points_from_mesh

MODEL_PATH = Path(__file__).parent / "models" / MESH_WEIGHTS.name
MIN_INPUT_SIDE = 256  # minimum shorter side in pixels of the detector's input; smaller frames are enlarged
MAX_FACES = 3  # number of candidates; with more than one MediaPipe does not smooth the points, which would add lag
SMALL_FACE_SHARE = 0.2  # width below which a face counts as small, as a share of the frame's shorter side
SAME_FACE_IOU = 0.5  # IoU of the boxes from which two detections are the same face
TILED_SEARCH_INTERVAL = 6  # frames between two searches for small faces while no face is detected
FRAME_INTERVAL_MS = 33  # milliseconds between frames; MediaPipe only requires increasing timestamps
# Messages that MediaPipe's libraries write to stderr at start-up; all other output is passed on.
IGNORED_STDERR = (b"XNNPACK delegate", b"absl::InitializeLog", b"inference_feedback_manager", b"face_landmarker_graph")


class MediaPipeFaceMesh(FaceBackend):
    """Detects faces on the whole frame, small faces in a crop around them, and otherwise in tiles of the frame."""

    def __init__(self) -> None:
        self._model_bytes = _load_model()
        self._video_landmarker = _create_landmarker(self._model_bytes, is_video=True)
        self._image_landmarker: Any = None
        self._frame_index = 0
        self._num_empty_frames = 0

    def detect_faces(self, frame: UInt8Array, tracked_face: DetectedFace | None) -> list[DetectedFace]:
        """Detect up to three faces on the next frame."""
        height, width = frame.shape[:2]
        self._frame_index += 1
        small_face_width = SMALL_FACE_SHARE * min(height, width)
        faces = (
            self._detect_in_boxes(frame, [square_around(tracked_face.box, 3.0)])
            if tracked_face and _face_width(tracked_face) < small_face_width
            else []
        )
        if not faces:
            full_crop = crop_and_resize(frame, (0, 0, width, height), max(1.0, MIN_INPUT_SIDE / min(height, width)))
            detected_faces = _faces_from_result(
                self._video_landmarker.detect_for_video(
                    _to_mediapipe_image(full_crop), self._frame_index * FRAME_INTERVAL_MS
                ),
                full_crop,
            )
            faces = [face for face in detected_faces if _face_width(face) >= small_face_width]
            # Points of a small face are inaccurate at this scale; detect them again in an enlarged crop.
            small_faces = [face for face in detected_faces if _face_width(face) < small_face_width]
            faces += self._detect_in_boxes(frame, [square_around(face.box, 3.0) for face in small_faces])
        if not faces:
            faces = self._detect_in_boxes(frame, self._search_boxes(height, width, tracked_face))
        self._num_empty_frames = 0 if faces else self._num_empty_frames + 1
        return _distinct_faces(faces)

    def _search_boxes(
        self, height: int, width: int, tracked_face: DetectedFace | None
    ) -> list[tuple[float, float, float, float]]:
        """Boxes to search if the whole frame gives no face: around the tracked face, or tiles at intervals."""
        if tracked_face is not None:
            return [square_around(tracked_face.box, 3.0)]
        if self._num_empty_frames % TILED_SEARCH_INTERVAL:
            return []
        tile_side = 0.6 * min(height, width)
        lefts = np.arange(0, width - tile_side + 1, tile_side / 2)
        tops = np.arange(0, height - tile_side + 1, tile_side / 2)
        return [(float(x), float(y), float(x + tile_side), float(y + tile_side)) for y in tops for x in lefts][:16]

    def _detect_in_boxes(self, frame: UInt8Array, boxes: list[tuple[float, float, float, float]]) -> list[DetectedFace]:
        """Detect faces in crops: on a whole frame, small faces are lost in the detector's input of 128 x 128."""
        if boxes and self._image_landmarker is None:
            self._image_landmarker = _create_landmarker(self._model_bytes, is_video=False)
        faces: list[DetectedFace] = []
        for box in boxes:
            scaled_crop = crop_and_resize(frame, box, max(1.0, MIN_INPUT_SIDE / (box[3] - box[1])))
            faces += _faces_from_result(self._image_landmarker.detect(_to_mediapipe_image(scaled_crop)), scaled_crop)
        return faces

    def close(self) -> None:
        """Stop MediaPipe's threads explicitly; its destructor prints errors at exit."""
        for landmarker in (self._video_landmarker, self._image_landmarker):
            if landmarker is not None:
                landmarker.close()
        self._video_landmarker = self._image_landmarker = None


def _distinct_faces(faces: list[DetectedFace]) -> list[DetectedFace]:
    """The faces without repetitions: crops around neighbouring detections may show the same face."""
    distinct: list[DetectedFace] = []
    for face in faces:
        if all(iou(face.box, other.box) <= SAME_FACE_IOU for other in distinct):
            distinct.append(face)
    return distinct


def _face_width(face: DetectedFace) -> float:
    return face.box[2] - face.box[0]


def _faces_from_result(result: Any, scaled_crop: ScaledCrop) -> list[DetectedFace]:
    height, width = scaled_crop.image.shape[:2]
    faces = []
    for landmarks in result.face_landmarks:
        # MediaPipe's 0..1 spans the image from edge to edge; here integers are pixel centres.
        mesh = np.array([(point.x * width - 0.5, point.y * height - 0.5) for point in landmarks], dtype=np.float32)
        faces.append(DetectedFace(scaled_crop.to_frame(points_from_mesh(mesh)), 1.0))
    return faces


def _to_mediapipe_image(scaled_crop: ScaledCrop) -> Any:
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=scaled_crop.image)


def _load_model() -> bytes:
    """Read the model file and verify its sha256."""
    return load_bundled_weights(MODEL_PATH, MESH_WEIGHTS, "face model")


def _create_landmarker(model: bytes, *, is_video: bool) -> Any:
    """Create a FaceLandmarker and run it once, so that its start-up messages are filtered."""
    try:
        import mediapipe
        from mediapipe.tasks.python.core.base_options import BaseOptions
        from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions, RunningMode
    except ImportError as error:
        raise MissingPackageError(
            f"The mediapipe backend of landmarks cannot import mediapipe: {error}.",
            'pip install "vid2vid-cli[landmarks]"',
        ) from error
    options = FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=model),
        running_mode=RunningMode.VIDEO if is_video else RunningMode.IMAGE,
        num_faces=MAX_FACES,
    )
    blank = np.zeros((64, 64, 3), dtype=np.uint8)
    image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=blank)
    with suppress_stderr(IGNORED_STDERR):
        landmarker = FaceLandmarker.create_from_options(options)
        if is_video:
            landmarker.detect_for_video(image, 0)
        else:
            landmarker.detect(image)
    return landmarker
