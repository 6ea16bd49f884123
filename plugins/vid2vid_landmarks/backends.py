"""Which detector is used, and whether its library is there; decided without importing either."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from typing import Literal

from vid2vid_cli.conditioning import MissingPackageError
from vid2vid_landmarks.backend import Backend

Name = Literal["mediapipe", "dlib"]


def choose(wanted: Literal["auto", "mediapipe", "dlib"]) -> Name | None:
    """The backend that would be used, without importing it; None where `auto` finds none."""
    if wanted != "auto":
        return wanted
    if _there("mediapipe"):
        return "mediapipe"
    return "dlib" if _there("dlib") and _there("face_recognition_models") else None


def open_backend(wanted: Literal["auto", "mediapipe", "dlib"]) -> Backend:
    """The detector, ready. Raises: MissingPackageError, MissingWeightsError."""
    name = choose(wanted)
    if name == "mediapipe":
        from vid2vid_landmarks.mediapipe_mesh import MeshBackend

        return MeshBackend()
    if name == "dlib":
        from vid2vid_landmarks.dlib_backend import HogBackend

        return HogBackend()
    raise MissingPackageError(
        "landmarks needs mediapipe or dlib, and neither is installed.", 'pip install "vid2vid-cli[landmarks]"'
    )


def version(name: Name | None) -> str:
    """The version of a backend's library, without importing it; "" if it is not installed."""
    for distribution in {"mediapipe": ("mediapipe",), "dlib": ("dlib", "dlib-bin"), None: ()}[name]:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
