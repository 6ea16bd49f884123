"""A TFLite file as backend: TensorFlow's DeepLabv3, or any network that gives scores for every pixel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, Floats, MissingPackageError, MissingWeightsError, quietly
from vid2vid_segmentation import INSTALL
from vid2vid_segmentation.backend import Look, Looks, Segmenter, resized
from vid2vid_segmentation.tiling import canvas

NOISE = (b"XNNPACK delegate",)
THREADS = 4


class LiteSegmenter(Segmenter):
    """Runs the file over overlapping windows of its own input size.

    Frames are brought to [-1, 1], as DeepLabv3 was trained; quantised inputs by their own scale.
    """

    def __init__(self, path: Path, classes: int, tiles: int) -> None:
        self.ids = tuple(range(classes))
        self._tiles = tiles
        self._interpreter = _interpreter(path)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        _check(path, self._input, self._output, classes)
        self._window = int(self._input["shape"][1]), int(self._input["shape"][2])

    def look(self, frames: Sequence[Bytes]) -> list[Looks]:
        """One run of the network for each window of each frame."""
        return [self._look(frame) for frame in frames]

    def _look(self, frame: Bytes) -> Looks:
        height, width = self._window
        plan = canvas((frame.shape[0], frame.shape[1]), self._window, self._tiles)
        picture = resized(frame, plan.height, plan.width)
        parts = [
            Look(top, left, self._run(picture[top : top + height, left : left + width]))
            for top in plan.tops
            for left in plan.lefts
        ]
        return Looks(plan.height, plan.width, tuple(parts))

    def _run(self, picture: NDArray[Any]) -> Floats:
        """Scores (classes, h, w) of one window."""
        self._interpreter.set_tensor(self._input["index"], _tensor(picture, self._input)[None])
        self._interpreter.invoke()
        given: NDArray[Any] = self._interpreter.get_tensor(self._output["index"])[0]
        scale, zero = self._output["quantization"]
        scores = given if given.dtype == np.float32 else (given.astype(np.float32) - zero) * (scale or 1.0)
        if scores.shape[:2] != self._window:
            scores = np.stack([resized(plane, *self._window) for plane in scores.transpose(2, 0, 1)], axis=2)
        planes: Floats = scores.transpose(2, 0, 1)
        return planes

    def close(self) -> None:
        """Free the network."""
        self._interpreter = None


def _tensor(picture: NDArray[Any], details: dict[str, Any]) -> NDArray[Any]:
    kind = details["dtype"]
    if kind == np.uint8:
        return picture
    signed: NDArray[Any] = picture.astype(np.float32) * np.float32(1 / 127.5) - np.float32(1)
    if kind == np.float32:
        return signed
    scale, zero = details["quantization"]
    limits = np.iinfo(kind)
    coded: NDArray[Any] = np.clip(np.rint(signed / (scale or 1 / 128) + zero), limits.min, limits.max).astype(kind)
    return coded


def _interpreter(path: Path) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingPackageError(
            f"segmentation reads {path.name} with ai-edge-litert, which cannot be imported: {error}.", INSTALL
        ) from error
    try:
        with quietly(NOISE):
            interpreter = Interpreter(model_path=str(path), num_threads=min(os.cpu_count() or 1, THREADS))
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise MissingWeightsError(
            f"{path} is not a TFLite network that runs here: {reason}",
            "Give a .tflite file of a segmentation network, such as TensorFlow's deeplabv3_257_mv_gpu.tflite.",
        ) from error
    return interpreter


def _check(path: Path, given: dict[str, Any], result: dict[str, Any], classes: int) -> None:
    """Raise MissingWeightsError where the network does not take a picture or does not give scores for its pixels."""
    taken, shape = tuple(map(int, given["shape"])), tuple(map(int, result["shape"]))
    if len(taken) != 4 or taken[0] != 1 or taken[3] != 3 or len(shape) != 4 or shape[3] < 2:
        raise MissingWeightsError(
            f"{path} does not tell classes apart: it makes {shape} of {taken}, not (1, height, width, classes) of "
            "(1, height, width, 3).",
            "Give a DeepLabv3 TFLite file, such as TensorFlow's deeplabv3_257_mv_gpu.tflite; or, for a mask of a "
            "person, --option segmentation.backend=person, which needs no file.",
        )
    if shape[3] != classes:
        raise MissingWeightsError(
            f"{path} knows {shape[3]} classes, and segmentation.classes is {classes}.",
            f"--option segmentation.classes={shape[3]}",
        )
