"""Backend ONNX: models of the RTMPose and DWPose family, provided by the user, run by onnxruntime.

The models are top-down: they take a crop around one person and return, for every point, one distribution along x and
one along y in bins of half a pixel, whose peaks are the position (SimCC: Li et al., ECCV 2022; RTMPose: Jiang et al.,
arXiv:2303.07399).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    FloatArray,
    MissingPackageError,
    MissingWeightsError,
    UInt8Array,
    create_onnx_session,
)
from vid2vid_pose.backend import Box, DetectedPose, PoseBackend
from vid2vid_pose.mediapipe_pose import MediaPipePose
from vid2vid_pose.topology import POINTS_PER_PERSON, TOP_DOWN_POINT_COUNTS, points_from_top_down

PIXEL_MEAN = np.array([123.675, 116.28, 103.53], dtype=np.float32)
PIXEL_STD = np.array([58.395, 57.12, 57.375], dtype=np.float32)
"""Normalisation of the input (RGB in 0..255) that these models are trained with."""
BOX_PADDING = 1.25
"""Side of the crop relative to the person's box."""
JOINT_BOX_SCALE = 1.1
"""Size of a person relative to the box of their joints, to include hands, feet and the top of the head."""
MIN_SCORE = 0.2
"""Minimum score of a detected person."""
SEARCH_INTERVAL = 10
"""Frames between two searches for other people."""
WEIGHTS_HINT = "Set a DWPose or RTMPose model with SimCC outputs: --conditioner-option pose.weights=FILE.onnx."


class RTMPoseBackend(PoseBackend):
    """Detects people with MediaPipe, or treats the whole frame as one person; tracks them by their last boxes."""

    def __init__(self, weights: Path, person_detector: MediaPipePose | None) -> None:
        """Raises: MissingPackageError, MissingWeightsError."""
        self._path, self._person_detector = weights, person_detector
        self._session = _create_session(weights)
        self._input_height, self._input_width, self._num_points = _probe_shapes(self._session, weights)
        self.point_names = tuple(POINTS_PER_PERSON) if self._num_points == 133 else ("body",)

    def detect_people(self, frame: UInt8Array, index: int, tracked_boxes: Sequence[Box]) -> list[DetectedPose]:
        """Estimate tracked people from their last boxes; search for all people at intervals and when one is lost."""
        people = [person for box in tracked_boxes if (person := self._estimate_pose(frame, box)) is not None]
        if len(people) < max(len(tracked_boxes), 1) or index % SEARCH_INTERVAL == 0:
            boxes = self._search_boxes(frame)
            candidates = [person for box in boxes if (person := self._estimate_pose(frame, box)) is not None]
            people += [
                person for person in candidates if not any(_is_same_person(person.box, known.box) for known in people)
            ]
        return people

    def _search_boxes(self, frame: UInt8Array) -> list[Box]:
        """Boxes of the people on the frame; the whole frame without a person detector."""
        if self._person_detector is None:
            return [(0.0, 0.0, frame.shape[1] / JOINT_BOX_SCALE, frame.shape[0] / JOINT_BOX_SCALE)]
        return [person.box for person in self._person_detector.search(frame, ())]

    def _estimate_pose(self, frame: UInt8Array, box: Box) -> DetectedPose | None:
        matrix = crop_matrix(box, self._input_height, self._input_width)
        crop = cv2.warpAffine(frame, matrix, (self._input_width, self._input_height), flags=cv2.INTER_LINEAR)
        input_tensor = ((crop.astype(np.float32) - PIXEL_MEAN) / PIXEL_STD).transpose(2, 0, 1)[None]
        simcc_x, simcc_y = self._session.run(None, {self._session.get_inputs()[0].name: input_tensor})
        points = decode_simcc(simcc_x[0], simcc_y[0], self._input_height, self._input_width)
        inverse = cv2.invertAffineTransform(matrix)
        points[:, :2] = points[:, :2] @ inverse[:, :2].T + inverse[:, 2]
        person = DetectedPose(points_from_top_down(points))
        return person if person.score >= MIN_SCORE else None

    def reset(self) -> None:
        """Discard the history: the next frame begins a new shot."""
        if self._person_detector is not None:
            self._person_detector.reset()

    def close(self) -> None:
        """Release the session and the person detector."""
        if self._person_detector is not None:
            self._person_detector.close()
        self._session = None


