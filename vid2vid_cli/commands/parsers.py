"""Words on the command line as values: durations, moments, rates, devices, conditioner options."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

import typer

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s?)?")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_FILM = {Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)}


def duration(text: str | float) -> float:
    """Seconds of 90, 90s, 5m, 1h30m or 0.5h."""
    text = str(text).strip().lower()
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise typer.BadParameter(f"{text} is not a duration: write 90s, 5m or 1h30m.")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    total = 3600 * hours + 60 * minutes + seconds
    if total <= 0:
        raise typer.BadParameter("a duration must be longer than nothing.")
    return total


def moment(text: str | float) -> float:
    """Seconds into a video of 12.5, 1:30, 1:02:03.5 or 90s."""
    parts = str(text).strip().removesuffix("s").split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if not 1 <= len(values) <= 3 or any(not 0 <= value < float("inf") for value in values):
        raise typer.BadParameter(f"{text} is not a moment: write seconds, 1:30 or 1:02:03.5.")
    seconds = 0.0
    for value in values:
        seconds = 60 * seconds + value
    return seconds


def rate(text: str | Fraction) -> Fraction:
    """An exact frame rate of 25, 30000/1001 or 29.97, which means 30000/1001."""
    try:
        value = Fraction(str(text).strip())
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value <= 1000:
        raise typer.BadParameter(f"{text} is not a frame rate: write 25, 29.97 or 30000/1001.")
    near = min(_FILM, key=lambda film: abs(film - value))
    return near if value.denominator > 1 and abs(near - value) < Fraction(1, 150) else value


def picture_size(text: str) -> tuple[int, int]:
    """(height, width) in pixels of 1024x512, which is the width first."""
    match = re.fullmatch(r"(\d+)\s*[xX×]\s*(\d+)", text.strip())
    if match is None or not all(int(side) for side in match.groups()):
        raise typer.BadParameter(f"{text} is not a size: write WIDTHxHEIGHT, such as 1024x512.", param_hint="--size")
    return int(match[2]), int(match[1])


def device(text: str) -> str:
    """auto, cpu, cuda, cuda:1 or mps."""
    if _DEVICE.fullmatch(text) is None:
        raise typer.BadParameter(f"{text} is not a device: choose auto, cpu, cuda, cuda:N or mps.")
    return text


def conditioner_options(texts: Sequence[str], conditioners: Sequence[str] | None = None) -> dict[str, dict[str, str]]:
    """{conditioner: {option: value}} of `landmarks.backend=dlib` and the like; None: of any conditioners."""
    options: dict[str, dict[str, str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        name, dot, option = key.strip().partition(".")
        if not (equals and dot and name and option):
            raise typer.BadParameter(f"{text}: write NAME.OPTION=VALUE, such as edges.sigma=2.", param_hint="--option")
        if conditioners is not None and name not in conditioners:
            message = f"{text}: {name} is not among the conditioners of this command ({', '.join(conditioners)})."
            raise typer.BadParameter(message, param_hint="--option")
        options.setdefault(name, {})[option] = value
    return options
