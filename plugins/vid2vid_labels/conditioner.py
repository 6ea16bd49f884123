"""Label video that exists already as a conditioner: nothing is found, everything is read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    Annotation,
    Bytes,
    Channels,
    Conditioner,
    ConditionerSpec,
    LabelClass,
    LabelFilesError,
    MissingFileError,
    Options,
    Statistics,
    View,
    placed,
    spread,
    view_image,
)
from vid2vid_labels import SPEC
from vid2vid_labels.auto_options import settle
from vid2vid_labels.classes import IGNORED, ClassTable, classes_of
from vid2vid_labels.drawing import coloured, outlines, set_channels
from vid2vid_labels.label_decoder import Decoder, as_instances, as_rgb
from vid2vid_labels.label_reader import LabelPictures
from vid2vid_labels.options import LabelOptions

WHITE = (255, 255, 255)


class Labels(Conditioner):
    """Label pictures, and outlines of instances."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = LabelOptions
    reads: ClassVar[str] = "dir"
    finds: ClassVar[bool] = False
    options: LabelOptions

    def __init__(self, options: LabelOptions | None = None) -> None:
        """Where the options name pictures and leave something to `auto`, these are looked at.

        Raises: LabelFilesError (ids or colours whose classes must be named).
        """
        super().__init__(options)
        self.options, self.remarks = settle(self.options)

    @property
    def channels(self) -> int:
        """One per class, or three for drawings; and one for outlines of instances."""
        return self._content + bool(self.options.edges)

    @property
    def _content(self) -> int:
        return 3 if self._drawing else len(self._table.classes)

    @property
    def _drawing(self) -> bool:
        return self.options.kind == "rgb"

    @cached_property
    def _table(self) -> ClassTable:
        options = self.options
        if options.kind == "auto" or (options.classes == "auto" and not self._drawing):
            raise MissingFileError(
                "The conditioner labels reads label pictures that exist already, and none were named.",
                "--option labels.dir=FOLDER, with one picture per frame, or labels.dir=VIDEO.mkv",
            )
        by_default = IGNORED.get(options.classes, ()) if isinstance(options.classes, str) else ()
        ignored = by_default if options.ignore is None else options.ignore
        return ClassTable(classes_of(options.classes), ignored)

    def classes(self) -> tuple[LabelClass, ...]:
        """The classes in the order of their channels; () of drawings."""
        return () if self._drawing else self._table.classes

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        """The image `labels` (h, w) of ids, or `rgb` (h, w, 3); and `instances` (h, w) uint16 where there are edges.

        The frames give their size and count alone. Quality is 1: what is not there is an error.

        Raises: MissingFileError, FilesMismatchError (counts or shapes), LabelFilesError (ids of no class).
        """
        with ExitStack() as stack:
            opened = {name: stack.enter_context(closing(pictures)) for name, pictures in self._open().items()}
            decoder = None if self._drawing else self._decoder()
            last: tuple[int, Annotation] | None = None
            for index, frame in enumerate(frames):
                number = index if self.footage is None else self.footage.number(index)
                height, width = frame.shape[:2]
                if last is None or last[0] != number or (last[1].height, last[1].width) != (height, width):
                    images = {
                        name: self._read(name, pictures, number, (height, width), decoder)
                        for name, pictures in opened.items()
                    }
                    last = (number, Annotation(height, width, 1.0, images=images))
                yield last[1]

    def _open(self) -> dict[str, LabelPictures]:
        """Name of the image -> its pictures, as many as the video has frames."""
        options = self.options
        if options.dir is None:
            raise MissingFileError(
                "The conditioner labels reads label pictures that exist already, and none were named.",
                "--option labels.dir=FOLDER, with one picture per frame, or labels.dir=VIDEO.mkv",
            )
        opened = {"rgb" if self._drawing else "labels": LabelPictures(options.dir, "labels.dir")}
        if options.edges and options.instances is None:
            raise MissingFileError(
                "Outlines of instances are wanted (labels.edges), and no instance ids were named.",
                "--option labels.instances=FOLDER, with one grey picture of 8 or 16 bits per frame.",
            )
        if options.edges and options.instances is not None:
            opened["instances"] = LabelPictures(options.instances, "labels.instances")
        for name, pictures in opened.items():
            pictures.check(self.footage)
            blurred = name == "instances" or (options.kind == "ids")
            if blurred and not pictures.exact:
                raise LabelFilesError(
                    f"{pictures.path} is stored as {pictures.stored_as}, which does not keep ids exactly.",
                    "Make PNG files or FFV1: ffmpeg -i labels/%05d.png -pix_fmt gray -c:v ffv1 labels.mkv",
                )
        return opened

    def _decoder(self) -> Decoder:
        return Decoder(self._table, colours=self.options.kind == "colours", nearest=self.options.nearest)

    def _read(
        self, name: str, pictures: LabelPictures, number: int, shape: tuple[int, int], decoder: Decoder | None
    ) -> NDArray[Any]:
        picture, called = pictures.read(number), pictures.name(number)
        if name == "instances":
            picture = as_instances(picture, called)
        elif decoder is None:
            picture = as_rgb(picture)
        else:
            picture = decoder(picture, called)
        return placed(picture, called, shape, self.footage, nearest=name != "rgb")

    def render(self, annotation: Annotation, view: View) -> Channels:
        """(classes [+ 1], height, width): 1 in the channel of a pixel's class, -1 elsewhere; or (3 [+ 1], ...) RGB.

        Labels take the nearest pixel. The last channel, if any, is 1 on the outlines of instances at this size.
        """
        kind = np.float32 if self._drawing else np.int8
        channels: Channels = np.full((self.channels, view.height, view.width), -1, dtype=kind)
        if self._drawing and "rgb" in annotation.images:
            seen = view_image(annotation.images["rgb"], view)
            channels[:3] = seen.transpose(2, 0, 1) * np.float32(1 / 127.5) - 1
        elif "labels" in annotation.images:
            set_channels(channels[: self._content], self._channel(annotation, view))
        if self.options.edges and "instances" in annotation.images:
            channels[-1][self._outlines(annotation, view)] = 1
        return channels

    def picture(self, annotation: Annotation, view: View) -> Bytes:
        """Classes in their colours, drawings as they are, outlines of instances in white."""
        canvas = np.zeros((view.height, view.width, 3), dtype=np.uint8)
        if self._drawing and "rgb" in annotation.images:
            canvas = view_image(annotation.images["rgb"], view)
        elif "labels" in annotation.images:
            canvas = coloured(self._channel(annotation, view), self._table.colours)
        if self.options.edges and "instances" in annotation.images:
            canvas[self._outlines(annotation, view)] = WHITE
        return canvas

    def _channel(self, annotation: Annotation, view: View) -> NDArray[np.int32]:
        """(height, width): the channel of each pixel, the number of classes where it has none."""
        ids = view_image(annotation.images["labels"], view, nearest=True)
        channel: NDArray[np.int32] = self._table.channel[ids]
        return channel

    def _outlines(self, annotation: Annotation, view: View) -> NDArray[np.bool_]:
        return outlines(view_image(annotation.images["instances"], view, nearest=True))

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Frame size, and of classes that occur the share of pixels by name, from some of the frames."""
        if not len(annotations):
            return {}
        counts = np.zeros(0 if self._drawing else len(self._table.classes) + 1)
        first = annotations[0]
        for one in spread(annotations):
            if not self._drawing and "labels" in one.images:
                counts += np.bincount(self._table.channel[one.images["labels"]].ravel(), minlength=len(counts))
        found: Statistics = {"height": first.height, "width": first.width}
        if counts.sum():
            shares = zip(self.classes(), (counts / counts.sum()).tolist(), strict=False)
            found["shares"] = {one.name: round(share, 5) for one, share in shares if share}
        return found
