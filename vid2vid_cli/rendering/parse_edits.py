"""Parser of `--replace` and `--remove`: `building=vegetation@10s-20s`, `person@0%,0%,50%,100%`.

    OLD=NEW or NAME     class names or ids
    @FROM-TO            frames 50-120 (inclusive), or times 10s-20s, 1:30-2:00; either end is optional
    @X0,Y0,X1,Y1        a box in pixels of the source, or in percent of its width and height: 0%,0%,50%,100%

Frames and times refer to the output video.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import NoReturn

from vid2vid_cli.conditioning.label_editing import EditRegion
from vid2vid_cli.core.errors import ConfigError

REPLACE_HINT = (
    "Example: --replace building=vegetation, or in a range and a box: building=vegetation@10s-20s@0%,0%,50%,100%"
)
REMOVE_HINT = "Example: --remove person, or in a range and a box: person@10s-20s@0%,0%,50%,100%"
BOX_HINT = "A box is @X0,Y0,X1,Y1 in pixels (@0,0,640,360) or in percent of the frame (@0%,0%,50%,100%)."
RANGE_HINT = "A frame range is @50-120, a time range @10s-20s or @1:30-2:00; @10s- and @-20s are open."

_FRAME_RANGE_PATTERN = re.compile(r"(\d{0,9})-(\d{0,9})")
_TIMESTAMP = r"(?:(?:\d{1,9}:){0,2}\d{1,9}(?:\.\d{1,9})?s?)"
_TIME_RANGE_PATTERN = re.compile(rf"({_TIMESTAMP})?-({_TIMESTAMP})?")
_EDGE_PATTERN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(%?)")


@dataclass(frozen=True)
class BoxEdge:
    """One edge of a box, in pixels of the source or in percent of its width or height."""

    value: float
    is_percent: bool

    def to_fraction(self, side_length: int) -> float:
        """The position as a fraction of a side with `side_length` pixels."""
        return self.value / (100 if self.is_percent else side_length)


@dataclass(frozen=True)
class ParsedEdit:
    """One parsed edit."""

    text: str
    """The text with its option: `--remove person@10s-20s`."""
    old_class: str
    new_class: str | None
    """None: the class is removed."""
    box: tuple[BoxEdge, BoxEdge, BoxEdge, BoxEdge] | None = None
    """x0, y0, x1, y1"""
    frame_range: tuple[int, int | None] | None = None
    """First frame, and one past the last; None: to the end."""
    time_range: tuple[Fraction, Fraction | None] | None = None
    """Start and end in seconds; None: to the end."""

    def edit_region(self, height: int, width: int, fps: Fraction) -> EditRegion:
        """The region on source frames of this size in an output video at `fps`.

        Raises ConfigError for a box that is empty or extends beyond the frame.
        """
        box = (0.0, 0.0, 1.0, 1.0)
        if self.box is not None:
            x0, y0, x1, y1 = (edge.to_fraction(side) for edge, side in zip(self.box, (width, height) * 2, strict=True))
            if max(x1, y1) > 1:
                raise ConfigError(
                    f"{self.text}: the box extends beyond the frames of {width}x{height} pixels.", BOX_HINT
                )
            if x0 >= x1 or y0 >= y1:
                raise ConfigError(f"{self.text}: the box is empty on frames of {width}x{height} pixels.", BOX_HINT)
            box = x0, y0, x1, y1
        return EditRegion(box, *self.frame_bounds(fps))

    def frame_bounds(self, fps: Fraction) -> tuple[int, int | None]:
        """First frame, and one past the last; None: to the end."""
        if self.time_range is None:
            return self.frame_range or (0, None)
        start, end = self.time_range
        return ceil(start * fps), None if end is None else ceil(end * fps)


def parse_edits(replace_texts: Sequence[str], remove_texts: Sequence[str]) -> tuple[ParsedEdit, ...]:
    """The parsed edits, removals first. Raises ConfigError for invalid text and for a class replaced by itself."""
    return (
        *(_parse_edit(text, "--remove") for text in remove_texts),
        *(_parse_edit(text, "--replace") for text in replace_texts),
    )


def _parse_edit(text: str, option: str) -> ParsedEdit:
    edit_text, hint = f"{option} {text}", REPLACE_HINT if option == "--replace" else REMOVE_HINT
    class_text, *location_texts = (part.strip() for part in text.split("@"))
    old_class, has_equals, new_class = (part.strip() for part in class_text.partition("="))
    if option == "--remove" and has_equals:
        raise ConfigError(f"{edit_text}: --remove takes no replacement class.", f"Did you mean --replace {text}?")
    if not old_class or (option == "--replace" and not new_class) or "=" in new_class:
        raise ConfigError(f"{edit_text} is not {'OLD=NEW' if option == '--replace' else 'a class name'}.", hint)
    if old_class.lower() == new_class.lower():
        raise ConfigError(f"{edit_text}: old and new class are the same.", hint)
    boxes = [_parse_box(edit_text, location) for location in location_texts if "," in location]
    ranges = [_parse_range(edit_text, location) for location in location_texts if "," not in location]
    if len(boxes) > 1 or len(ranges) > 1:
        duplicate_kind = "boxes" if len(boxes) > 1 else "ranges"
        raise ConfigError(f"{edit_text} has more than one of the {duplicate_kind}.", f"Repeat {option} for each one.")
    frame_range, time_range = ranges[0] if ranges else (None, None)
    return ParsedEdit(edit_text, old_class, new_class or None, boxes[0] if boxes else None, frame_range, time_range)


def _parse_box(edit_text: str, location_text: str) -> tuple[BoxEdge, BoxEdge, BoxEdge, BoxEdge]:
    matches = [_EDGE_PATTERN.fullmatch(part.strip()) for part in location_text.split(",")]
    edges = [BoxEdge(float(match[1]), bool(match[2])) for match in matches if match]
    if len(matches) != 4 or len(edges) != 4:
        raise ConfigError(f"{edit_text}: {location_text} is not a box.", BOX_HINT)
    if any(edge.is_percent and edge.value > 100 for edge in edges):
        raise ConfigError(f"{edit_text}: the box extends beyond 100 %.", BOX_HINT)
    return edges[0], edges[1], edges[2], edges[3]


def _parse_range(
    edit_text: str, location_text: str
) -> tuple[tuple[int, int | None] | None, tuple[Fraction, Fraction | None] | None]:
    """(frame range, time range); one of them is None."""
    frame_match, time_match = (
        _FRAME_RANGE_PATTERN.fullmatch(location_text),
        _TIME_RANGE_PATTERN.fullmatch(location_text),
    )
    if location_text in ("", "-"):
        _raise_not_a_range(edit_text, location_text)
    if frame_match:
        first, last = int(frame_match[1] or 0), int(frame_match[2]) if frame_match[2] else None
        if last is not None and last < first:
            raise ConfigError(f"{edit_text}: the range ends before it starts.", RANGE_HINT)
        return (first, None if last is None else last + 1), None
    if not time_match or any(text and text.isdecimal() for text in time_match.groups()):  # 10-20s is ambiguous
        _raise_not_a_range(edit_text, location_text)
    start, end = _parse_seconds(time_match[1] or "0"), _parse_seconds(time_match[2]) if time_match[2] else None
    if end is not None and end <= start:
        raise ConfigError(f"{edit_text}: the range ends before it starts.", RANGE_HINT)
    return None, (start, end)


def _raise_not_a_range(edit_text: str, location_text: str) -> NoReturn:
    raise ConfigError(
        f"{edit_text}: {location_text!r} is not a frame range, time range or box.", f"{RANGE_HINT} {BOX_HINT}"
    )


def _parse_seconds(text: str) -> Fraction:
    seconds = Fraction(0)
    for field in text.removesuffix("s").split(":"):
        seconds = 60 * seconds + Fraction(field)
    return seconds
