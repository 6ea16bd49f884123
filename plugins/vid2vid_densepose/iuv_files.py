"""IUV pictures that were made elsewhere: which channel is which differs from program to program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, Footage, LabelFilesError, check_count, label_files, placed, read_labels
from vid2vid_densepose.parts import COUNT

Order = Literal["auto", "iuv", "ivu", "uiv", "viu", "uvi", "vui"]
ENDINGS = (".png", ".tif", ".tiff", ".bmp")
"""Of files that keep every number."""
OPTION = "densepose.iuv_dir"
LIKELY: tuple[Order, ...] = ("iuv", "uiv", "vui")
"""The order for each place that I may have: as OpenCV writes I, U, V it becomes V, U, I."""


class IuvFiles:
    """IUV pictures of a video, one for each frame.

    Raises: MissingFileError, LabelFilesError (no pictures, or not of parts), FilesMismatchError (another number).
    """

    def __init__(self, folder: Path, order: Order, footage: Footage | None) -> None:
        self._footage = footage
        self._files = label_files(folder.expanduser(), ENDINGS)
        check_count(len(self._files), footage, folder, OPTION)
        letters = self._guess(folder) if order == "auto" else order
        self._order = tuple(letters.index(letter) for letter in "iuv")

    def read(self, frames: Iterable[Bytes]) -> Iterator[Bytes]:
        """For each frame what its file shows, I, U and V, (h, w, 3) uint8."""
        last: tuple[int, Bytes] | None = None
        for index, frame in enumerate(frames):
            number = index if self._footage is None else self._footage.number(index)
            check_count(len(self._files), self._footage, self._files[0].parent, OPTION, number)
            shape = frame.shape[0], frame.shape[1]
            if last is None or last[0] != number or last[1].shape[:2] != shape:
                path = self._files[number]
                shown = placed(self._checked(path), str(path), shape, self._footage, nearest=True)
                somebody = shown[:, :, self._order[0]] > 0
                last = number, np.stack([shown[:, :, place] * somebody for place in self._order], axis=2)
            yield last[1]

    def _checked(self, path: Path) -> Bytes:
        """The picture as it is stored, once its parts are known to be parts."""
        picture = _picture(path)
        part = cv2.extractChannel(picture, self._order[0])
        if part.max(initial=0) > COUNT:
            row, column = (int(place[0]) for place in np.nonzero(part > COUNT))
            raise LabelFilesError(
                f"{path} holds the part {part[row, column]} at x={column}, y={row}; there are {COUNT}.",
                f"Say which channel is which: {_ways()}.",
            )
        return picture

    def _guess(self, folder: Path) -> Order:
        """The order in which only one channel can be the parts: U and V go to 255."""
        most = np.zeros(3, dtype=np.int64)
        for path in self._files:
            most = np.maximum(most, [int(channel.max()) for channel in cv2.split(_picture(path))])
            fitting = np.flatnonzero(most <= COUNT)
            if not len(fitting):
                raise LabelFilesError(
                    f"{path} is no IUV picture: none of its channels (up to {', '.join(map(str, most))}) are parts "
                    f"from 0 to {COUNT}.",
                    "Wanted are the numbers I, U, V as DensePose gives them, not a picture for people.",
                )
            if len(fitting) == 1:
                return LIKELY[int(fitting[0])]
        if not most.any():  # nobody anywhere: any order will do
            return "iuv"
        raise LabelFilesError(
            f"{folder} does not show which channel is the part: {len(np.flatnonzero(most <= COUNT))} of them never "
            f"exceed {COUNT}.",
            f"Say which channel is which: {_ways()}.",
        )


def _picture(path: Path) -> NDArray[Any]:
    picture = read_labels(path)
    if picture.ndim != 3 or picture.dtype != np.uint8:
        kind = f"{picture.dtype.itemsize * 8} bits and {picture.shape[2] if picture.ndim == 3 else 1} channel(s)"
        raise LabelFilesError(f"{path} has {kind}.", "An IUV picture has three channels of 8 bits: I, U and V.")
    return picture


def _ways() -> str:
    return "--option densepose.order=iuv (red, green, blue), or vui as OpenCV writes I, U, V"
