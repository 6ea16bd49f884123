"""What is typed after `--replace` and `--remove`, read: `building=vegetation@10s-20s`, `person@0%,0%,50%,100%`.

    OLD=NEW or NAME     names or ids of classes
    @FROM-TO            frames 50-120, both included; or moments 10s-20s, 1:30-2:00; either end may be left out
    @X0,Y0,X1,Y1        a box in pixels of the source, or in percent of its sides: 0%,0%,50%,100%

Frames and moments are counted in the video that is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import NoReturn

from vid2vid_cli.conditioning.label_editing import Part
from vid2vid_cli.core.errors import ConfigError

REPLACE = "Write --replace OLD=NEW, such as building=vegetation; and where: building=vegetation@10s-20s@0%,0%,50%,100%"
REMOVE = "Write --remove NAME, such as person; and where: person@10s-20s@0%,0%,50%,100%"
BOX = "A box is @X0,Y0,X1,Y1, in pixels (@0,0,640,360) or in percent of the frame (@0%,0%,50%,100%)."
STRETCH = "Frames are @50-120, moments @10s-20s or @1:30-2:00; @10s- and @-20s are open."

_FRAMES = re.compile(r"(\d*)-(\d*)")
_MOMENT = r"(?:(?:\d+:){0,2}\d+(?:\.\d+)?s?)"
_MOMENTS = re.compile(rf"({_MOMENT})?-({_MOMENT})?")
_EDGE = re.compile(r"(\d+(?:\.\d+)?)(%?)")


@dataclass(frozen=True)
class Edge:
    """One side of a box: pixels of the source, or percent of its frames."""

    value: float
    percent: bool

    def share(self, length: int) -> float:
        """As a share of a side of that many pixels."""
        return self.value / (100 if self.percent else length)


@dataclass(frozen=True)
class Wanted:
    """One edit as it was typed."""

    text: str
    """With its option: `--remove person@10s-20s`."""
    old: str
    new: str | None
    """None: removed."""
    box: tuple[Edge, Edge, Edge, Edge] | None = None
    """x0, y0, x1, y1."""
    frames: tuple[int, int | None] | None = None
    """The first, and the one after the last."""
    seconds: tuple[Fraction, Fraction | None] | None = None

    def part(self, height: int, width: int, fps: Fraction) -> Part:
        """Of a video written at `fps` from frames of that size. Raises ConfigError (a box that sticks out)."""
        box = (0.0, 0.0, 1.0, 1.0)
        if self.box is not None:
            x0, y0, x1, y1 = (edge.share(side) for edge, side in zip(self.box, (width, height) * 2, strict=True))
            if max(x1, y1) > 1:
                raise ConfigError(f"{self.text}: the box sticks out of the frames, which are {width}x{height}.", BOX)
            if x0 >= x1 or y0 >= y1:
                raise ConfigError(f"{self.text}: the box holds nothing on frames of {width}x{height}.", BOX)
            box = x0, y0, x1, y1
        return Part(box, *self.stretch(fps))

    def stretch(self, fps: Fraction) -> tuple[int, int | None]:
        """The first frame, and the one after the last, None: to the end."""
        if self.seconds is None:
            return self.frames or (0, None)
        begin, stop = self.seconds
        return ceil(begin * fps), None if stop is None else ceil(stop * fps)


def understand_edits(replace: Sequence[str], remove: Sequence[str]) -> tuple[Wanted, ...]:
    """The edits that are typed, removals first. Raises ConfigError (malformed, or a class that becomes itself)."""
    return (*(_edit(text, "--remove") for text in remove), *(_edit(text, "--replace") for text in replace))


def _edit(text: str, option: str) -> Wanted:
    typed, remedy = f"{option} {text}", REPLACE if option == "--replace" else REMOVE
    named, *places = (word.strip() for word in text.split("@"))
    old, equals, new = (word.strip() for word in named.partition("="))
    if option == "--remove" and equals:
        raise ConfigError(f"{typed}: what is removed becomes no other class.", f"Did you mean --replace {text}?")
    if not old or (option == "--replace" and not new) or "=" in new:
        raise ConfigError(f"{typed}: it does not name {'two classes' if option == '--replace' else 'a class'}.", remedy)
    if old.lower() == new.lower():
        raise ConfigError(f"{typed}: a class that becomes itself stays as it is.", remedy)
    boxes = [_box(typed, place) for place in places if "," in place]
    stretches = [_stretch(typed, place) for place in places if "," not in place]
    if len(boxes) > 1 or len(stretches) > 1:
        twice = "boxes" if len(boxes) > 1 else "stretches of time"
        raise ConfigError(f"{typed}: it names two {twice}.", f"Write {option} twice, once for each.")
    frames, seconds = stretches[0] if stretches else (None, None)
    return Wanted(typed, old, new or None, boxes[0] if boxes else None, frames, seconds)


def _box(typed: str, place: str) -> tuple[Edge, Edge, Edge, Edge]:
    words = [_EDGE.fullmatch(word.strip()) for word in place.split(",")]
    edges = [Edge(float(word[1]), bool(word[2])) for word in words if word]
    if len(words) != 4 or len(edges) != 4:
        raise ConfigError(f"{typed}: {place} is not a box.", BOX)
    if any(edge.percent and edge.value > 100 for edge in edges):
        raise ConfigError(f"{typed}: the box sticks out of the frames.", BOX)
    return edges[0], edges[1], edges[2], edges[3]


def _stretch(typed: str, place: str) -> tuple[tuple[int, int | None] | None, tuple[Fraction, Fraction | None] | None]:
    """Frames, or seconds; the other is None."""
    frames, moments = _FRAMES.fullmatch(place), _MOMENTS.fullmatch(place)
    if place in ("", "-"):
        _not_a_stretch(typed, place)
    if frames:
        first, last = int(frames[1] or 0), int(frames[2]) if frames[2] else None
        if last is not None and last < first:
            raise ConfigError(f"{typed}: it ends before it begins.", STRETCH)
        return (first, None if last is None else last + 1), None
    if not moments or any(word and word.isdecimal() for word in moments.groups()):  # 10-20s: frames or seconds?
        _not_a_stretch(typed, place)
    begin, stop = _seconds(moments[1] or "0"), _seconds(moments[2]) if moments[2] else None
    if stop is not None and stop <= begin:
        raise ConfigError(f"{typed}: it ends before it begins.", STRETCH)
    return None, (begin, stop)


def _not_a_stretch(typed: str, place: str) -> NoReturn:
    raise ConfigError(f"{typed}: {place!r} is neither frames, nor moments, nor a box.", f"{STRETCH} {BOX}")


def _seconds(text: str) -> Fraction:
    seconds = Fraction(0)
    for word in text.removesuffix("s").split(":"):
        seconds = 60 * seconds + Fraction(word)
    return seconds
