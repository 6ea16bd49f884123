"""MediaPipe's hand landmark network, run by LiteRT on upright square crops of single hands."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    MissingPackageError,
    MissingWeightsError,
    UInt8Array,
    create_tflite_interpreter,
    load_bundled_weights,
)
from vid2vid_pose import HAND_WEIGHTS
from vid2vid_pose.topology import NUM_HAND_POINTS

MODEL_PATH = Path(__file__).parent / "models" / HAND_WEIGHTS.name
INPUT_SIZE = 224
"""Side of the network's input in pixels."""
OUTPUT_SIZES = (3 * NUM_HAND_POINTS, 1, 1)
"""Sizes of the outputs that are used: points (x, y, z) in pixels of the input, presence, handedness."""
INSTALL_COMMAND = 'pip install "vid2vid-cli[pose]"'
MODEL_HINT = "Set MediaPipe's hand_landmarker.task: --conditioner-option pose.hands_model=FILE."

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class HandSquare:
    """A square around a hand on the frame, in pixels; `up` (2,) is the unit vector that points to the fingers."""

    centre: Float64Array
    up: Float64Array
    side: float
    is_left: bool

    def to_input(self) -> Float64Array:
        """Affine matrix (2, 3) from pixels of the frame to the network's input, in which the fingers point up.

        Left hands are mirrored, so that a mirrored frame gives mirrored points.
        """
        right = np.array([-self.up[1], self.up[0]]) * (-1 if self.is_left else 1)
        rotation = np.stack([right, -self.up]) * (INPUT_SIZE / self.side)
        return np.column_stack([rotation, INPUT_SIZE / 2 - rotation @ self.centre])


@dataclass(frozen=True)
class MeasuredHand:
    """Output of the network: positions (21, 2) in pixels of the frame, and two probabilities."""

    positions: Float64Array
    presence: float
    """Probability that the square shows a hand."""
    side_prob: float
    """Probability that the hand is of the square's side."""


class HandNetwork:
    """The network, on one thread: `prepare` runs one detector per core."""

    def __init__(self, hands_model: Path | None = None) -> None:
        """`hands_model`: a hand_landmarker.task, or the .tflite in it, instead of the bundled network.

        Raises: MissingPackageError, MissingWeightsError.
        """
        self._interpreter = _create_interpreter(hands_model)
        self._input_index = self._interpreter.get_input_details()[0]["index"]
        self._output_indices = [details["index"] for details in self._interpreter.get_output_details()[:3]]

    def measure(self, frame: UInt8Array, square: HandSquare) -> MeasuredHand:
        """Locate the points of the hand in the square."""
        matrix = square.to_input()
        crop = cv2.warpAffine(frame, matrix, (INPUT_SIZE, INPUT_SIZE), flags=cv2.INTER_LINEAR)
        self._interpreter.set_tensor(self._input_index, (crop * np.float32(1 / 255))[None])
        self._interpreter.invoke()
        points, presence, side_prob = (self._interpreter.get_tensor(index).ravel() for index in self._output_indices)
        inverse = cv2.invertAffineTransform(matrix)
        positions = points.reshape(NUM_HAND_POINTS, 3)[:, :2] @ inverse[:, :2].T + inverse[:, 2]
        return MeasuredHand(positions.astype(np.float64), float(presence[0]), float(side_prob[0]))

    def close(self) -> None:
        """Release the network."""
        self._interpreter = None


def _read_model(hands_model: Path | None) -> bytes:
    """The TFLite network; from a .task file, which is a zip archive, its hand_landmarks_detector.tflite."""
    if hands_model is None:
        return load_bundled_weights(MODEL_PATH, HAND_WEIGHTS, "hand model")
    try:
        data = hands_model.read_bytes()
    except OSError as error:
        message = f"pose.hands_model={hands_model} cannot be read: {error.strerror}."
        raise MissingWeightsError(message, MODEL_HINT) from error
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return archive.read(HAND_WEIGHTS.name)
    except zipfile.BadZipFile:
        return data
    except KeyError as error:
        message = f"{hands_model} is not MediaPipe's hand model: it does not contain {HAND_WEIGHTS.name}."
        raise MissingWeightsError(message, MODEL_HINT) from error


def _create_interpreter(hands_model: Path | None) -> Any:
    data = _read_model(hands_model)
    location = hands_model or MODEL_PATH.name
    try:
        interpreter = create_tflite_interpreter(data)
    except ImportError as error:
        message = f"pose detects hands with ai-edge-litert, which cannot be imported: {error}."
        hint = f"{INSTALL_COMMAND}. Or prepare without hands: --conditioner-option pose.hands=false"
        raise MissingPackageError(message, hint) from error
    except ValueError as error:
        raise MissingWeightsError(f"{location} is not MediaPipe's hand model: {error}", MODEL_HINT) from error
    input_shape = tuple(map(int, interpreter.get_input_details()[0]["shape"]))
    output_sizes = tuple(int(np.prod(details["shape"])) for details in interpreter.get_output_details()[:3])
    if input_shape != (1, INPUT_SIZE, INPUT_SIZE, 3) or output_sizes != OUTPUT_SIZES:
        message = (
            f"{location} is not MediaPipe's hand model: it maps {input_shape} to outputs of {output_sizes} numbers "
            f"instead of (1, {INPUT_SIZE}, {INPUT_SIZE}, 3) to {OUTPUT_SIZES}."
        )
        raise MissingWeightsError(message, MODEL_HINT)
    return interpreter
