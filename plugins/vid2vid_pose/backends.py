"""Pose detection backends: the interface, crops, and the choice of a backend without importing its library."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from vid2vid_cli.conditioning import MissingWeightsError, VideoContext, sha256_of_files
from vid2vid_pose import POSE_WEIGHTS
from vid2vid_pose.backend import PoseBackend

BackendChoice = Literal["auto", "mediapipe", "onnx"]
BackendName = Literal["mediapipe", "onnx"]
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
BACKEND_PACKAGES = {"mediapipe": ("mediapipe",), "onnx": ("onnxruntime", "onnxruntime-gpu")}


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
    has_hands: bool,
    hands_model: Path | None,
    face_model: Path | None,
) -> PoseBackend:
    """Create the detector; `has_hands`: the backend mediapipe detects hands.

    Raises: MissingPackageError, MissingWeightsError.
    """
    from vid2vid_pose.mediapipe_pose import MediaPipePose

    if resolve_backend(requested, weights) == "onnx":
        from vid2vid_pose.rtmpose import WEIGHTS_HINT, RTMPoseBackend

        if weights is None:
            raise MissingWeightsError("pose.backend=onnx requires pose.weights.", WEIGHTS_HINT)
        return RTMPoseBackend(weights, MediaPipePose(num_people) if find_spec("mediapipe") is not None else None)
    from vid2vid_pose.hand_network import HandNetwork
    from vid2vid_pose.hands_and_face import HandFaceDetector

    hand_network = HandNetwork(hands_model) if has_hands else None
    has_parts = hand_network is not None or face_model is not None
    return MediaPipePose(num_people, HandFaceDetector(num_people, hand_network, face_model) if has_parts else None)


def open_input(path: Path, video_context: VideoContext | None) -> PoseBackend:
    """Create the reader of OpenPose's JSON files in a folder or, without such files, of drawn skeletons.

    Raises: MissingFileError, LabelFileError, InputFileMismatchError, and the errors of `VideoReader`.
    """
    from vid2vid_pose.drawn_skeletons import DrawnSkeletonReader
    from vid2vid_pose.openpose import OpenPoseReader

    suffixes = {entry.suffix.lower() for entry in path.iterdir()} if path.is_dir() else set()
    has_drawings = path.is_file() or (".json" not in suffixes and bool(suffixes & IMAGE_SUFFIXES))
    return DrawnSkeletonReader(path, video_context) if has_drawings else OpenPoseReader(path, video_context)


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
    """sha256 of the bundled body model if the backend uses it, otherwise ""."""
    return POSE_WEIGHTS.sha256 if name == "mediapipe" else ""
