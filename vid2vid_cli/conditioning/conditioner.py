"""The contract of a conditioner: annotate, render, retarget."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from vid2vid_cli.conditioning.spec import ConditionerSpec
from vid2vid_cli.core.geometry import Bytes, Floats, View

Statistics = dict[str, Any]
"""Plain JSON data about a clip; the key `focus`, where present, is the box (x0, y0, x1, y1) in pixels of the
annotated frame that a model should look at."""


class Options(BaseModel):
    """Base of a conditioner's options: frozen, and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Annotation:
    """What a conditioner found on one frame.

    `points`: name -> (n, 2) or (n, 3) float32, x and y in pixels of a frame of `height` x `width`, a third column
    is a confidence; rows not found are NaN; the shape of each name is the same on every frame.
    `images`: name -> (height, width) or (height, width, 3) uint8, or (height, width) uint16.
    `quality`: 0 = nothing found, 1 = certain.
    """

    height: int
    width: int
    quality: float
    points: Mapping[str, Floats] = field(default_factory=dict)
    images: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class Conditioner(ABC):
    """One way of turning frames into conditions. Constructing one is cheap and loads no library or weights."""

    spec: ClassVar[ConditionerSpec]
    Options: ClassVar[type[Options]] = Options
    retargets: ClassVar[bool] = False
    """Whether `retarget` brings annotations into the target's frame; if not, they keep the source's."""

    def __init__(self, options: BaseModel | None = None) -> None:
        self.options = options if options is not None else type(self).Options()

    @property
    @abstractmethod
    def channels(self) -> int:
        """How many condition channels `render` gives."""

    @abstractmethod
    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        """One annotation per frame, in order; frames are (h, w, 3) uint8 RGB and may be drawn a few ahead.

        All state (trackers, smoothing) lives inside the call. Nothing found is an annotation of quality 0.

        Raises: MissingPackageError, MissingWeightsError.
        """

    @abstractmethod
    def render(self, annotation: Annotation, view: View) -> Floats:
        """The condition channels, (channels, view.height, view.width) float32 in [-1, 1].

        Fast and exact, with numpy and OpenCV only; never the library that `annotate` needs.
        """

    @abstractmethod
    def picture(self, annotation: Annotation, view: View) -> Bytes:
        """The condition for people, (view.height, view.width, 3) uint8 RGB."""

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """What `retarget` and framing need to know about a clip, as plain JSON data.

        Annotations with quality 0 may be among them. Must cope with none found at all: return {}.
        """
        return {}

    def retarget(
        self, annotations: Iterable[Annotation], source: Statistics, target: Statistics
    ) -> Iterator[Annotation]:
        """A source's annotations brought to the target's place and proportions, one for one, in order."""
        yield from annotations

    def fingerprint(self) -> dict[str, Any]:
        """What the annotations depend on: options, backend, versions; plain JSON data."""
        return {"name": self.spec.name, "api": self.spec.api, "options": self.options.model_dump(mode="json")}


def nothing(height: int, width: int, shapes: Mapping[str, tuple[int, int]]) -> Annotation:
    """The empty annotation: every point NaN, quality 0."""
    points = {name: np.full(shape, np.nan, dtype=np.float32) for name, shape in shapes.items()}
    return Annotation(height, width, 0.0, points)
