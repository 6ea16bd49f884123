"""TFLite files as a backend: TensorFlow's DeepLabv3, or any network with class scores per pixel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    FloatArray,
    MissingPackageError,
    MissingWeightsError,
    UInt8Array,
    create_tflite_interpreter,
)
from vid2vid_segmentation import INSTALL_COMMAND
from vid2vid_segmentation.backend import Segmenter, TiledScores, TileScores, resize
from vid2vid_segmentation.tiling import make_tile_grid

MAX_THREADS = 4


class TFLiteSegmenter(Segmenter):
    """Runs the network on overlapping tiles of its input size.

    Frames are scaled to [-1, 1], as in the training of DeepLabv3; quantised inputs use their own scale.
    """

    def __init__(self, path: Path, num_classes: int, num_tiles: int) -> None:
        self.class_ids = tuple(range(num_classes))
        self._num_tiles = num_tiles
        self._interpreter = _create_interpreter(path)
        self._input_details = self._interpreter.get_input_details()[0]
        self._output_details = self._interpreter.get_output_details()[0]
        _check_network(path, self._input_details, self._output_details, num_classes)
        self._tile_size = int(self._input_details["shape"][1]), int(self._input_details["shape"][2])

    def predict(self, frames: Sequence[UInt8Array]) -> list[TiledScores]:
        """Run the network once for each tile of each frame."""
        return [self._predict_frame(frame) for frame in frames]

    def _predict_frame(self, frame: UInt8Array) -> TiledScores:
        height, width = self._tile_size
        grid = make_tile_grid((frame.shape[0], frame.shape[1]), self._tile_size, self._num_tiles)
        image = resize(frame, grid.height, grid.width)
        tiles = [
            TileScores(top, left, self._predict_tile(image[top : top + height, left : left + width]))
            for top in grid.tops
            for left in grid.lefts
        ]
        return TiledScores(grid.height, grid.width, tuple(tiles))

    def _predict_tile(self, image: NDArray[Any]) -> FloatArray:
        """Return the scores (classes, h, w) of one tile."""
        self._interpreter.set_tensor(self._input_details["index"], _to_input_tensor(image, self._input_details)[None])
        self._interpreter.invoke()
        output: NDArray[Any] = self._interpreter.get_tensor(self._output_details["index"])[0]
        scale, zero_point = self._output_details["quantization"]
        scores = output if output.dtype == np.float32 else (output.astype(np.float32) - zero_point) * (scale or 1.0)
        if scores.shape[:2] != self._tile_size:
            scores = np.stack([resize(score_map, *self._tile_size) for score_map in scores.transpose(2, 0, 1)], axis=2)
        class_scores: FloatArray = scores.transpose(2, 0, 1)
        return class_scores

    def close(self) -> None:
        """Release the network."""
        self._interpreter = None


def _to_input_tensor(image: NDArray[Any], details: dict[str, Any]) -> NDArray[Any]:
    dtype = details["dtype"]
    if dtype == np.uint8:
        return image
    normalised: NDArray[Any] = image.astype(np.float32) * np.float32(1 / 127.5) - np.float32(1)
    if dtype == np.float32:
        return normalised
    scale, zero_point = details["quantization"]
    dtype_limits = np.iinfo(dtype)
    quantised: NDArray[Any] = np.clip(
        np.rint(normalised / (scale or 1 / 128) + zero_point), dtype_limits.min, dtype_limits.max
    ).astype(dtype)
    return quantised


def _create_interpreter(path: Path) -> Any:
    try:
        return create_tflite_interpreter(path.read_bytes(), num_threads=min(os.cpu_count() or 1, MAX_THREADS))
    except ImportError as error:
        raise MissingPackageError(
            f"segmentation reads {path.name} with ai-edge-litert, which cannot be imported: {error}.", INSTALL_COMMAND
        ) from error
    except (ValueError, OSError) as error:
        raise MissingWeightsError(
            f"{path} cannot be loaded as a TFLite network: {error}",
            "Use a .tflite file of a segmentation network, such as TensorFlow's deeplabv3_257_mv_gpu.tflite.",
        ) from error


def _check_network(path: Path, input_details: dict[str, Any], output_details: dict[str, Any], num_classes: int) -> None:
    """Raise MissingWeightsError unless the network maps an RGB image to scores of `num_classes` classes."""
    input_shape, output_shape = tuple(map(int, input_details["shape"])), tuple(map(int, output_details["shape"]))
    if (
        len(input_shape) != 4
        or input_shape[0] != 1
        or input_shape[3] != 3
        or len(output_shape) != 4
        or output_shape[3] < 2
    ):
        raise MissingWeightsError(
            f"{path} is not a segmentation network: it maps {input_shape} to {output_shape} instead of "
            "(1, height, width, 3) to (1, height, width, classes).",
            "Use a DeepLabv3 TFLite file, such as TensorFlow's deeplabv3_257_mv_gpu.tflite. For a mask of a person, "
            "--conditioner-option segmentation.backend=selfie needs no file.",
        )
    if output_shape[3] != num_classes:
        raise MissingWeightsError(
            f"{path} has {output_shape[3]} classes, but segmentation.num_classes is {num_classes}.",
            f"--conditioner-option segmentation.num_classes={output_shape[3]}",
        )
