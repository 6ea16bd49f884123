"""Options of the conditioner `onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from vid2vid_cli.conditioning import Options

MapKind = Literal["depth", "normal", "lineart", "edges", "labels", "rgb"]
NUM_CHANNELS: dict[MapKind, int] = {"depth": 1, "normal": 3, "lineart": 1, "edges": 1, "rgb": 3}
"""Channels of the kinds other than labels."""


class OnnxOptions(Options):
    """Options of the conditioner `onnx`."""

    model: Path | None = Field(
        None,
        description="The network: an ONNX file with one image as its input, or depth-anything-v2-small.onnx or "
        "midas-v2.1-small.onnx, which are downloaded once. A JSON file of the same name beside it describes its input "
        "and output (docs/conditioners.md).",
    )
    kind: MapKind = Field(
        "depth",
        description="What the network computes. depth: relative, scaled to the range of the last frames; normal: x, y, "
        "z; lineart, edges: one channel; labels: a score per class, or class ids; rgb: an image.",
    )
    num_classes: int = Field(
        2, ge=2, le=255, description="Number of classes, for kind=labels; each has a channel of the condition."
    )
    size: int | None = Field(
        None,
        ge=16,
        le=4096,
        description="Shorter side of the network's input in pixels, for networks that accept any size; null: that of "
        "the JSON file or the published network, otherwise 384.",
    )
    smoothing: float = Field(
        0.6,
        ge=0,
        lt=1,
        description="Weight of past frames where the picture does not change; 0: none. Class ids are not smoothed.",
    )
