"""What several duties look at: one annotation, two of them, a program of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner, Options
from vid2vid_cli.core.geometry import Bytes, View

Layout = tuple[tuple[str, tuple[int, ...], str], ...]


def counted(frame: Bytes, times: int, drawn: list[int]) -> Iterator[Bytes]:
    """`frame` again and again, with a note of each time it is drawn."""
    for index in range(times):
        drawn.append(index)
        yield frame


def check_annotation(one: Annotation, frame: Bytes) -> None:
    """Size, quality, types and shapes."""
    assert (one.height, one.width) == frame.shape[:2], "an annotation has the size of its frame"
    assert 0 <= one.quality <= 1, "quality lies between 0 and 1"
    for name, points in one.points.items():
        assert points.dtype == np.float32, f"points {name!r} are float32"
        assert points.ndim == 2, f"points {name!r} are (n, 2) or (n, 3)"
        assert points.shape[1] in (2, 3), f"points {name!r} are (n, 2) or (n, 3)"
    for name, image in one.images.items():
        assert image.shape[:2] == frame.shape[:2], f"the image {name!r} has the size of its frame"
        assert image.dtype in (np.uint8, np.uint16), f"the image {name!r} is uint8 or uint16"
        assert image.ndim == 2 or (image.shape[2:] == (3,) and image.dtype == np.uint8), (
            f"the image {name!r} is (height, width), or (height, width, 3) uint8"
        )


def check_render(conditioner: Conditioner, one: Annotation) -> None:
    """`render` and `picture` of the whole frame, of a part that reaches beyond it, smaller and larger."""
    whole = (0.0, 0.0, float(one.width), float(one.height))
    part = (-5.5, 0.25 * one.height, 0.6 * one.width, 0.9 * one.height)
    for box, height, width in ((whole, 32, 32), (whole, 97, 61), (part, 64, 48), (whole, 200, 150)):
        view = View.of_box(box, height, width)
        channels = conditioner.render(one, view)
        assert channels.shape == (conditioner.channels, height, width), "render gives (channels, height, width)"
        assert channels.dtype == np.float32, "render gives float32"
        assert np.isfinite(channels).all(), "render gives finite numbers"
        low, high = float(channels.min()), float(channels.max())
        assert low >= -1, "render stays within [-1, 1]"
        assert high <= 1, "render stays within [-1, 1]"
        picture = conditioner.picture(one, view)
        assert picture.shape == (height, width, 3), "picture gives (height, width, 3)"
        assert picture.dtype == np.uint8, "picture gives uint8"


def layout(one: Annotation) -> Layout:
    """What is the same on every frame of a video: names, shapes and types."""
    parts = (*one.points.items(), *one.images.items())
    return tuple((name, array.shape, array.dtype.name) for name, array in parts)


def check_same(one: Annotation, other: Annotation) -> None:
    """Equal, number for number."""
    assert one.quality == other.quality, "the quality is another one"
    assert layout(one) == layout(other), "other points or images"
    for name, points in one.points.items():
        np.testing.assert_array_equal(points, other.points[name], err_msg=f"points {name!r}")
    for name, image in one.images.items():
        np.testing.assert_array_equal(image, other.images[name], err_msg=f"image {name!r}")


def check_all_same(some: Sequence[Annotation], others: Sequence[Annotation]) -> None:
    """As many, and equal one by one."""
    assert len(some) == len(others), "another number of annotations"
    for one, other in zip(some, others, strict=True):
        check_same(one, other)


def another_value(options: Options, name: str) -> Options | None:
    """The same options with another value of `name` that is allowed; None where a simple one cannot be guessed."""
    mine = options.model_dump()
    value = mine[name]
    if isinstance(value, bool):
        guesses: list[Any] = [not value]
    elif isinstance(value, (int, float)):
        guesses = [value + 1, value - 1, value / 2 + 0.25]
    else:
        guesses = []
    for guess in guesses:
        try:
            other = type(options).model_validate({**mine, name: guess})
        except ValueError:
            continue
        if getattr(other, name) != value:
            return other
    return None


def run(code: str, *arguments: str) -> list[str]:
    """The JSON list that a program prints in a fresh interpreter with this one's search path."""
    path = f"import sys; sys.path[:0] = {[entry for entry in sys.path if entry]!r}\n"
    done = subprocess.run([sys.executable, "-c", path + code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: list[str] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
