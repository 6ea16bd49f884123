"""MediaPipe's Tasks: models as checked bytes, landmarkers that start without noise."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from vid2vid_cli.conditioning import Bytes, MissingPackageError, MissingWeightsError, own_weights, quietly
from vid2vid_pose import POSE

MODEL = Path(__file__).parent / "models" / POSE.name
# What MediaPipe's libraries write to stderr at first; anything else is passed on.
NOISE = (
    b"XNNPACK delegate",
    b"absl::InitializeLog",
    b"inference_feedback_manager",
    b"landmarker_graph",
    b"landmark_projection_calculator",
)
STEP = 2000
"""Milliseconds between frames for MediaPipe: with so many it leaves out its own smoothing, which lags half a frame."""

Kind = Literal["Pose", "Hand", "Face"]
COUNTS: dict[Kind, str] = {"Pose": "num_poses", "Hand": "num_hands", "Face": "num_faces"}


def own_model() -> bytes:
    """The pose model that comes with the plugin. Raises: MissingWeightsError."""
    return own_weights(MODEL, POSE, "pose model")


def given_model(path: Path, option: str) -> bytes:
    """A model the user names. Raises: MissingWeightsError."""
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"pose.{option}={path} cannot be read: {error.strerror}."
        raise MissingWeightsError(message, f"Name MediaPipe's .task file: --option pose.{option}=FILE.") from error


class Landmarker:
    """A PoseLandmarker, HandLandmarker or FaceLandmarker, for single pictures or for the frames of a video."""

    _greeted: ClassVar[set[Kind]] = set()
    """Kinds that have found something: only then MediaPipe has said all it says at first, once in a process."""

    def __init__(self, kind: Kind, model: bytes, *, video: bool, many: int, where: str = "") -> None:
        """For up to `many`; `where` the model lies, for the message.

        Raises: MissingPackageError, MissingWeightsError (a model of another kind).
        """
        try:
            import mediapipe
            from mediapipe.tasks.python import vision
            from mediapipe.tasks.python.core.base_options import BaseOptions
        except ImportError as error:
            message = f"pose needs mediapipe, which cannot be imported: {error}."
            raise MissingPackageError(message, 'pip install "vid2vid-cli[pose]"') from error
        self._kind, self._video, self._clock = kind, video, 0
        self._mediapipe = mediapipe
        options = getattr(vision, f"{kind}LandmarkerOptions")(
            base_options=BaseOptions(model_asset_buffer=model),
            running_mode=vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE,
            **{COUNTS[kind]: many},
        )
        with quietly(NOISE):
            try:
                self._task = getattr(vision, f"{kind}Landmarker").create_from_options(options)
            except (RuntimeError, ValueError, OSError) as error:
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                message = f"{where or MODEL.name} is not a {kind.lower()} model of MediaPipe: {reason}"
                hint = f"Use the {kind.lower()}_landmarker.task that MediaPipe publishes."
                raise MissingWeightsError(message, hint) from error
            self._see(np.zeros((64, 64, 3), dtype=np.uint8))

    def see(self, image: Bytes) -> Any:
        """What is on the next picture, contiguous RGB, as MediaPipe gives it."""
        new = self._kind not in self._greeted
        with quietly(NOISE) if new else nullcontext():
            result = self._see(image)
        if new and getattr(result, f"{self._kind.lower()}_landmarks"):
            self._greeted.add(self._kind)
        return result

    def _see(self, image: Bytes) -> Any:
        picture = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=image)
        if not self._video:
            return self._task.detect(picture)
        self._clock += STEP
        return self._task.detect_for_video(picture, self._clock)

    def close(self) -> None:
        """End MediaPipe's threads; left to its destructor it complains at exit."""
        self._task.close()
