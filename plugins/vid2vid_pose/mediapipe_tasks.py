"""MediaPipe's Tasks API: model files, and landmarkers whose start-up messages are filtered."""

from __future__ import annotations

from contextlib import nullcontext
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from vid2vid_cli.conditioning import (
    MissingPackageError,
    MissingWeightsError,
    UInt8Array,
    load_bundled_weights,
    suppress_stderr,
)
from vid2vid_pose import POSE_WEIGHTS

MODEL_PATH = Path(__file__).parent / "models" / POSE_WEIGHTS.name
# Messages that MediaPipe's libraries write to stderr at start-up; all other output is passed on.
IGNORED_STDERR = (
    b"XNNPACK delegate",
    b"absl::InitializeLog",
    b"inference_feedback_manager",
    b"landmarker_graph",
    b"landmark_projection_calculator",
)
FRAME_INTERVAL_MS = 2000
"""Milliseconds between frames; at a long interval MediaPipe disables its smoothing, which lags by half a frame."""

LandmarkerKind = Literal["Pose", "Face"]
COUNT_OPTIONS: dict[LandmarkerKind, str] = {"Pose": "num_poses", "Face": "num_faces"}
GET_LANDMARKS: dict[LandmarkerKind, attrgetter[Any]] = {
    "Pose": attrgetter("pose_landmarks"),
    "Face": attrgetter("face_landmarks"),
}


def load_bundled_model() -> bytes:
    """Read the bundled pose model. Raises: MissingWeightsError."""
    return load_bundled_weights(MODEL_PATH, POSE_WEIGHTS, "pose model")


def load_user_model(path: Path, option_name: str) -> bytes:
    """Read a model file that the user provides. Raises: MissingWeightsError."""
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"pose.{option_name}={path} cannot be read: {error.strerror}."
        hint = f"Set it to MediaPipe's .task file: --conditioner-option pose.{option_name}=FILE."
        raise MissingWeightsError(message, hint) from error


class Landmarker:
    """A PoseLandmarker or FaceLandmarker, for single images or for the frames of a video."""

    _started_kinds: ClassVar[set[LandmarkerKind]] = set()
    """Kinds that have detected something in this process: MediaPipe writes all its messages until then."""

    def __init__(
        self,
        kind: LandmarkerKind,
        model: bytes,
        *,
        is_video: bool,
        max_results: int,
        location: str = "",
        has_masks: bool = False,
    ) -> None:
        """Create a landmarker for up to `max_results` results; `location` of the model is used in error messages.

        `has_masks`: of kind Pose, results contain a mask of each person.

        Raises: MissingPackageError, MissingWeightsError (a model of another kind).
        """
        try:
            import mediapipe
            from mediapipe.tasks.python import vision
            from mediapipe.tasks.python.core.base_options import BaseOptions
        except ImportError as error:
            message = f"The mediapipe backend of pose cannot import mediapipe: {error}."
            raise MissingPackageError(message, 'pip install "vid2vid-cli[pose]"') from error
        self._kind, self._is_video, self._timestamp_ms = kind, is_video, 0
        self._mediapipe = mediapipe
        landmarker_class, options_class = {
            "Pose": (vision.PoseLandmarker, vision.PoseLandmarkerOptions),
            "Face": (vision.FaceLandmarker, vision.FaceLandmarkerOptions),
        }[kind]
        options = options_class(
            base_options=BaseOptions(model_asset_buffer=model),
            running_mode=vision.RunningMode.VIDEO if is_video else vision.RunningMode.IMAGE,
            **{COUNT_OPTIONS[kind]: max_results},
            **({"output_segmentation_masks": True} if has_masks else {}),
        )
        with suppress_stderr(IGNORED_STDERR):
            try:
                self._task: Any = landmarker_class.create_from_options(options)
            except (RuntimeError, ValueError, OSError) as error:
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                message = f"{location or MODEL_PATH.name} is not MediaPipe's {kind.lower()} model: {reason}"
                hint = f"Use the {kind.lower()}_landmarker.task that MediaPipe publishes."
                raise MissingWeightsError(message, hint) from error
            self._run_task(np.zeros((64, 64, 3), dtype=np.uint8))

    def detect(self, image: UInt8Array) -> Any:
        """Run the landmarker on the next image (contiguous RGB) and return MediaPipe's result."""
        is_first_detection = self._kind not in self._started_kinds
        with suppress_stderr(IGNORED_STDERR) if is_first_detection else nullcontext():
            result = self._run_task(image)
        if is_first_detection and GET_LANDMARKS[self._kind](result):
            self._started_kinds.add(self._kind)
        return result

    def _run_task(self, image: UInt8Array) -> Any:
        mediapipe_image = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=image)
        if not self._is_video:
            return self._task.detect(mediapipe_image)
        self._timestamp_ms += FRAME_INTERVAL_MS
        return self._task.detect_for_video(mediapipe_image, self._timestamp_ms)

    def close(self) -> None:
        """Stop MediaPipe's threads explicitly; its destructor prints errors at exit."""
        self._task.close()
