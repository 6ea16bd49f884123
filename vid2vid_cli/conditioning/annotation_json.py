"""Annotations as JSON data, for the metadata of checkpoints."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.conditioner import Annotation


def annotation_to_json(annotation: Annotation) -> dict[str, Any]:
    """An annotation as JSON data."""
    return {
        "height": annotation.height,
        "width": annotation.width,
        "quality": annotation.quality,
        "points": {name: _array_to_json(points) for name, points in annotation.points.items()},
        "images": {name: _array_to_json(image) for name, image in annotation.images.items()},
    }


def annotation_from_json(data: Mapping[str, Any]) -> Annotation:
    """The inverse of `annotation_to_json`. Raises ValueError, KeyError or zlib.error for damaged data."""
    points = {name: _array_from_json(array_data) for name, array_data in data["points"].items()}
    images = {name: _array_from_json(array_data) for name, array_data in data["images"].items()}
    return Annotation(int(data["height"]), int(data["width"]), float(data["quality"]), points, images)


def _array_to_json(array: NDArray[Any]) -> dict[str, Any]:
    compressed_bytes = zlib.compress(np.ascontiguousarray(array).tobytes(), 9)
    return {
        "dtype": array.dtype.str,
        "shape": list(array.shape),
        "data": base64.b64encode(compressed_bytes).decode("ascii"),
    }


def _array_from_json(data: Mapping[str, Any]) -> NDArray[Any]:
    content = zlib.decompress(base64.b64decode(data["data"]))
    return np.frombuffer(content, np.dtype(data["dtype"])).reshape(data["shape"])
