"""IUV images from files; the order of the channels differs between programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    LabelFileError,
    UInt8Array,
    VideoContext,
    align_to_frames,
    expand_home,
    list_label_files,
    load_label_image,
    pair_with_frames,
)
from vid2vid_densepose.parts import NUM_PARTS

ChannelOrder = Literal["auto", "iuv", "ivu", "uiv", "viu", "uvi", "vui"]
LOSSLESS_SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
"""Suffixes of lossless image files."""
OPTION_NAME = "densepose.input_dir"
COMMON_ORDERS: tuple[ChannelOrder, ...] = ("iuv", "uiv", "vui")
"""The usual order for each position of I; I, U, V written by OpenCV becomes V, U, I."""


class IuvReader:
    """IUV images of a video, one for each frame.

    Raises: MissingFileError, LabelFileError (no images, or not IUV), InputFileMismatchError (number of images).
    """

    def __init__(self, folder: Path, channel_order: ChannelOrder, video_context: VideoContext | None) -> None:
        self._video_context = video_context
        folder = expand_home(folder)
        self._files = list_label_files(folder, LOSSLESS_SUFFIXES)
        self._pairing = pair_with_frames(folder, self._files, video_context, option_name=OPTION_NAME)
        resolved_order = self._guess_order(folder) if channel_order == "auto" else channel_order
        self._channel_indices = tuple(resolved_order.index(letter) for letter in "iuv")

    def read(self, frames: Iterable[UInt8Array]) -> Iterator[UInt8Array]:
        """Yield the IUV image (h, w, 3) uint8 of each frame."""
        cached: tuple[int, UInt8Array] | None = None
        for index, frame in enumerate(frames):
            file_index, shape = self._pairing[index], (frame.shape[0], frame.shape[1])
            if cached is None or cached[0] != file_index or cached[1].shape[:2] != shape:
                path = self._files[file_index]
                image = align_to_frames(self._read_checked(path), str(path), shape, self._video_context, nearest=True)
                person_mask = image[:, :, self._channel_indices[0]] > 0
                channels = [image[:, :, channel] * person_mask for channel in self._channel_indices]
                cached = (file_index, np.stack(channels, axis=2))
            yield cached[1]

    def _read_checked(self, path: Path) -> UInt8Array:
        """Return the stored image after a check of its part numbers."""
        image = _read_iuv_image(path)
        part_map = cv2.extractChannel(image, self._channel_indices[0])
        if part_map.max(initial=0) > NUM_PARTS:
            row, column = (int(indices[0]) for indices in np.nonzero(part_map > NUM_PARTS))
            raise LabelFileError(
                f"{path} contains the part {part_map[row, column]} at x={column}, y={row}; the maximum is {NUM_PARTS}.",
                f"Set the order of the channels: {_order_hint()}.",
            )
        return image

    def _guess_order(self, folder: Path) -> ChannelOrder:
        """Return the channel order: I is the only channel that never exceeds 24, as U and V go up to 255."""
        channel_max = np.zeros(3, dtype=np.int64)
        for path in self._files:
            channel_max = np.maximum(channel_max, [int(channel.max()) for channel in cv2.split(_read_iuv_image(path))])
            part_channels = np.flatnonzero(channel_max <= NUM_PARTS)
            if not len(part_channels):
                raise LabelFileError(
                    f"{path} is not an IUV image: all channels exceed {NUM_PARTS} (maxima: "
                    f"{', '.join(map(str, channel_max))}).",
                    "Use images with the values I, U, V of DensePose, not a visualisation.",
                )
            if len(part_channels) == 1:
                return COMMON_ORDERS[int(part_channels[0])]
        if not channel_max.any():  # no person on any frame: the order has no effect
            return "iuv"
        num_candidates = len(np.flatnonzero(channel_max <= NUM_PARTS))
        raise LabelFileError(
            f"The part channel of {folder} is ambiguous: {num_candidates} channels never exceed {NUM_PARTS}.",
            f"Set the order of the channels: {_order_hint()}.",
        )


def _read_iuv_image(path: Path) -> NDArray[Any]:
    label_image = load_label_image(path)
    image = label_image.values if label_image.palette is None else label_image.rgb  # few colours are often indexed
    if image.ndim != 3 or image.dtype != np.uint8:
        description = f"{image.dtype.itemsize * 8} bits and {image.shape[2] if image.ndim == 3 else 1} channel(s)"
        raise LabelFileError(f"{path} has {description}.", "An IUV image has three channels of 8 bits: I, U and V.")
    return image


def _order_hint() -> str:
    return "--conditioner-option densepose.channel_order=iuv (red, green, blue), or vui if OpenCV wrote I, U, V"
