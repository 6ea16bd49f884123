"""The conditioner `labels`: reads and checks existing label video; it has no detector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    Annotation,
    ConditionArray,
    Conditioner,
    ConditionerSpec,
    LabelClass,
    LabelFileError,
    MissingFileError,
    Options,
    Statistics,
    UInt8Array,
    VideoFrame,
    View,
    align_to_frames,
    subsample,
    view_image,
)
from vid2vid_labels import SPEC
from vid2vid_labels.auto_options import resolve_auto_options
from vid2vid_labels.classes import DEFAULT_IGNORE_IDS, ClassTable, resolve_classes
from vid2vid_labels.drawing import colourise, fill_one_hot, instance_outlines
from vid2vid_labels.label_decoder import LabelDecoder, decode_instance_ids
from vid2vid_labels.label_reader import LabelReader
from vid2vid_labels.label_values import PaletteRecord
from vid2vid_labels.options import LabelOptions

OUTLINE_COLOUR = (255, 255, 255)


class Labels(Conditioner):
    """Class labels, and outlines of instances."""

    spec: ClassVar[ConditionerSpec] = SPEC
    Options: ClassVar[type[Options]] = LabelOptions
    input_option: ClassVar[str] = "input_dir"
    has_detector: ClassVar[bool] = False
    options: LabelOptions

    def __init__(self, options: LabelOptions | None = None) -> None:
        """Resolve `auto` options from the label images, if they are set.

        Raises: LabelFileError (ids or colours whose classes must be set).
        """
        super().__init__(options)
        self.options, self.remarks = resolve_auto_options(self.options)

    @property
    def num_channels(self) -> int:
        """One per class, or three for RGB images; and one for outlines of instances."""
        return self._num_content_channels + bool(self.options.instance_edges)

    @property
    def _num_content_channels(self) -> int:
        return 3 if self._is_rgb else len(self._class_table.classes)

    @property
    def _is_rgb(self) -> bool:
        return self.options.format == "rgb"

    @cached_property
    def _class_table(self) -> ClassTable:
        options = self.options
        if options.format == "auto" or (options.classes == "auto" and not self._is_rgb):
            raise _missing_labels_error()
        default_ignore_ids = DEFAULT_IGNORE_IDS.get(options.classes, ()) if isinstance(options.classes, str) else ()
        ignore_ids = default_ignore_ids if options.ignore_ids is None else options.ignore_ids
        return ClassTable(resolve_classes(options.classes), ignore_ids)

    def classes(self) -> tuple[LabelClass, ...]:
        """Return the classes in the order of their channels; () for RGB images."""
        return () if self._is_rgb else self._class_table.classes

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        """Yield the image `labels` (h, w) of ids, or `rgb` (h, w, 3); and `instances` (h, w) uint16 for outlines.

        Only the size and number of the frames are used. The quality is always 1.

        Raises: MissingFileError, InputFileMismatchError (counts or aspect ratios), LabelFileError (unknown ids).
        """
        with ExitStack() as stack:
            readers = {name: stack.enter_context(closing(reader)) for name, reader in self._open_readers().items()}
            pairings = {name: reader.pair_with_frames(self.video_context) for name, reader in readers.items()}
            decoder = None if self._is_rgb else self._make_decoder()
            palettes = {name: PaletteRecord() for name in readers if self._has_ids(name)}
            for name, palette_record in palettes.items():
                readers[name].check_palettes(palette_record)
            cached: tuple[dict[str, int], Annotation] | None = None
            for index, frame in enumerate(frames):
                image_indices = {name: pairing[index] for name, pairing in pairings.items()}
                height, width = frame.rgb.shape[:2]
                if (
                    cached is None
                    or cached[0] != image_indices
                    or (cached[1].height, cached[1].width) != (height, width)
                ):
                    images = {
                        name: self._read_image(
                            name, reader, image_indices[name], (height, width), decoder, palettes.get(name)
                        )
                        for name, reader in readers.items()
                    }
                    cached = (image_indices, Annotation(height, width, 1.0, images=images))
                yield cached[1]

    def _open_readers(self) -> dict[str, LabelReader]:
        """Return image name -> reader; checks that each stores ids exactly."""
        options = self.options
        if options.input_dir is None:
            raise _missing_labels_error()
        readers = {"rgb" if self._is_rgb else "labels": LabelReader(options.input_dir, "labels.input_dir")}
        if options.instance_edges and options.instances is None:
            raise MissingFileError(
                "labels.instance_edges is true, but labels.instances is not set.",
                "--conditioner-option labels.instances=FOLDER, with one grey image of 8 or 16 bits per frame",
            )
        if options.instance_edges and options.instances is not None:
            readers["instances"] = LabelReader(options.instances, "labels.instances")
        for name, reader in readers.items():
            if self._has_ids(name) and not reader.is_exact:
                raise LabelFileError(
                    f"{reader.path} is stored as {reader.storage_description}, which does not preserve ids.",
                    "Use PNG files or FFV1: ffmpeg -i labels/%05d.png -pix_fmt gray -c:v ffv1 labels.mkv",
                )
        return readers

    def _has_ids(self, name: str) -> bool:
        """Whether the stored values of an image are ids."""
        return name == "instances" or self.options.format == "ids"

    def _make_decoder(self) -> LabelDecoder:
        return LabelDecoder(
            self._class_table, is_colour_coded=self.options.format == "colours", snap_colours=self.options.snap_colours
        )

    def _read_image(
        self,
        name: str,
        reader: LabelReader,
        image_index: int,
        shape: tuple[int, int],
        decoder: LabelDecoder | None,
        palette_record: PaletteRecord | None,
    ) -> NDArray[Any]:
        image, image_name = reader.read(image_index), reader.image_name(image_index)
        if palette_record is not None:
            palette_record.check(image, image_name)
        if name == "instances":
            values: NDArray[Any] = decode_instance_ids(image, image_name)
        else:
            values = image.rgb if decoder is None else decoder(image, image_name)
        return align_to_frames(values, image_name, shape, self.video_context, nearest=name != "rgb")

    def render(self, annotation: Annotation, view: View) -> ConditionArray:
        """Return (classes [+ 1], height, width): 1 in the channel of a pixel's class, else -1; or (3 [+ 1], ...) RGB.

        Labels use nearest-neighbour sampling. The optional last channel is 1 on instance outlines, at the view's size.
        """
        dtype = np.float32 if self._is_rgb else np.int8
        channels: ConditionArray = np.full((self.num_channels, view.height, view.width), -1, dtype=dtype)
        if self._is_rgb and "rgb" in annotation.images:
            image = view_image(annotation.images["rgb"], view)
            channels[:3] = image.transpose(2, 0, 1) * np.float32(1 / 127.5) - 1
        elif "labels" in annotation.images:
            fill_one_hot(channels[: self._num_content_channels], self._channel_map(annotation, view))
        if self.options.instance_edges and "instances" in annotation.images:
            channels[-1][self._view_outlines(annotation, view)] = 1
        return channels

    def visualize(self, annotation: Annotation, view: View) -> UInt8Array:
        """Return classes in their colours, or the RGB image, with instance outlines in white."""
        canvas = np.zeros((view.height, view.width, 3), dtype=np.uint8)
        if self._is_rgb and "rgb" in annotation.images:
            canvas = view_image(annotation.images["rgb"], view)
        elif "labels" in annotation.images:
            canvas = colourise(self._channel_map(annotation, view), self._class_table.channel_colours)
        if self.options.instance_edges and "instances" in annotation.images:
            canvas[self._view_outlines(annotation, view)] = OUTLINE_COLOUR
        return canvas

    def _channel_map(self, annotation: Annotation, view: View) -> NDArray[np.int32]:
        """Return (height, width): the channel of each pixel; the number of classes for pixels without one."""
        ids = view_image(annotation.images["labels"], view, nearest=True)
        channel_map: NDArray[np.int32] = self._class_table.id_to_channel[ids]
        return channel_map

    def _view_outlines(self, annotation: Annotation, view: View) -> NDArray[np.bool_]:
        return instance_outlines(view_image(annotation.images["instances"], view, nearest=True))

    def statistics(self, annotations: Sequence[Annotation]) -> Statistics:
        """Return the frame size, and the pixel shares of the classes that occur, from a sample of the frames."""
        if not len(annotations):
            return {}
        counts = np.zeros(0 if self._is_rgb else len(self._class_table.classes) + 1)
        first_annotation = annotations[0]
        for annotation in subsample(annotations):
            if not self._is_rgb and "labels" in annotation.images:
                counts += np.bincount(
                    self._class_table.id_to_channel[annotation.images["labels"]].ravel(), minlength=len(counts)
                )
        result: Statistics = {"height": first_annotation.height, "width": first_annotation.width}
        if counts.sum():
            shares = zip(self.classes(), (counts / counts.sum()).tolist(), strict=False)
            result["class_shares"] = {c.name: round(share, 5) for c, share in shares if share}
        return result


def _missing_labels_error() -> MissingFileError:
    return MissingFileError(
        "The conditioner labels reads existing label images, but labels.input_dir is not set.",
        "--conditioner-option labels.input_dir=FOLDER, with one image per frame, or labels.input_dir=VIDEO.mkv",
    )