def crop_matrix(box: Box, height: int, width: int) -> NDArray[np.float64]:
    """Affine matrix (2, 3) from pixels of the frame to the model's input (height, width); the padded box is centred."""
    x0, y0, x1, y1 = box
    scale = min(width / max(x1 - x0, 1.0), height / max(y1 - y0, 1.0)) / (BOX_PADDING * JOINT_BOX_SCALE)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return np.array([[scale, 0.0, width / 2 - scale * x], [0.0, scale, height / 2 - scale * y]])


def decode_simcc(simcc_x: NDArray[Any], simcc_y: NDArray[Any], height: int, width: int) -> FloatArray:
    """Decode distributions (k, bins) to points (k, 3) in pixels of the model's input.

    The position is the pair of peaks and the confidence the smaller of the two peak values.
    """
    bins_per_pixel = np.array([simcc_x.shape[1] / width, simcc_y.shape[1] / height])
    positions = np.stack([simcc_x.argmax(axis=1), simcc_y.argmax(axis=1)], axis=1) / bins_per_pixel
    confidences = np.minimum(simcc_x.max(axis=1), simcc_y.max(axis=1))
    points = np.column_stack([positions, np.clip(confidences, 0, 1)]).astype(np.float32)
    points[confidences <= 0] = np.nan
    return points


def _create_session(path: Path) -> Any:
    try:
        return create_onnx_session(path)
    except ImportError as error:
        message = f"pose.weights requires onnxruntime, which cannot be imported: {error}."
        raise MissingPackageError(message, 'pip install "vid2vid-cli[onnx]"') from error
    except ValueError as error:
        if not path.is_file():
            raise MissingWeightsError(f"pose.weights={path} does not exist.", WEIGHTS_HINT) from None
        message = f"pose.weights={path} cannot be loaded by onnxruntime: {error}"
        raise MissingWeightsError(message, WEIGHTS_HINT) from error


def _probe_shapes(session: Any, path: Path) -> tuple[int, int, int]:
    """Input height, input width and number of points of the model, from a run on a black image."""
    inputs = session.get_inputs()
    input_shape = list(inputs[0].shape)
    if (
        len(inputs) != 1
        or len(input_shape) != 4
        or input_shape[1] != 3
        or not all(isinstance(n, int) for n in input_shape[2:])
    ):
        raise MissingWeightsError(
            f"pose.weights={path} has the input shape {input_shape} instead of (1, 3, h, w).", WEIGHTS_HINT
        )
    height, width = int(input_shape[2]), int(input_shape[3])
    output_shapes = [
        output.shape for output in session.run(None, {inputs[0].name: np.zeros((1, 3, height, width), np.float32)})
    ]
    is_valid = (
        len(output_shapes) == 2
        and all(len(shape) == 3 for shape in output_shapes)
        and output_shapes[0][1] == output_shapes[1][1]
    )
    if (
        not is_valid
        or output_shapes[0][1] not in TOP_DOWN_POINT_COUNTS
        or output_shapes[0][2] < width
        or output_shapes[1][2] < height
    ):
        shapes_text = " and ".join(str(tuple(shape)) for shape in output_shapes)
        supported_counts = " or ".join(map(str, TOP_DOWN_POINT_COUNTS))
        message = (
            f"pose.weights={path} has outputs of shape {shapes_text} instead of two SimCC outputs for "
            f"{supported_counts} points."
        )
        raise MissingWeightsError(message, WEIGHTS_HINT)
    return height, width, int(output_shapes[0][1])


def _is_same_person(box_a: Box, box_b: Box) -> bool:
    """True if the centre of each box lies in the other."""
    return all(a[i] <= (b[i] + b[i + 2]) / 2 <= a[i + 2] for a, b in ((box_a, box_b), (box_b, box_a)) for i in (0, 1))
