"""What several duties look at: one annotation, two of them, a program of its own."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

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
    height, width = frame.shape[:2]
    size = f"an annotation has the size of its frame, {height} x {width}, not {one.height} x {one.width}"
    assert (one.height, one.width) == (height, width), size
    assert 0 <= one.quality <= 1, f"quality lies between 0 and 1, {one.quality} does not"
    for name, points in one.points.items():
        what = f"points {name!r} are (n, 2) or (n, 3) float32, not {points.shape} {points.dtype}"
        assert points.dtype == np.float32, what
        assert points.ndim == 2, what
        assert points.shape[1] in (2, 3), what
    for name, image in one.images.items():
        what = f"the image {name!r} is ({height}, {width}) uint8 or uint16, or ({height}, {width}, 3) uint8; it is "
        what += f"{image.shape} {image.dtype}"
        assert image.shape[:2] == (height, width), what
        assert image.dtype in (np.uint8, np.uint16), what
        assert image.ndim == 2 or (image.shape[2:] == (3,) and image.dtype == np.uint8), what


def check_render(conditioner: Conditioner, one: Annotation) -> None:
    """`render` and `picture` of the whole frame, of a part that reaches beyond it, smaller and larger."""
    whole = (0.0, 0.0, float(one.width), float(one.height))
    part = (-5.5, 0.25 * one.height, 0.6 * one.width, 0.9 * one.height)
    for box, height, width in ((whole, 32, 32), (whole, 97, 61), (part, 64, 48), (whole, 200, 150)):
        view = View.of_box(box, height, width)
        channels = conditioner.render(one, view)
        wanted = (conditioner.channels, height, width)
        assert channels.shape == wanted, f"render gives (channels, height, width) = {wanted}, not {channels.shape}"
        assert channels.dtype in (np.float32, np.int8), f"render gives float32 or int8, not {channels.dtype}"
        assert np.isfinite(channels).all(), "render gives numbers that are not finite"
        low, high = float(channels.min()), float(channels.max())
        assert low >= -1, f"render stays within [-1, 1], {low:.4g} does not"
        assert high <= 1, f"render stays within [-1, 1], {high:.4g} does not"
        picture = conditioner.picture(one, view)
        what = f"picture gives ({height}, {width}, 3) uint8, not {picture.shape} {picture.dtype}"
        assert picture.shape == (height, width, 3), what
        assert picture.dtype == np.uint8, what


def layout(one: Annotation) -> Layout:
    """What is the same on every frame of a video: names, shapes and types."""
    parts = (*one.points.items(), *one.images.items())
    return tuple((name, array.shape, array.dtype.name) for name, array in parts)


def check_same(one: Annotation, other: Annotation, why: str) -> None:
    """Equal, number for number; `why` they must be is said where they are not."""
    assert layout(one) == layout(other), f"{why}: points and images are {layout(other)}, not {layout(one)}"
    for name, array in (*one.points.items(), *one.images.items()):
        check_equal(array, (other.points if name in one.points else other.images)[name], f"{why}: {name!r}")
    assert one.quality == other.quality, f"{why}: the quality is {other.quality}, not {one.quality}"


def check_equal(one: NDArray[Any], other: NDArray[Any], what: str) -> None:
    """Two arrays of one shape, NaN being equal to NaN."""
    differ = (one != other) & ~((one != one) & (other != other))
    assert not differ.any(), f"{what} differs in {100 * differ.mean():.3g} % of its numbers"


def check_untouched(given: object, before: bytes, why: str) -> None:
    """What was given to a duty, against its pickle from before."""
    # Not compared within the assertion: on CI pytest shows all that differs, and looks for it for minutes.
    untouched = pickle.dumps(given) == before
    assert untouched, why


def check_all_same(some: Sequence[Annotation], others: Sequence[Annotation], why: str) -> None:
    """As many, and equal one by one."""
    assert len(some) == len(others), f"{why}: {len(others)} annotations, not {len(some)}"
    for one, other in zip(some, others, strict=True):
        check_same(one, other, why)


def another_value(options: Options, name: str) -> Options | None:
    """The same options with another value of `name` that is allowed; None where none can be guessed."""
    mine = options.model_dump()
    value = mine[name]
    guesses: list[Any] = list(get_args(type(options).model_fields[name].annotation))
    if isinstance(value, bool):
        guesses = [not value]
    elif isinstance(value, (int, float)):
        guesses = [value + 1, value - 1, value / 2 + 0.25]
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
