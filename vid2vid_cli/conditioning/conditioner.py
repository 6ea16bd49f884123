"""The contract of a conditioner: annotate, render, retarget."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from vid2vid_cli.conditioning.mirroring import exchange_of, mirror_images, mirror_points
from vid2vid_cli.conditioning.spec import ConditionerSpec
from vid2vid_cli.conditioning.video_context import Footage
from vid2vid_cli.core.geometry import Bytes, Floats, View

Role = Literal["finding", "drawing", "files"]
"""What an option acts on."""
Self = TypeVar("Self", bound="Conditioner")
Channels: TypeAlias = "NDArray[np.float32 | np.int8]"
Statistics = dict[str, Any]
"""Plain JSON data about a clip; the key `focus`, where present, is the box (x0, y0, x1, y1) in pixels of the
annotated frame that a model should look at; `shares` the share of the pixels of each class that occurs, by name."""


class Options(BaseModel):
    """Base of a conditioner's options: frozen, and unknown names are refused.

    A plain `Field` says how things are found: another value wants another `prepare`. `files_option` names one video's
    own files. `drawing_option` acts in `render`, `picture` and `augment` alone, and may be changed in training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def names(cls, role: Role) -> tuple[str, ...]:
        """The options of a role."""
        return tuple(name for name, field in cls.model_fields.items() if role_of(field) == role)

    def lasting(self) -> dict[str, Any]:
        """What a dataset and a checkpoint remember, as plain JSON: all but the files of one video."""
        return self.model_dump(mode="json", exclude=set(self.names("files")))


AnyOptions: TypeAlias = Options
"""The same class, where `Options` is already the name of a conditioner's own."""


def role_of(field: FieldInfo) -> Role:
    """What an option acts on."""
    extra = field.json_schema_extra
    return cast("Role", extra["role"]) if isinstance(extra, dict) and "role" in extra else "finding"


def files_option(description: str) -> Any:
    """An option `Path | None`: files made beside one video (a folder or a file). Never remembered; default None."""
    return Field(None, description=description, json_schema_extra={"role": "files"})


def drawing_option(default: Any, description: str, *, ge: float | None = None, le: float | None = None) -> Any:
    """An option that changes what is drawn and not what is found; training may set it anew."""
    return Field(default, description=description, ge=ge, le=le, json_schema_extra={"role": "drawing"})


