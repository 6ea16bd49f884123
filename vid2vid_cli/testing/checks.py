"""Checks shared by the contract tests."""

from __future__ import annotations

import json
import pickle
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from numpy.typing import NDArray

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner
from vid2vid_cli.conditioning.options import Options
from vid2vid_cli.conditioning.plugin_results import annotation_problem, channels_problem, rgb_problem
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
    problem = annotation_problem(annotation, frame.shape[:2])
    assert not problem, problem


def check_render(conditioner: Conditioner, annotation: Annotation) -> None:
    """Check `render` and `visualize` for the full frame and for a box that exceeds it, at several sizes."""
    full_box = (0.0, 0.0, float(annotation.width), float(annotation.height))
    crop_box = (-5.5, 0.25 * annotation.height, 0.6 * annotation.width, 0.9 * annotation.height)
    for box, height, width in ((full_box, 32, 32), (full_box, 97, 61), (crop_box, 64, 48), (full_box, 200, 150)):
        view = View.from_box(box, height, width)
        channels = conditioner.render(annotation, view)
        problem = channels_problem(channels, conditioner.num_channels, view)
        assert not problem, f"render: {problem}"
        problem = rgb_problem(conditioner.visualize(annotation, view), view)
        assert not problem, f"visualize: {problem}"


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
