"""Checks of what plugins return. Each function returns what is wrong, in a few words, or "" if nothing is."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner, LabelClass, SubjectImage
from vid2vid_cli.conditioning.options import Options
from vid2vid_cli.conditioning.spec import NAME_PATTERN
from vid2vid_cli.core.geometry import View

RESERVED_POINT_NAMES = ("quality", "file")
"""Names that the file of the points needs itself."""
MAX_CLASS_ID = 65535
VALUE_TOLERANCE = 1e-5
"""Rounding errors of condition values."""


def class_problem(conditioner_class: object, name: str) -> str:
    """Whether it can be used as the class of the conditioner `name`."""
    if not (isinstance(conditioner_class, type) and issubclass(conditioner_class, Conditioner)):
        return "it is not a Conditioner"
    if inspect.isabstract(conditioner_class):
        return f"it does not define {', '.join(sorted(conditioner_class.__abstractmethods__))}"
    if getattr(getattr(conditioner_class, "spec", None), "name", None) != name:
        return f"its attribute `spec` is not the spec of {name}"
    if not (isinstance(conditioner_class.Options, type) and issubclass(conditioner_class.Options, Options)):
        return "its attribute `Options` is not a class of options"
    return ""


def annotation_problem(annotation: object, size: tuple[int, int] | None = None) -> str:
    """Whether it is a valid annotation, for a frame of `size` (height, width) if that is given."""
    if not isinstance(annotation, Annotation):
        return f"an Annotation is needed, not {type(annotation).__name__}"
    height, width = annotation.height, annotation.width
    if size is not None and (height, width) != size:
        return f"the annotation is {height} x {width}, but its frame is {size[0]} x {size[1]}"
    if not 0 <= annotation.quality <= 1:
        return f"quality must be in [0, 1], not {annotation.quality}"
    for name, points in annotation.points.items():
        if problem := _name_problem(name) or _points_problem(points):
            return f"points {name!r}: {problem}"
        if name in RESERVED_POINT_NAMES:
            return f"points {name!r}: this name is reserved"
    for name, image in annotation.images.items():
        if problem := _name_problem(name) or _annotation_image_problem(image, height, width):
            return f"image {name!r}: {problem}"
    return ""


def _name_problem(name: object) -> str:
    if isinstance(name, str) and NAME_PATTERN.fullmatch(name):
        return ""
    return "a name consists of at most 64 letters, digits, _ and -, and does not begin with -"


def _points_problem(points: object) -> str:
    if not isinstance(points, np.ndarray):
        return f"(n, 2) or (n, 3) float32 is needed, not {type(points).__name__}"
    if points.dtype != np.float32 or points.ndim != 2 or points.shape[1] not in (2, 3):
        return f"(n, 2) or (n, 3) float32 is needed, not {points.shape} {points.dtype}"
    return "infinite values; rows of undetected points are NaN" if np.isinf(points).any() else ""


def _annotation_image_problem(image: object, height: int, width: int) -> str:
    needed = f"({height}, {width}) uint8 or uint16, or ({height}, {width}, 3) uint8 is needed"
    if not isinstance(image, np.ndarray):
        return f"{needed}, not {type(image).__name__}"
    is_map = image.shape == (height, width) and image.dtype in (np.uint8, np.uint16)
    is_rgb = image.shape == (height, width, 3) and image.dtype == np.uint8
    return "" if is_map or is_rgb else f"{needed}, not {image.shape} {image.dtype}"


def layout_problem(annotation: Annotation, layout: dict[str, Any]) -> str:
    """Whether points and images are as in the frames before, which `layout` records."""
    point_shapes = {f"points {name}": points.shape for name, points in annotation.points.items()}
    image_types = {
        f"image {name}": (image.ndim, image.dtype.name) if annotation.quality > 0 else None
        for name, image in annotation.images.items()
    }
    if annotation.quality > 0:
        names = sorted(annotation.images)
        if layout.setdefault("images", names) != names:
            return f"the images are {names}, but {layout['images']} on frames before"
    for key, value in {**point_shapes, **image_types}.items():
        if value is not None and layout.setdefault(key, value) != value:
            return f"{key} is {value}, but {layout[key]} on frames before"
    return ""


def channels_problem(channels: object, num_channels: int, view: View) -> str:
    """Whether it is a condition: (num_channels, h, w) float32 in [-1, 1], or int8 of -1, 0 and 1."""
    shape = (num_channels, view.height, view.width)
    needed = f"(num_channels, height, width) = {shape} float32 or int8 is needed"
    if not isinstance(channels, np.ndarray):
        return f"{needed}, not {type(channels).__name__}"
    if channels.shape != shape or channels.dtype not in (np.float32, np.int8):
        return f"{needed}, not {channels.shape} {channels.dtype}"
    low, high = float(channels.min(initial=0)), float(channels.max(initial=0))  # NaN if any value is NaN
    if math.isfinite(low + high) and low >= -1 - VALUE_TOLERANCE and high <= 1 + VALUE_TOLERANCE:
        return ""
    return f"values must be in [-1, 1], not from {low:.4g} to {high:.4g}"


def rgb_problem(image: object, view: View) -> str:
    """Whether it is an image (h, w, 3) uint8."""
    needed = f"({view.height}, {view.width}, 3) uint8 is needed"
    if not isinstance(image, np.ndarray):
        return f"{needed}, not {type(image).__name__}"
    is_valid = image.shape == (view.height, view.width, 3) and image.dtype == np.uint8
    return "" if is_valid else f"{needed}, not {image.shape} {image.dtype}"


def mask_problem(mask: object, subject: SubjectImage) -> str:
    """Whether it is a mask (h, w) float32 in [0, 1] of an image."""
    shape = subject.image.shape[:2]
    if not isinstance(mask, np.ndarray) or mask.shape != shape or mask.dtype != np.float32:
        found = f"{mask.shape} {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask).__name__
        return f"{shape} float32 is needed, not {found}"
    low, high = float(mask.min(initial=0)), float(mask.max(initial=0))
    is_valid = low >= -VALUE_TOLERANCE and high <= 1 + VALUE_TOLERANCE
    return "" if is_valid else f"values must be in [0, 1], not from {low:.4g} to {high:.4g}"


def boxes_problem(boxes: object, region_names: Sequence[str]) -> str:
    """Whether it contains boxes (n, 4) float32 for each region."""
    if not isinstance(boxes, Mapping):
        return f"a dict is needed, not {type(boxes).__name__}"
    for name in region_names:
        box: NDArray[Any] | None = boxes.get(name)
        if not isinstance(box, np.ndarray) or box.dtype != np.float32 or box.ndim != 2 or box.shape[1] != 4:
            return f"{name!r} must be (n, 4) float32, not {getattr(box, 'shape', type(box).__name__)}"
    return ""


def descriptor_problem(descriptor: object) -> str:
    """Whether it is a vector (d,) of floats without infinite values."""
    if not isinstance(descriptor, np.ndarray) or descriptor.ndim != 1 or descriptor.dtype.kind != "f":
        shape = getattr(descriptor, "shape", type(descriptor).__name__)
        return f"a vector (d,) of floats is needed, not {shape} {getattr(descriptor, 'dtype', '')}".rstrip()
    return "infinite values; values that are not known are NaN" if np.isinf(descriptor).any() else ""


def bones_problem(bones: object) -> str:
    """Whether it is a dict of pairs of rows; the rows that exist are known for annotations only."""
    if not isinstance(bones, Mapping):
        return f"a dict is needed, not {type(bones).__name__}"
    for name, pairs in bones.items():
        if not all(len(pair) == 2 and all(isinstance(row, int) and row >= 0 for row in pair) for pair in pairs):
            return f"points {name!r}: pairs of row numbers are needed, not {pairs!r}"
    return ""


def measurements_problem(values: object) -> str:
    """Whether it is a dict of names and numbers; NaN is a value that is not known."""
    is_valid = isinstance(values, dict) and all(
        isinstance(name, str) and isinstance(value, (int, float)) and not math.isinf(value)
        for name, value in values.items()
    )
    return "" if is_valid else f"a dict of names and numbers, or NaN, is needed, not {values!r}"


def json_problem(data: object) -> str:
    """Whether it is a dict of JSON data; NumPy numbers and arrays count as numbers and lists."""
    if not isinstance(data, dict):
        return f"a dict is needed, not {type(data).__name__}"
    try:
        json.dumps(data, default=lambda value: value.tolist(), allow_nan=False)
    except (TypeError, ValueError, AttributeError) as error:
        return f"JSON data is needed: {error}"
    return ""


def statistics_problem(statistics: object) -> str:
    """Whether it is JSON data with a valid `subject_box`, if any."""
    if problem := json_problem(statistics):
        return problem
    assert isinstance(statistics, dict)
    box = statistics.get("subject_box")
    if box is None or (len(box) == 4 and box[0] < box[2] and box[1] < box[3]):
        return ""
    return f"subject_box must be (x0, y0, x1, y1) with x0 < x1 and y0 < y1, not {box}"


def classes_problem(classes: object) -> str:
    """Whether it is a tuple of classes with different ids."""
    if not isinstance(classes, tuple) or not all(isinstance(item, LabelClass) for item in classes):
        return "a tuple of LabelClass is needed"
    ids = [label_class.id for label_class in classes]
    is_valid = len(set(ids)) == len(ids) and all(0 <= number <= MAX_CLASS_ID for number in ids)
    return "" if is_valid else f"the ids must be different numbers from 0 to {MAX_CLASS_ID}, not {ids}"
