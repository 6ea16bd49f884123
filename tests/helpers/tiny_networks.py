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

from vid2vid_cli.media.synthetic import drawn_clip

COLOURS = ((0.0, 0.0, 0.0), (1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0))
"""What `colour_network` knows: nothing in particular, red, green, blue."""


def colour_network(path: Path, side: int = 32, classes: int = 4, *, planes: int = 3) -> Path:
    """A TFLite network that calls a pixel 1 where it is red, 2 green, 3 blue, and otherwise 0: one convolution."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    weights = np.zeros((classes, 1, 1, planes), np.float32)
    bias = np.full(classes, -100, np.float32)
    for index, colour in enumerate(COLOURS[:classes]):
        weights[index, 0, 0, :3], bias[index] = np.multiply(colour, 10)[:planes], 10 if index == 0 else 0
    model = schema.ModelT()
    model.version, model.description = 3, "colours"
    shapes = [(1, side, side, planes), weights.shape, bias.shape, (1, side, side, classes)]
    model.buffers = [_buffer(schema, data) for data in (b"", b"", weights.tobytes(), bias.tobytes(), b"")]
    graph = schema.SubGraphT()
    names = ("picture", "weights", "bias", "scores")
    graph.tensors = [_tensor(schema, *item) for item in zip(names, shapes, (1, 2, 3, 4), strict=True)]
    graph.inputs, graph.outputs = [0], [3]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version = 1
    model.operatorCodes = [code]
    convolution = schema.OperatorT()
    convolution.inputs, convolution.outputs = [0, 1, 2], [3]
    convolution.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    convolution.builtinOptions = schema.Conv2DOptionsT()
    convolution.builtinOptions.strideH = convolution.builtinOptions.strideW = 1
    graph.operators = [convolution]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(builder.Output())
    return path


def _buffer(schema: Any, data: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8) if data else None
    return buffer


def _tensor(schema: Any, name: str, shape: Sequence[int], buffer: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
    tensor.type = schema.TensorType.FLOAT32
    return tensor


def person_network(path: Path, size: int = 64) -> Path:
    """A state dict of torchvision's mobilenet with `aux_classifier`, random but for the last layer.

    That is set so that, seen at `size`, a drawn head is a person and a grey frame is background.
    """
    path.write_bytes(_person_network(size))
    return path


@cache
def _person_network(size: int) -> bytes:
    import torch
    from vid2vid_segmentation.deeplab import DEVIATION, MEAN

    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    network = models.get_model(
        "deeplabv3_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=21, aux_loss=True
    ).eval()
    head = torch.nn.Sequential(*list(network.classifier)[:4])

    def features(frame: Any) -> torch.Tensor:
        scale = size / min(frame.shape[:2])
        small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = (torch.from_numpy(small).float() / 255 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
        result: torch.Tensor = head(network.backbone(picture.permute(2, 0, 1)[None])["out"])[0].flatten(1)
        return result

    with torch.no_grad():
        face, grey = features(drawn_clip(1)[0]), features(np.full((97, 61, 3), 128, np.uint8))
        direction = face.mean(1) - grey.mean(1)
        middle, low = (direction @ face).mean(), (direction @ grey).max()
        assert middle > low, "the drawn head cannot be told from grey: take another seed"
        last = network.classifier[4]
        last.weight.zero_()
        last.bias.fill_(-1e3)
        last.bias[0] = 0
        gain = 10 / (middle - low)
        last.weight[15, :, 0, 0], last.bias[15] = direction * gain, -gain * (middle + low) / 2
    file = BytesIO()
    torch.save(network.state_dict(), file)
    return file.getvalue()
