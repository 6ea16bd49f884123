"""Runs a network with onnxruntime: frame in, map out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    MissingPackageError,
    MissingWeightsError,
    UInt8Array,
    create_onnx_session,
    expand_home,
    fetch_weight_file,
    torch_cache_dir,
)
from vid2vid_onnx import INSTALL_COMMAND, PUBLISHED_WEIGHTS
from vid2vid_onnx.description import NetworkDescription
from vid2vid_onnx.options import NUM_CHANNELS, MapKind

MODEL_HINT = "Set --conditioner-option onnx.model=FILE.onnx, a network with one image as its input."
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class MapNetwork:
    """A network with one image input, and the description of its input and output."""

    def __init__(self, path: Path, description: NetworkDescription, kind: MapKind, num_classes: int) -> None:
        """Raises: MissingPackageError, MissingWeightsError (not a network, or an unknown layout)."""
        self._path, self._description, self._kind = path, description, kind
        self._num_channels = num_classes if kind == "labels" else NUM_CHANNELS[kind]
        self._session = _create_session(path)
        self._input = self._session.get_inputs()[0]
        self._is_channels_last, self._fixed_size = self._read_input_layout()
        self.notices: list[str] = []
        """Sentences on what is assumed; filled by the first call."""
        self._output_index: int | None = None

    def __call__(self, frame: UInt8Array) -> NDArray[Any]:
        """(h, w, 3) uint8 -> the output (h', w', c): float32, or class ids (h', w', 1) of integers."""
        outputs = self._session.run(None, {self._input.name: self._to_input(frame)})
        if self._output_index is None:
            self._output_index = self._choose_output(outputs)
        output = self._to_map(outputs[self._output_index])
        assert output is not None
        return output if output.dtype.kind in "iu" else output.astype(np.float32)

    def _read_input_layout(self) -> tuple[bool, tuple[int, int] | None]:
        """Whether the channels are last, and the size (height, width) if it is fixed."""
        inputs, shape = self._session.get_inputs(), list(self._input.shape)
        if len(inputs) == 1 and len(shape) == 4 and self._input.type in _DTYPES and 3 in (shape[1], shape[3]):
            is_channels_last = shape[1] != 3
            sides = shape[1:3] if is_channels_last else shape[2:4]
            if all(isinstance(side, int) for side in sides):
                return is_channels_last, (sides[0], sides[1])
            return is_channels_last, None
        raise self._layout_error("needs one input of shape (1, 3, h, w) or (1, h, w, 3)")

    def _layout_error(self, requirement: str, outputs: Sequence[NDArray[Any]] = ()) -> MissingWeightsError:
        """An error with the shapes that were found."""
        inputs_text = " and ".join(f"{item.name} {_shape_text(item.shape)}" for item in self._session.get_inputs())
        shapes = [array.shape for array in outputs] or [item.shape for item in self._session.get_outputs()]
        names = [item.name for item in self._session.get_outputs()]
        outputs_text = " and ".join(f"{name} {_shape_text(shape)}" for name, shape in zip(names, shapes, strict=True))
        return MissingWeightsError(
            f"onnx.kind={self._kind} {requirement}; {self._path.name} has the input {inputs_text} and the output "
            f"{outputs_text}.",
            f"Set another onnx.kind, onnx.num_classes, or `output` in {self._path.with_suffix('.json').name}.",
        )

    def _input_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the input for a frame of this size."""
        if self._fixed_size is not None:
            return self._fixed_size
        size, multiple = self._description.size, self._description.multiple
        scale = size / min(height, width)
        sides = [max(1, round(side * scale / multiple)) * multiple for side in (height, width)]
        return sides[0], sides[1]

    def _to_input(self, frame: UInt8Array) -> NDArray[Any]:
        """Resize and normalise a frame."""
        description = self._description
        height, width = self._input_size(*frame.shape[:2])
        is_smaller = height * width < frame.shape[0] * frame.shape[1]
        image = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR)
        if description.order == "bgr":
            image = image[:, :, ::-1]
        dtype = _DTYPES[self._input.type]
        if dtype is not np.uint8:
            mean, std = np.array(description.mean, np.float32), np.array(description.std, np.float32)
            image = ((image.astype(np.float32) * np.float32(description.scale) - mean) / std).astype(dtype)
        batch = image[None] if self._is_channels_last else image.transpose(2, 0, 1)[None]
        return np.ascontiguousarray(batch)

    def _choose_output(self, outputs: Sequence[NDArray[Any]]) -> int:
        """The index of the output to use; edge networks return the fused map last, after those of each scale."""
        names = [item.name for item in self._session.get_outputs()]
        name = self._description.output
        if name and name not in names:
            raise self._layout_error(f"needs the output {name!r} that the JSON file names", outputs)
        fitting = [index for index, output in enumerate(outputs) if self._to_map(output) is not None]
        if name:
            fitting = [index for index in fitting if names[index] == name]
        if not fitting:
            channels = {1: "one channel", 3: "three channels"}.get(self._num_channels, f"{self._num_channels} channels")
            raise self._layout_error(f"needs an output with {channels}", outputs)
        index = fitting[-1] if self._kind in ("edges", "lineart") else fitting[0]
        if len(fitting) > 1:
            self.notices.append(f"{len(fitting)} outputs of {self._path.name} fit; {names[index]} is used.")
        return index

    def _to_map(self, output: NDArray[Any]) -> NDArray[Any] | None:
        """(h, w, c) of an output of any layout; None if it has another number of channels."""
        while output.ndim > 3 or (output.ndim == 3 and output.shape[0] == 1 and min(output.shape[1:]) > 1):
            if output.shape[0] != 1:
                return None
            output = output[0]
        is_id_map = self._kind == "labels" and output.dtype.kind in "iu"
        if output.ndim == 2 and (self._num_channels == 1 or is_id_map):
            return output[:, :, None]
        if output.ndim != 3:
            return None
        for channels in (self._num_channels, 1) if is_id_map else (self._num_channels,):
            if output.shape[0] == channels:
                return output.transpose(1, 2, 0)
            if output.shape[2] == channels:
                return output
        return None


def find_model(path: Path | None) -> Path:
    """Return the file of `onnx.model`; a published network is searched in torch's cache, and downloaded.

    Raises: MissingWeightsError (no model is set, it does not exist, or a published one is damaged).
    """
    if path is None:
        published = " or ".join(file.name for file in PUBLISHED_WEIGHTS)
        raise MissingWeightsError("onnx.model is not set.", f"{MODEL_HINT} Published networks: {published}.")
    if (located := locate_model(path)) is not None:
        return located
    for file in PUBLISHED_WEIGHTS:
        if file.name == str(path):
            return fetch_weight_file(file)
    raise MissingWeightsError(f"onnx.model={path} does not exist.", MODEL_HINT)


def locate_model(path: Path) -> Path | None:
    """Return the file at `path`, or the file of this name in torch's cache, as paths differ between machines."""
    candidates = (expand_home(path), torch_cache_dir() / path.name)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _shape_text(shape: Sequence[int | str | None]) -> str:
    return f"({', '.join('?' if side is None else str(side) for side in shape)})"


def _create_session(path: Path) -> Any:
    try:
        return create_onnx_session(path)
    except ImportError as error:
        raise MissingPackageError(
            f"The conditioner onnx requires onnxruntime, which cannot be imported: {error}.", INSTALL_COMMAND
        ) from error
    except ValueError as error:
        raise MissingWeightsError(f"onnx.model={path} cannot be loaded by onnxruntime: {error}", MODEL_HINT) from error
