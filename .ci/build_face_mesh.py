"""Builds plugins/vid2vid_landmarks/models/face_mesh_478.task from the models in a wheel of mediapipe 0.10.14.

    pip download --no-deps mediapipe==0.10.14
    python .ci/build_face_mesh.py mediapipe-0.10.14-*.whl face_mesh_478.task

The Tasks API expects one tensor of 478 points and the normalisation of the input as metadata. The attention mesh, which
refines lips and eyes, has six tensors: two operations are appended that concatenate them and gather the 478 points, as
`LandmarksRefinementCalculator` does. Needs ai-edge-litert and mediapipe (the schemas) and flatbuffers.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tflite
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata
from numpy.typing import NDArray

DETECTOR = "mediapipe/modules/face_detection/face_detection_short_range.tflite"
MESH = "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite"
NUM_MESH_POINTS, NUM_POINTS = 468, 478
# Points of the mesh that each output replaces, from MediaPipe's tensors_to_face_landmarks_graph.cc.
LIPS = [
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415,
    76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408,
    62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407,
]  # fmt: skip
LEFT_EYE = [
    33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173, 130, 25, 110, 24, 23, 22, 26, 112,
    243, 247, 30, 29, 27, 28, 56, 190, 226, 31, 228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223, 222, 221, 189,
    35, 124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120, 121, 128, 245, 156, 70, 63, 105, 66, 107, 55, 193,
]  # fmt: skip
RIGHT_EYE = [
    263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398, 359, 255, 339, 254, 253, 252, 256,
    341, 463, 467, 260, 259, 257, 258, 286, 414, 446, 261, 448, 449, 450, 451, 452, 453, 464, 342, 445, 444, 443, 442,
    441, 413, 265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349, 350, 357, 465, 383, 300, 293, 334, 296, 336,
    285, 417,
]  # fmt: skip
REFINED_OUTPUTS = {
    b"output_lips": LIPS,
    b"output_left_eye": LEFT_EYE,
    b"output_right_eye": RIGHT_EYE,
    b"output_left_iris": list(range(468, 473)),
    b"output_right_iris": list(range(473, 478)),
}
OUTER_EYE_CORNERS = (33, 263)  # the irises have no depth: they take that of these points


def point_indices() -> tuple[NDArray[np.int32], int]:
    """The positions (478 * 3) of the points' coordinates among all outputs, and the number of these."""
    indices = np.empty((NUM_POINTS, 3), np.int32)
    indices[:NUM_MESH_POINTS] = np.arange(3 * NUM_MESH_POINTS).reshape(-1, 3)
    offset = 3 * NUM_MESH_POINTS
    for points in REFINED_OUTPUTS.values():
        indices[points, :2] = offset + np.arange(2 * len(points)).reshape(-1, 2)
        offset += 2 * len(points)
    for corner, first in zip(OUTER_EYE_CORNERS, (NUM_MESH_POINTS, NUM_MESH_POINTS + 5), strict=True):
        indices[first : first + 5, 2] = 3 * corner + 2
    return indices.ravel(), offset


def input_metadata() -> bytes:
    """Metadata of a model whose input is RGB in [0, 1]."""
    unit = metadata.ProcessUnitT()
    unit.optionsType = metadata.ProcessUnitOptions.NormalizationOptions
    unit.options = metadata.NormalizationOptionsT()
    unit.options.mean, unit.options.std = np.float32([0]), np.float32([255])
    tensor, subgraph, model = metadata.TensorMetadataT(), metadata.SubGraphMetadataT(), metadata.ModelMetadataT()
    tensor.name, tensor.processUnits = b"image", [unit]
    subgraph.inputTensorMetadata = [tensor]
    model.name, model.subgraphMetadata = b"Face landmarks with attention", [subgraph]
    return pack(model, b"M001")


def pack(table: Any, identifier: bytes) -> bytes:
    """Serialise a flatbuffer."""
    builder = flatbuffers.Builder(1 << 22)
    builder.Finish(table.Pack(builder), identifier)
    return bytes(builder.Output())


class ModelEditor:
    """Appends buffers, tensors and operations to a model."""

    def __init__(self, data: bytes) -> None:
        self.model = tflite.ModelT.InitFromPackedBuf(data, 0)
        self.graph = self.model.subgraphs[0]
        self.outputs = {self.graph.tensors[index].name: index for index in self.graph.outputs}

    def add_buffer(self, data: bytes) -> int:
        """The index of a new buffer."""
        buffer = tflite.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def add_tensor(self, name: bytes, shape: tuple[int, ...], kind: int, buffer: int = 0) -> int:
        """The index of a new tensor; buffer 0 is empty."""
        tensor = tflite.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, np.int32(shape), kind, buffer
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def add_operation(self, name: str, inputs: list[int], output: int, options: Any) -> None:
        """Append an operation whose options are `options`."""
        code, operation = tflite.OperatorCodeT(), tflite.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(tflite.BuiltinOperator, name)
        code.version = 1
        self.model.operatorCodes.append(code)
        operation.opcodeIndex = len(self.model.operatorCodes) - 1
        operation.inputs, operation.outputs = np.int32(inputs), np.int32([output])
        operation.builtinOptionsType = getattr(tflite.BuiltinOptions, type(options).__name__.removesuffix("T"))
        operation.builtinOptions = options
        self.graph.operators.append(operation)


def join_outputs(data: bytes) -> bytes:
    """The attention mesh with one output of 478 points, and the presence of a face."""
    editor = ModelEditor(data)
    indices, num_values = point_indices()
    kinds = tflite.TensorType
    joined = editor.add_tensor(b"all_points", (1, 1, 1, num_values), kinds.FLOAT32)
    order = editor.add_tensor(b"point_indices", (len(indices),), kinds.INT32, editor.add_buffer(indices.tobytes()))
    points = editor.add_tensor(b"landmarks478", (1, 1, 1, len(indices)), kinds.FLOAT32)
    concatenation, gather = tflite.ConcatenationOptionsT(), tflite.GatherOptionsT()
    concatenation.axis = gather.axis = 3
    sources = [editor.outputs[name] for name in (b"output_mesh_identity", *REFINED_OUTPUTS)]
    editor.add_operation("CONCATENATION", sources, joined, concatenation)
    editor.add_operation("GATHER", [joined, order], points, gather)
    editor.graph.outputs = np.int32([points, editor.outputs[b"conv_faceflag"]])
    entry = tflite.MetadataT()
    entry.name, entry.buffer = b"TFLITE_METADATA", editor.add_buffer(input_metadata())
    editor.model.metadata = [entry]
    return pack(editor.model, b"TFL3")


def main() -> None:
    """Read the wheel, write the bundle; the same wheel gives the same bytes."""
    wheel, target = sys.argv[1:]
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(Path(target), "w", zipfile.ZIP_STORED) as bundle:
        files = {
            "face_detector.tflite": source.read(DETECTOR),
            "face_landmarks_detector.tflite": join_outputs(source.read(MESH)),
        }
        for name, content in files.items():
            bundle.writestr(zipfile.ZipInfo(name), content)


if __name__ == "__main__":
    main()
