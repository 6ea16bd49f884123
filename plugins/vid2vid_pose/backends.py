"""Which way of finding people is used, and what it depends on; decided without importing any library."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from vid2vid_cli.conditioning import Footage, MissingWeightsError, digest_of
from vid2vid_pose import POSE
from vid2vid_pose.backend import Backend

Wanted = Literal["auto", "mediapipe", "onnx"]
Name = Literal["mediapipe", "onnx"]
PACKAGES = {"mediapipe": ("mediapipe",), "onnx": ("onnxruntime", "onnxruntime-gpu")}


def choose(wanted: Wanted, weights: Path | None) -> Name:
    """The backend that would be used: `auto` takes the model that is given, or MediaPipe's."""
    if wanted == "auto":
        return "mediapipe" if weights is None else "onnx"
    return wanted


def open_backend(
    wanted: Wanted, people: int, weights: Path | None, hands_model: Path | None, face_model: Path | None
) -> Backend:
    """The detector, ready. Raises: MissingPackageError, MissingWeightsError."""
    from vid2vid_pose.mediapipe_pose import Blaze

    if choose(wanted, weights) == "onnx":
        from vid2vid_pose.rtmpose import HINT, TopDown

        if weights is None:
            raise MissingWeightsError("pose.backend=onnx needs a model.", HINT)
        return TopDown(weights, Blaze(people) if find_spec("mediapipe") is not None else None)
    from vid2vid_pose.hands_and_face import Parts

    given = hands_model is not None or face_model is not None
    return Blaze(people, Parts(hands_model, face_model) if given else None)


def open_files(folder: Path, footage: Footage | None) -> Backend:
    """The reader of OpenPose's files. Raises: MissingFileError, LabelFilesError, FilesMismatchError."""
    from vid2vid_pose.openpose import OpenPoseFiles

    return OpenPoseFiles(folder, footage)


def version(name: Name) -> str:
    """The version of a backend's library, without importing it; "" if it is not installed."""
    for distribution in PACKAGES[name]:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return ""


def digest(path: Path | None) -> str:
    """sha256 of a model that is given, "" where there is none: its place on this machine is nobody's business."""
    if path is None:
        return ""
    try:
        status = path.stat()
        return _digest(path, status.st_mtime_ns, status.st_size)
    except OSError:
        return "missing"


@lru_cache(maxsize=8)
def _digest(path: Path, changed: int, size: int) -> str:
    """Read once for as long as the file does not change."""
    return digest_of(path)


def own_digest(name: Name) -> str:
    """sha256 of the model that comes with the plugin, where it is used."""
    return POSE.sha256 if name == "mediapipe" else ""
