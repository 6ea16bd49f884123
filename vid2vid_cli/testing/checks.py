"""Checks shared by the contract tests."""

from __future__ import annotations

import json
import pickle
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner
from vid2vid_cli.conditioning.options import Options
from vid2vid_cli.conditioning.video_frame import VideoFrame
from vid2vid_cli.core.geometry import UInt8Array, View
from vid2vid_cli.core.python_process import code_command

AnnotationLayout = tuple[tuple[str, tuple[int, ...], str], ...]


def repeat_frame(frame: UInt8Array, num_frames: int, consumed_indices: list[int]) -> Iterator[VideoFrame]:
    """Yield `frame` repeatedly, and append the index of each read to `consumed_indices`."""
    for index in range(num_frames):
        consumed_indices.append(index)
        yield VideoFrame(frame)


def check_annotation(annotation: Annotation, frame: UInt8Array) -> None:
    """Check the size, quality, dtypes and shapes of an annotation."""
    height, width = frame.shape[:2]
    size_message = f"the annotation is {annotation.height} x {annotation.width}, but its frame is {height} x {width}"
    assert (annotation.height, annotation.width) == (height, width), size_message
    assert 0 <= annotation.quality <= 1, f"quality must be in [0, 1], not {annotation.quality}"
    for name, points in annotation.points.items():
        message = f"points {name!r} must be (n, 2) or (n, 3) float32, not {points.shape} {points.dtype}"
        assert points.dtype == np.float32, message
        assert points.ndim == 2, message
        assert points.shape[1] in (2, 3), message
    for name, image in annotation.images.items():
        message = f"image {name!r} must be ({height}, {width}) uint8 or uint16, or ({height}, {width}, 3) uint8, "
        message += f"not {image.shape} {image.dtype}"
        assert image.shape[:2] == (height, width), message
        assert image.dtype in (np.uint8, np.uint16), message
        assert image.ndim == 2 or (image.shape[2:] == (3,) and image.dtype == np.uint8), message


def check_render(conditioner: Conditioner, annotation: Annotation) -> None:
    """Check `render` and `visualize` for the full frame and for a box that exceeds it, at several sizes."""
    full_box = (0.0, 0.0, float(annotation.width), float(annotation.height))
    crop_box = (-5.5, 0.25 * annotation.height, 0.6 * annotation.width, 0.9 * annotation.height)
    for box, height, width in ((full_box, 32, 32), (full_box, 97, 61), (crop_box, 64, 48), (full_box, 200, 150)):
        view = View.from_box(box, height, width)
        channels = conditioner.render(annotation, view)
        expected_shape = (conditioner.num_channels, height, width)
        assert channels.shape == expected_shape, (
            f"render must return (num_channels, height, width) = {expected_shape}, not {channels.shape}"
        )
        assert channels.dtype in (np.float32, np.int8), f"render must return float32 or int8, not {channels.dtype}"
        assert np.isfinite(channels).all(), "render returns values that are not finite"
        low, high = float(channels.min()), float(channels.max())
        assert low >= -1, f"render must return values in [-1, 1], not {low:.4g}"
        assert high <= 1, f"render must return values in [-1, 1], not {high:.4g}"
        image = conditioner.visualize(annotation, view)
        message = f"visualize must return ({height}, {width}, 3) uint8, not {image.shape} {image.dtype}"
        assert image.shape == (height, width, 3), message
        assert image.dtype == np.uint8, message


def annotation_layout(annotation: Annotation) -> AnnotationLayout:
    """Return the names, shapes and dtypes, which are the same on every frame of a video."""
    named_arrays = (*annotation.points.items(), *annotation.images.items())
    return tuple((name, array.shape, array.dtype.name) for name, array in named_arrays)


def check_equal_annotations(expected: Annotation, actual: Annotation, reason: str) -> None:
    """Check that two annotations are equal; `reason` starts the message of a failure."""
    assert annotation_layout(expected) == annotation_layout(actual), (
        f"{reason}: points and images are {annotation_layout(actual)} instead of {annotation_layout(expected)}"
    )
    for name, array in (*expected.points.items(), *expected.images.items()):
        check_equal_arrays(
            array, (actual.points if name in expected.points else actual.images)[name], f"{reason}: {name!r}"
        )
    assert expected.quality == actual.quality, (
        f"{reason}: the quality is {actual.quality} instead of {expected.quality}"
    )


def check_equal_arrays(expected: NDArray[Any], actual: NDArray[Any], description: str) -> None:
    """Check that two arrays of the same shape are equal; NaN equals NaN."""
    differ = (expected != actual) & ~((expected != expected) & (actual != actual))
    assert not differ.any(), f"{description} differs in {100 * differ.mean():.3g} % of the values"


def check_unmodified(value: object, pickle_before: bytes, reason: str) -> None:
    """Check that `value` still equals its earlier pickle; `reason` is the message of a failure."""
    # Compared outside the assertion: on CI, pytest computes the full difference, which takes minutes.
    is_unmodified = pickle.dumps(value) == pickle_before
    assert is_unmodified, reason


def check_equal_clips(expected: Sequence[Annotation], actual: Sequence[Annotation], reason: str) -> None:
    """Check that two clips have equal annotations."""
    assert len(expected) == len(actual), f"{reason}: {len(actual)} annotations instead of {len(expected)}"
    for expected_annotation, actual_annotation in zip(expected, actual, strict=True):
        check_equal_annotations(expected_annotation, actual_annotation, reason)


def change_option(options: Options, name: str) -> Options | None:
    """Return the options with another valid value of `name`; None if no such value is known."""
    values = options.model_dump()
    value = values[name]
    candidates: list[Any] = list(get_args(type(options).model_fields[name].annotation))
    if isinstance(value, bool):
        candidates = [not value]
    elif isinstance(value, (int, float)):
        candidates = [value + 1, value - 1, value / 2 + 0.25]
    for candidate in candidates:
        try:
            changed_options = type(options).model_validate({**values, name: candidate})
        except ValueError:
            continue
        if getattr(changed_options, name) != value:
            return changed_options
    return None


def run_python(code: str, *arguments: str) -> list[str]:
    """Run a program in a new interpreter with the same search path; return the JSON list that it prints."""
    process = subprocess.run(code_command(code, *arguments), capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    result: list[str] = json.loads(process.stdout.strip().splitlines()[-1])
    return result
