"""Models of the RTMPose and DWPose family as a backend: an ONNX file that the user gives, through onnxruntime.

Top-down: each person is cut out, and the model answers for every point with one curve along x and one along y, in
bins of half a pixel; the peak is the place (SimCC: Li et al., ECCV 2022; RTMPose: Jiang et al., arXiv:2303.07399).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, Floats, MissingPackageError, MissingWeightsError
from vid2vid_pose.backend import Backend, Box, Person
from vid2vid_pose.mediapipe_pose import Blaze
from vid2vid_pose.topology import NAMES, POINT_COUNTS, from_top_down

MEAN = np.array([123.675, 116.28, 103.53], dtype=np.float32)
STD = np.array([58.395, 57.12, 57.375], dtype=np.float32)
"""Of the pixels, RGB in 0..255, as these models are trained."""
PADDING = 1.25
"""How much larger than the person the part is that the model sees."""
JOINTS = 1.1
"""How much larger than a box about joints somebody is: hands, feet and the top of the head stick out."""
LOST = 0.2
"""Score below which what the model makes of a box is nobody."""
LOOK = 10
"""Frames between two looks for others."""
HINT = "Give a DWPose or RTMPose model exported with SimCC outputs: --option pose.weights=FILE.onnx."


class TopDown(Backend):
    """Finds people with MediaPipe, or takes the whole frame for one; follows them by their last points."""

    def __init__(self, weights: Path, finder: Blaze | None) -> None:
        """Raises: MissingPackageError, MissingWeightsError."""
        self._path, self._finder = weights, finder
        self._session = _session(weights)
        self._height, self._width, self._points = _shape(self._session, weights)
        self.names = tuple(NAMES) if self._points == 133 else ("body",)

    def people(self, frame: Bytes, index: int, near: Sequence[Box]) -> list[Person]:
        """Whoever is followed, by where they were; everybody, now and then and when somebody is lost."""
        found = [person for box in near if (person := self._person(frame, box)) is not None]
        if len(found) < max(len(near), 1) or index % LOOK == 0:
            boxes = self._boxes(frame)
            others = [person for box in boxes if (person := self._person(frame, box)) is not None]
            found += [one for one in others if not any(_same(one.box, other.box) for other in found)]
        return found

    def _boxes(self, frame: Bytes) -> list[Box]:
        """Where people are; the whole frame where nobody can say."""
        if self._finder is None:
            return [(0.0, 0.0, frame.shape[1] / JOINTS, frame.shape[0] / JOINTS)]
        return [person.box for person in self._finder.look(frame, ())]

    def _person(self, frame: Bytes, box: Box) -> Person | None:
        matrix = crop_matrix(box, self._height, self._width)
        cut = cv2.warpAffine(frame, matrix, (self._width, self._height), flags=cv2.INTER_LINEAR)
        tensor = ((cut.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None]
        along_x, along_y = self._session.run(None, {self._session.get_inputs()[0].name: tensor})
        points = decode(along_x[0], along_y[0], self._height, self._width)
        inverse = cv2.invertAffineTransform(matrix)
        points[:, :2] = points[:, :2] @ inverse[:, :2].T + inverse[:, 2]
        person = Person(from_top_down(points))
        return person if person.score >= LOST else None

    def forget(self) -> None:
        """A new scene."""
        if self._finder is not None:
            self._finder.forget()

    def close(self) -> None:
        """Give the session back."""
        if self._finder is not None:
            self._finder.close()
        self._session = None


def crop_matrix(box: Box, height: int, width: int) -> NDArray[np.float64]:
    """(2, 3), from pixels of the frame to those of the model's (height, width): the box with room, in the middle."""
    x0, y0, x1, y1 = box
    scale = min(width / max(x1 - x0, 1.0), height / max(y1 - y0, 1.0)) / (PADDING * JOINTS)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return np.array([[scale, 0.0, width / 2 - scale * x], [0.0, scale, height / 2 - scale * y]])


def decode(along_x: NDArray[Any], along_y: NDArray[Any], height: int, width: int) -> Floats:
    """Points (k, 3) in pixels of the model's picture of the curves (k, bins): their peaks, and the lower of the two."""
    bins = np.array([along_x.shape[1] / width, along_y.shape[1] / height])
    places = np.stack([along_x.argmax(axis=1), along_y.argmax(axis=1)], axis=1) / bins
    sure = np.minimum(along_x.max(axis=1), along_y.max(axis=1))
    points = np.column_stack([places, np.clip(sure, 0, 1)]).astype(np.float32)
    points[sure <= 0] = np.nan
    return points


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        message = f"pose.weights needs onnxruntime, which cannot be imported: {error}."
        raise MissingPackageError(message, 'pip install "vid2vid-cli[onnx]"') from error
    if not path.is_file():
        raise MissingWeightsError(f"pose.weights={path} does not exist.", HINT)
    here = onnxruntime.get_available_providers()
    wanted = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in here]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # warnings about the graph are of no use to whoever did not make it
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=wanted)
    except Exception as error:  # onnxruntime has a class for each reason, none of them public
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise MissingWeightsError(f"pose.weights={path} is no model for onnxruntime: {reason}", HINT) from error


def _shape(session: Any, path: Path) -> tuple[int, int, int]:
    """Height and width that the model sees, and how many points it gives; tried on an empty picture."""
    inputs = session.get_inputs()
    shape = list(inputs[0].shape)
    if len(inputs) != 1 or len(shape) != 4 or shape[1] != 3 or not all(isinstance(n, int) for n in shape[2:]):
        raise MissingWeightsError(f"pose.weights={path} takes {shape} and not one picture (1, 3, h, w).", HINT)
    height, width = int(shape[2]), int(shape[3])
    given = [one.shape for one in session.run(None, {inputs[0].name: np.zeros((1, 3, height, width), np.float32)})]
    sound = len(given) == 2 and all(len(one) == 3 for one in given) and given[0][1] == given[1][1]
    if not sound or given[0][1] not in POINT_COUNTS or given[0][2] < width or given[1][2] < height:
        found = " and ".join(str(tuple(one)) for one in given)
        known = " or ".join(map(str, POINT_COUNTS))
        message = f"pose.weights={path} gives {found}, and not two curves for each of {known} points."
        raise MissingWeightsError(message, HINT)
    return height, width, int(given[0][1])


def _same(one: Box, other: Box) -> bool:
    """Whether two boxes on a frame are the same person's: the centre of each lies in the other."""
    return all(a[i] <= (b[i] + b[i + 2]) / 2 <= a[i + 2] for a, b in ((one, other), (other, one)) for i in (0, 1))
