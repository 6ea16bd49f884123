"""Conversion of command-line text to values: durations, timestamps, frame rates, sizes, devices.

Every function raises ValueError with a message for the user.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from vid2vid_cli.core.parsing import parse_fraction, shorten

_DURATION_PATTERN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s?)?")
_DEVICE_PATTERN = re.compile(r"auto|cpu|mps|cuda(:\d{1,4})?")
DEFAULT_FRAME_HEIGHTS = (128, 256, 512, 1024)
LAYERS = ("raw", "flow", "mask", "references")
METRICS_WITH_WEIGHTS = ("lpips", "fid", "kid", "fvd")
EXTRA_METRICS = ("ms_ssim", "lpips", "fid", "kid", "fvd", "cvvdp", "identity")
MAX_SECONDS = 1e9
"""Limit of times and durations in seconds."""
_NTSC_FRAME_RATES = {Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)}


def paths(texts: Sequence[str]) -> tuple[Path, ...] | None:
    """All values of an option for a path that may be repeated; None if there are none."""
    return tuple(map(Path, texts)) or None


def duration(text: str | float) -> float:
    """90, 90s, 5m, 1h30m or 0.5h -> seconds."""
    text = str(text).strip().lower()
    match = _DURATION_PATTERN.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"invalid duration {shorten(text)}: write 90s, 5m or 1h30m.")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    total = 3600 * hours + 60 * minutes + seconds
    if not 0 < total <= MAX_SECONDS:
        raise ValueError(f"invalid duration {shorten(text)}: it must be longer than 0 seconds and at most 30 years.")
    return total


def timestamp(text: str | float) -> float:
    """12.5, 1:30, 1:02:03.5 or 90s -> seconds from the start of a video."""
    parts = str(text).strip().removesuffix("s").split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if not 1 <= len(values) <= 3 or any(not 0 <= value <= MAX_SECONDS for value in values):
        raise ValueError(f"invalid time {shorten(text)}: write seconds, 1:30 or 1:02:03.5.")
    seconds = 0.0
    for value in values:
        seconds = 60 * seconds + value
    return seconds


def frame_rate(text: str | Fraction) -> Fraction:
    """25, 30000/1001 or 29.97 -> the exact frame rate; 29.97 means 30000/1001."""
    try:
        value = text if isinstance(text, Fraction) else parse_fraction(str(text))
    except ValueError:
        value = Fraction(0)
    if not 0 < value <= 1000:
        raise ValueError(f"invalid frame rate {shorten(text)}: write 25, 29.97 or 30000/1001.")
    nearest = min(_NTSC_FRAME_RATES, key=lambda rate: abs(rate - value))
    return nearest if value.denominator > 1 and abs(nearest - value) < Fraction(1, 150) else value


def image_size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT, such as 1024x512 -> (height, width) in pixels."""
    match = re.fullmatch(r"(\d{1,5})\s*[xX×]\s*(\d{1,5})", text.strip())
    if match is None or not all(int(side) for side in match.groups()):
        raise ValueError(f"invalid size {shorten(text)}: write WIDTHxHEIGHT, such as 1024x512.")
    return int(match[2]), int(match[1])


def label_ids(text: str) -> tuple[int, ...]:
    """26 or 24,26 -> the ids in ascending order, without duplicates."""
    if re.fullmatch(r"\d{1,9}(\s*,\s*\d{1,9})*", text.strip()) is None:
        raise ValueError(f"invalid label ids {text!r}: write 26 or 24,26.")
    return tuple(sorted({int(part) for part in text.split(",")}))


def device(text: str) -> str:
    """auto, cpu, cuda, cuda:1 or mps, unchanged."""
    if _DEVICE_PATTERN.fullmatch(text) is None:
        raise ValueError(f"invalid device {shorten(text)}: use auto, cpu, cuda, cuda:N or mps.")
    return text


def conditioner_options(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """`landmarks.backend=dlib` and others -> {conditioner: {option: value}}."""
    options: dict[str, dict[str, str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        name, dot, option = key.strip().partition(".")
        if not (equals and dot and name and option):
            raise ValueError(
                f"invalid conditioner option {shorten(text)}: write NAME.KEY=VALUE, such as edges.sigma=2."
            )
        options.setdefault(name, {})[option] = value
    return options


def frame_heights(texts: Sequence[str]) -> tuple[int, ...]:
    """128,256,512 -> heights in pixels, each from 16 to 4096; () for "0"; DEFAULT_FRAME_HEIGHTS without a text."""
    if not texts:
        return DEFAULT_FRAME_HEIGHTS
    parts = [part.strip() for text in texts for part in text.split(",")]
    if parts == ["0"]:
        return ()
    if not all(part.isdigit() and 16 <= int(part) <= 4096 for part in parts):
        raise ValueError(f"invalid sizes {shorten(','.join(texts))}: write 128,256 with values from 16 to 4096, or 0.")
    return tuple(int(part) for part in parts)


def layers(texts: Sequence[str]) -> tuple[str, ...]:
    """Each text is raw,flow,mask,references or some of them -> their names, without duplicates; () for no text."""
    names = [name.strip() for text in texts for name in text.split(",")]
    unknown = [name for name in names if name not in LAYERS]
    if unknown:
        raise ValueError(f"invalid layer {shorten(unknown[0])}: write some of {','.join(LAYERS)}.")
    return tuple(dict.fromkeys(names))


def extra_metrics(texts: Sequence[str]) -> dict[str, Path | None]:
    """lpips, fid=FILE or all -> {metric: file of weights, or None for the published one}."""
    metrics: dict[str, Path | None] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if name == "all" and not equals:
            metrics = {**dict.fromkeys(EXTRA_METRICS), **metrics}
        elif name in EXTRA_METRICS and (not equals or (file and name in METRICS_WITH_WEIGHTS)):
            metrics[name] = Path(file) if file else None
        else:
            names, with_weights = ", ".join(EXTRA_METRICS), ", ".join(METRICS_WITH_WEIGHTS)
            raise ValueError(f"invalid metric {shorten(text)}: write {names} or all; =FILE is for {with_weights}.")
    return metrics
