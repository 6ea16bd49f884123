"""Pose detection backends: the interface, crops, and the choice of a backend without importing its library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from vid2vid_cli.conditioning import FloatArray, MissingWeightsError, UInt8Array, VideoContext, sha256_of_files
from vid2vid_pose import POSE_WEIGHTS
from vid2vid_pose.topology import NUM_BODY_POINTS, NUM_CORE_JOINTS, POINTS_PER_PERSON, missing_points

Box = tuple[float, float, float, float]
BackendChoice = Literal["auto", "mediapipe", "onnx"]
BackendName = Literal["mediapipe", "onnx"]
BACKEND_PACKAGES = {"mediapipe": ("mediapipe",), "onnx": ("onnxruntime", "onnxruntime-gpu")}

MIN_VISIBLE_CONFIDENCE = 0.1
"""Minimum confidence of the joints that define a person's box and score."""


@dataclass(frozen=True)
class DetectedPose:
    """One person on a frame: points (n, 3) by name, (x, y) in pixels and a confidence; NaN if not detected."""

    points: Mapping[str, FloatArray]
    box: Box = field(init=False)
    """Bounding box of the visible joints; NaN if there are none."""
    score: float = field(init=False)
    """See `pose_score`."""

    def __post_init__(self) -> None:
        body = self.points.get("body", missing_points(NUM_BODY_POINTS))
        visible_joints = body[np.isfinite(body).all(axis=1) & (body[:, 2] >= MIN_VISIBLE_CONFIDENCE)]
        box = (
            (float("nan"),) * 4
            if len(visible_joints) == 0
            else (*visible_joints[:, :2].min(axis=0), *visible_joints[:, :2].max(axis=0))
        )
        object.__setattr__(self, "box", tuple(float(value) for value in box))
        object.__setattr__(self, "score", pose_score(body))


def pose_score(body: FloatArray) -> float:
    """Score in [0, 1]: mean confidence of the visible core joints times their share of all core joints."""
    core_joints = body[:NUM_CORE_JOINTS]
    is_visible = np.isfinite(core_joints).all(axis=1) & (np.nan_to_num(core_joints[:, 2]) >= MIN_VISIBLE_CONFIDENCE)
    return float(np.clip(core_joints[is_visible, 2], 0, 1).sum() / NUM_CORE_JOINTS) if is_visible.any() else 0.0


class PoseBackend(ABC):
    """A pose detector for the frames of one video, in order; use it as a context manager."""

    point_names: tuple[str, ...] = ("body",)
    """Names of the point sets that it detects, keys of `POINTS_PER_PERSON`."""
    default_smoothing: float = 0.006
    """Jitter size that is used if the option `smoothing` is not set; see `PoseSmoother`."""

    @abstractmethod
    def detect_people(self, frame: UInt8Array, index: int, tracked_boxes: Sequence[Box]) -> list[DetectedPose]:
        """Detect the people on frame `index`, the next one; `tracked_boxes`: last boxes of the tracked people."""

    def add_hands_and_face(self, frame: UInt8Array, person: DetectedPose) -> DetectedPose:
        """Add the points of hands and face to a selected person, if the backend detects them separately."""
        return person

    def reset(self) -> None:
        """Discard the history: the next frame begins a new shot."""
        return

    def close(self) -> None:
        """Release the library's resources."""
        return

    def __enter__(self) -> PoseBackend:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def point_shapes(names: Sequence[str], num_people: int) -> dict[str, tuple[int, int]]:
    """Shape of each point set in an annotation."""
    return {name: (num_people * num_points, 3) for name, num_points in POINTS_PER_PERSON.items() if name in names}


@dataclass(frozen=True)
class FrameCrop:
    """A crop of a frame at its original scale, with its offset."""

    image: UInt8Array
    x: int
    y: int

    def to_frame(self, relative_points: FloatArray) -> FloatArray:
        """Convert points (n, 2), relative to the sides of the crop (0..1), to pixels of the frame."""
        height, width = self.image.shape[:2]
        size = np.array([width, height], dtype=np.float32)
        positions: FloatArray = (relative_points * size - 0.5 + np.array([self.x, self.y])).astype(np.float32)
        return positions


def crop_frame(frame: UInt8Array, box: Box | None = None) -> FrameCrop:
    """Crop a frame to `box`, at least 8 pixels wide and high if the frame is; None: the whole frame."""
    height, width = frame.shape[:2]
    if box is None:
        return FrameCrop(np.ascontiguousarray(frame), 0, 0)
    x0, y0 = int(np.clip(box[0], 0, max(width - 8, 0))), int(np.clip(box[1], 0, max(height - 8, 0)))
    x1, y1 = int(np.clip(np.ceil(box[2]), x0 + 8, width)), int(np.clip(np.ceil(box[3]), y0 + 8, height))
    return FrameCrop(np.ascontiguousarray(frame[y0:y1, x0:x1]), x0, y0)


def resolve_backend(requested: BackendChoice, weights: Path | None) -> BackendName:
    """The backend that `requested` selects; `auto`: onnx if `weights` is set, otherwise mediapipe."""
    if requested == "auto":
        return "mediapipe" if weights is None else "onnx"
    return requested


def open_backend(
    requested: BackendChoice,
    *,
    num_people: int,
    weights: Path | None,
    hands_model: Path | None,
    face_model: Path | None,
) -> PoseBackend:
    """Create the detector. Raises: MissingPackageError, MissingWeightsError."""
    from vid2vid_pose.mediapipe_pose import MediaPipePose

    if resolve_backend(requested, weights) == "onnx":
        from vid2vid_pose.rtmpose import WEIGHTS_HINT, RTMPoseBackend

        if weights is None:
            raise MissingWeightsError("pose.backend=onnx requires pose.weights.", WEIGHTS_HINT)
        return RTMPoseBackend(weights, MediaPipePose(num_people) if find_spec("mediapipe") is not None else None)
    from vid2vid_pose.hands_and_face import HandFaceDetector

    has_part_models = hands_model is not None or face_model is not None
    return MediaPipePose(num_people, HandFaceDetector(hands_model, face_model) if has_part_models else None)


def open_openpose_files(folder: Path, video_context: VideoContext | None) -> PoseBackend:
    """Create the reader of OpenPose's files. Raises: MissingFileError, LabelFileError, InputFileMismatchError."""
    from vid2vid_pose.openpose import OpenPoseReader

    return OpenPoseReader(folder, video_context)


def backend_version(name: BackendName) -> str:
    """Version of the backend's library, without importing it; "" if it is not installed."""
    for distribution in BACKEND_PACKAGES[name]:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return ""


def model_sha256(path: Path | None) -> str:
    """sha256 of a model file, "" for None; fingerprints contain it instead of the path."""
    if path is None:
        return ""
    try:
        status = path.stat()
        return _cached_sha256(path, status.st_mtime_ns, status.st_size)
    except OSError:
        return "missing"


@lru_cache(maxsize=8)
def _cached_sha256(path: Path, modified_ns: int, size_bytes: int) -> str:
    """Hash of the file, recomputed only when its modification time or size changes."""
    return sha256_of_files(path)


def bundled_model_sha256(name: BackendName) -> str:
    """sha256 of the bundled model if the backend uses it, otherwise ""."""
    return POSE_WEIGHTS.sha256 if name == "mediapipe" else ""