@dataclass(frozen=True)
class LabelClass:
    """One class of a label map."""

    id: int
    name: str
    colour: tuple[int, int, int]
    """RGB, for people."""


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
    Options: ClassVar[type[AnyOptions]] = Options
    retargets: ClassVar[bool] = False
    """Whether `retarget` brings annotations into the target's frame; if not, they keep the source's."""
    reads: ClassVar[str] = ""
    """The `files_option` through which labels that exist already are read instead of found; "" where there is none."""
    finds: ClassVar[bool] = True
    """Whether it can find things on any video; False: it only reads what exists already."""
    sides: ClassVar[Mapping[str, tuple[int, ...]]] = {}
    """Name of points -> the row that stands in the place of each in a mirror, for one person: the left eye's for the
    right eye's. Not needed of points without sides, nor for those whose names tell them: `left_hand`, `right_hand`."""
    offers: ClassVar[tuple[str, ...]] = ()
    """Names of what `regions` may find: the field's words, such as face, eyes, mouth, hands."""

    def __init__(self, options: AnyOptions | None = None) -> None:
        self.options = options if options is not None else type(self).Options()
        self.footage: Footage | None = None
        """Which frames `annotate` is about to see, where the caller said so."""
        self.remarks: tuple[str, ...] = ()
        """What was assumed about the files that the options name, in sentences for people."""

    def of(self: Self, footage: Footage) -> Self:
        """This conditioner for one video: what `annotate` of the copy reads belongs to that video."""
        bound = copy(self)
        bound.footage = footage
        return bound

    def files(self) -> list[Path]:
        """The files and folders that the `files_option`s name, as given."""
        values = [getattr(self.options, name) for name in self.options.names("files")]
        return [value for value in values if value is not None]

    @property
    @abstractmethod
    def channels(self) -> int:
        """How many condition channels `render` gives."""

    @property
    def serial(self) -> bool:
        """Whether at most one thread of `annotate` works at a time, so that one core is as good for it as several."""
        return False

    @abstractmethod
    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        """One annotation per frame, in order; frames are (h, w, 3) uint8 RGB and may be drawn a few ahead.

        All state (trackers, smoothing) lives inside the call. Nothing found is an annotation of quality 0.

        Raises: MissingPackageError, MissingWeightsError.
        """

    @abstractmethod
    def render(self, annotation: Annotation, view: View) -> Channels:
        """The condition channels, (channels, view.height, view.width) float32 in [-1, 1], or int8 of -1, 0 and 1 alone.

        Label maps are better int8: many channels, of which a clip then takes a quarter of the memory.

        Fast and exact, with numpy and OpenCV only; never the library that `annotate` needs. Several threads may call
        it at once, as all that training asks for. A line's width is a share of `view.whole`, so that it is the same
        in any part of a picture.
        """

    @abstractmethod
    def picture(self, annotation: Annotation, view: View) -> Bytes:
        """The condition for people, (view.height, view.width, 3) uint8 RGB."""

    def augment(self, annotations: Sequence[Annotation], random: np.random.Generator) -> Sequence[Annotation]:
        """The annotations of one training clip, varied as the options say; one draw for the whole clip.

        Drawn once per clip, because what changes from frame to frame teaches a model to flicker.
        """
        return annotations

    def mirror(self, annotation: Annotation) -> Annotation:
        """What would be found on the mirrored frame: all turned about its middle, and left and right exchanged.

        Of points as `sides` say, and of names: of points, images and classes, where both `left` and `right` occur.
        To be overridden where more than that tells one side from the other. Twice is the annotation itself.
        """
        exchange = exchange_of(tuple((one.id, one.name) for one in self.classes()))
        points = mirror_points(annotation.points, annotation.width, self.sides)
        return replace(annotation, points=points, images=mirror_images(annotation.images, exchange))

    def regions(self, annotation: Annotation, view: View) -> dict[str, Floats]:
        """What is worth a closer look in training: each name of `offers` -> boxes (n, 4) float32.

        Boxes are (x0, y0, x1, y1) in pixels of the picture, and may lie outside of it; NaN where nothing was found. A
        name's n is the same on every frame. Whatever the options leave out of the condition is still where it is.
        """
        return {}

    def classes(self) -> tuple[LabelClass, ...]:
        """The classes of its label maps; () where it yields none."""
        return ()

    def class_channels(self) -> dict[str, int]:
        """Name of a class -> its channel in `render`; without those that share one. As here, in their order."""
        return {one.name: index for index, one in enumerate(self.classes())}

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """What `retarget` and framing need to know about a clip, as plain JSON data.

        Annotations with quality 0 may be among them. Must cope with none found at all: return {}. Each is read from
        disk when it is asked for: `spread` gives some of them, where pictures would take long.
        """
        return {}

    def retarget(
        self, annotations: Iterable[Annotation], source: Statistics, target: Statistics
    ) -> Iterator[Annotation]:
        """A source's annotations brought to the target's place and proportions, one for one, in order."""
        yield from annotations

    def distances(self, found: Annotation, wanted: Annotation) -> dict[str, float]:
        """How far what is found on a picture is from what it was made from, by name; for `evaluate`.

        Both are in pixels of the picture. A name says what is measured and is no other conditioner's, its unit stands
        in this docstring; {} where nothing can be said: nothing found, or (as here) no measure of its own.
        """
        return {}

    def fingerprint(self) -> dict[str, Any]:
        """What the annotations depend on: how things are found, backend, versions; plain JSON data.

        Not the files of a video, which `prepare` looks at itself, nor how things are drawn.
        """
        left_out = {*self.options.names("files"), *self.options.names("drawing")}
        options = self.options.model_dump(mode="json", exclude=left_out)
        return {"name": self.spec.name, "api": self.spec.api, "options": options}


def nothing(height: int, width: int, shapes: Mapping[str, tuple[int, int]]) -> Annotation:
    """The empty annotation: every point NaN, quality 0."""
    points = {name: np.full(shape, np.nan, dtype=np.float32) for name, shape in shapes.items()}
    return Annotation(height, width, 0.0, points)
