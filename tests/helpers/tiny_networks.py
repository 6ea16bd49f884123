"""Segmentation networks small enough for tests, made on the spot: one that knows colours, one of torchvision's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vid2vid_cli.media.synthetic import synthetic_clip

CLASS_COLOURS = ((0.0, 0.0, 0.0), (1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0))
"""What `colour_network` knows: nothing in particular, red, green, blue."""


def write_colour_network(path: Path, image_size: int = 32, num_classes: int = 4, *, num_channels: int = 3) -> Path:
    """A TFLite network that calls a pixel 1 where it is red, 2 green, 3 blue, and otherwise 0: one convolution."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    weights = np.zeros((num_classes, 1, 1, num_channels), np.float32)
    bias = np.full(num_classes, -100, np.float32)
    for index, colour in enumerate(CLASS_COLOURS[:num_classes]):
        weights[index, 0, 0, :3], bias[index] = np.multiply(colour, 10)[:num_channels], 10 if index == 0 else 0
    model = schema.ModelT()
    model.version, model.description = 3, "colours"
    shapes = [
        (1, image_size, image_size, num_channels),
        weights.shape,
        bias.shape,
        (1, image_size, image_size, num_classes),
    ]
    model.buffers = [_make_buffer(schema, data) for data in (b"", b"", weights.tobytes(), bias.tobytes(), b"")]
    subgraph = schema.SubGraphT()
    names = ("picture", "weights", "bias", "scores")
    subgraph.tensors = [_make_tensor(schema, *item) for item in zip(names, shapes, (1, 2, 3, 4), strict=True)]
    subgraph.inputs, subgraph.outputs = [0], [3]
    operator_code = schema.OperatorCodeT()
    operator_code.builtinCode = operator_code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    operator_code.version = 1
    model.operatorCodes = [operator_code]
    convolution = schema.OperatorT()
    convolution.inputs, convolution.outputs = [0, 1, 2], [3]
    convolution.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    convolution.builtinOptions = schema.Conv2DOptionsT()
    convolution.builtinOptions.strideH = convolution.builtinOptions.strideW = 1
    subgraph.operators = [convolution]
    model.subgraphs = [subgraph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(builder.Output())
    return path


def _make_buffer(schema: Any, data: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8) if data else None
    return buffer


def _make_tensor(schema: Any, name: str, shape: Sequence[int], buffer: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
    tensor.type = schema.TensorType.FLOAT32
    return tensor


def write_person_network(path: Path, size: int = 64) -> Path:
    """A state dict of torchvision's mobilenet with `aux_classifier`, random but for the last layer.

    That is set so that, seen at `size`, a drawn head is a person and a grey frame is background.
    """
    path.write_bytes(_person_network_bytes(size))
    return path


@cache
def _person_network_bytes(size: int) -> bytes:
    import torch
    from vid2vid_segmentation.deeplab import IMAGENET_MEAN, IMAGENET_STD

    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    network = models.get_model(
        "deeplabv3_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=21, aux_loss=True
    ).eval()
    head = torch.nn.Sequential(*list(network.classifier)[:4])

    def compute_features(frame: Any) -> torch.Tensor:
        scale = size / min(frame.shape[:2])
        small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image = (torch.from_numpy(small).float() / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
        result: torch.Tensor = head(network.backbone(image.permute(2, 0, 1)[None])["out"])[0].flatten(1)
        return result

    with torch.no_grad():
        face_features, grey_features = (
            compute_features(synthetic_clip(1)[0]),
            compute_features(np.full((97, 61, 3), 128, np.uint8)),
        )
        direction = face_features.mean(1) - grey_features.mean(1)
        face_level, grey_level = (direction @ face_features).mean(), (direction @ grey_features).max()
        assert face_level > grey_level, "the drawn head cannot be told from grey: take another seed"
        last_layer = network.classifier[4]
        last_layer.weight.zero_()
        last_layer.bias.fill_(-1e3)
        last_layer.bias[0] = 0
        gain = 10 / (face_level - grey_level)
        last_layer.weight[15, :, 0, 0], last_layer.bias[15] = direction * gain, -gain * (face_level + grey_level) / 2
    file = BytesIO()
    torch.save(network.state_dict(), file)
    return file.getvalue()
