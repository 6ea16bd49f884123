"""MediaPipe's iris network, run by LiteRT on an upright crop of each eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    FloatArray,
    MissingPackageError,
    UInt8Array,
    create_tflite_interpreter,
    load_bundled_weights,
)
from vid2vid_landmarks import IRIS_WEIGHTS
from vid2vid_landmarks.topology import EYES, NUM_IRIS_POINTS, EyeCorners

MODEL_PATH = Path(__file__).parent / "models" / IRIS_WEIGHTS.name
INSTALL_HINT = 'pip install "vid2vid-cli[landmarks]". Or turn it off: --conditioner-option landmarks.iris=false'
INPUT_SIZE = 64
"""Side of the network's input in pixels."""
CROP_SCALE = 2.3
"""Side of the crop in multiples of the eye's width, the distance of its corners; as in MediaPipe."""
CONTOUR_GAPS = ((3, 11), (4, 12), (5, 13))
"""Points of the lower and the upper lid in the middle of the network's contour."""
MIN_OPENING = 0.12
"""Opening of the lids in eye widths below which an eye counts as closed. On 19 frames of two people, closed eyes had at
most 0.10, half closed ones at least 0.16."""
MAX_OFFSET = 0.6
"""Largest plausible distance of an iris from the middle of the eye, in eye widths."""
MIN_EYE_WIDTH_PX = 6.0
"""Smallest width of an eye in which an iris is searched."""

Float64Array = NDArray[np.float64]


class IrisNetwork:
    """The network, on one thread: `prepare` runs one detector per core."""

    def __init__(self) -> None:
        """Raises: MissingPackageError, MissingWeightsError."""
        model = load_bundled_weights(MODEL_PATH, IRIS_WEIGHTS, "iris model")
        try:
            self._interpreter: Any = create_tflite_interpreter(model)
        except ImportError as error:
            message = f"landmarks detects irises with ai-edge-litert, which cannot be imported: {error}."
            raise MissingPackageError(message, INSTALL_HINT) from error
        self._input_index = self._interpreter.get_input_details()[0]["index"]
        self._output_indices = {d["name"]: d["index"] for d in self._interpreter.get_output_details()}

    def detect(self, frame: UInt8Array, points: FloatArray) -> FloatArray:
        """The irises (2 * NUM_IRIS_POINTS, 2) of a face (68, 2), in pixels of the frame: of the left and the right eye.

        NaN for an eye that is closed, too small, or has no iris at a plausible place.
        """
        return np.concatenate([self._detect_one(frame, points.astype(np.float64), eye) for eye in EYES])

    def _detect_one(self, frame: UInt8Array, points: Float64Array, eye: EyeCorners) -> FloatArray:
        undetected = np.full((NUM_IRIS_POINTS, 2), np.nan, dtype=np.float32)
        outer, inner = points[eye.outer], points[eye.inner]
        width = float(np.linalg.norm(inner - outer))
        if not width >= MIN_EYE_WIDTH_PX:
            return undetected
        # In the network's input the outer corner is on the left, so that the right eye is mirrored.
        right = (inner - outer) / width
        down = np.array([-right[1], right[0]]) * (1 if eye is EYES[0] else -1)
        linear = np.stack([right, down]) * (INPUT_SIZE / (CROP_SCALE * width))
        middle = (outer + inner) / 2
        matrix = np.column_stack([linear, (INPUT_SIZE - 1) / 2 - linear @ middle])
        crop = cv2.warpAffine(frame, matrix, (INPUT_SIZE, INPUT_SIZE), borderMode=cv2.BORDER_REPLICATE)
        self._interpreter.set_tensor(self._input_index, (crop * np.float32(1 / 255))[None])
        self._interpreter.invoke()
        lower, upper = self._output("output_eyes_contours_and_brows")[np.array(CONTOUR_GAPS).T, 1]
        if (lower - upper).mean() < MIN_OPENING * INPUT_SIZE / CROP_SCALE:
            return undetected
        # The network's positions are relative to the edge of its input; in `matrix` integers are pixel centres.
        iris = (self._output("output_iris") - 0.5 - matrix[:, 2]) @ np.linalg.inv(linear).T
        is_plausible = float(np.linalg.norm(iris[0] - middle)) <= MAX_OFFSET * width
        return iris.astype(np.float32) if is_plausible else undetected

    def _output(self, name: str) -> Float64Array:
        """Positions (n, 2) in pixels of the input."""
        values: NDArray[Any] = self._interpreter.get_tensor(self._output_indices[name])
        return values.reshape(-1, 3)[:, :2].astype(np.float64)

    def close(self) -> None:
        """Release the network."""
        self._interpreter = None
