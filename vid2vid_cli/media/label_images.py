"""Label images: ids exactly as stored, with the palette of indexed images.

OpenCV replaces the indices of an indexed image with colours and scales grey of 1, 2 and 4 bits to 0..255; Pillow does
not, except for grey of 2 and 4 bits, which is scaled back here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vid2vid_cli.core.errors import LabelFileError, MissingFileError
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.media.file_pairing import sort_files
from vid2vid_cli.media.files import write_frame_file
from vid2vid_cli.media.image_header import DECODE_ERRORS, open_image, read_regular_file
from vid2vid_cli.media.images import load_png

MAX_ID = 65535
"""Label ids have up to 16 bits."""

# zlib level 1 with run lengths: as small as level 6 on label maps, and twice as fast.
FAST_COMPRESSION, RUN_LENGTHS = 1, 3


@dataclass(frozen=True)
class LabelImage:
    """A label image as stored: `values` are ids (h, w) uint8 or uint16, or RGB (h, w, 3) uint8 or uint16.

    Those of an indexed image are the indices, and `palette` contains their colours, (n, 3) uint8 RGB.
    """

    values: NDArray[Any]
    palette: UInt8Array | None = None

    @property
    def rgb(self) -> UInt8Array:
        """The colours, (h, w, 3) uint8: of an indexed image those of its palette; of 16-bit values the high byte."""
        if self.palette is not None:
            colours: UInt8Array = self.palette[self.values]
            return colours
        values: UInt8Array = (self.values >> 8 if self.values.dtype == np.uint16 else self.values).astype(np.uint8)
        return np.repeat(values[:, :, None], 3, axis=2) if values.ndim == 2 else values


def palette(class_colours: Mapping[int, tuple[int, int, int]] | None = None) -> UInt8Array:
    """256 colours, (256, 3) uint8 RGB: the given class colours, and for other ids the Pascal VOC colour map.

    The VOC map spreads the bits of the id over the high bits of the channels; id 0 is black.
    """
    index = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((index >> channel) & 1) << (7 - bit)
        index = index >> 3
    for label, colour in (class_colours or {}).items():
        if label < len(colours):
            colours[label] = colour
    return colours.astype(np.uint8)


def save_indexed_png(path: Path, labels: UInt8Array, palette_colours: UInt8Array | None = None) -> None:
    """Write (h, w) uint8 labels as indexed PNG, atomically; `palette_colours` (256, 3) uint8, default `palette()`.

    Viewers show the labels in these colours. The folder must exist.
    Raises DiskFullError, PermissionDeniedError, MissingFileError (no such folder).
    """
    image = Image.fromarray(labels)
    image.putpalette((palette() if palette_colours is None else palette_colours).tobytes())
    content = BytesIO()  # Pillow hides the reason why a file cannot be written, such as a full disk
    image.save(content, format="PNG", compress_level=FAST_COMPRESSION, compress_type=RUN_LENGTHS)
    write_frame_file(path, content.getvalue())


def list_label_files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The visible files of a folder with one of `suffixes` (lower case, with dot), in natural order.

    Raises MissingFileError (no such folder), LabelFileError (no such files), InputFileMismatchError (two files with the
    same name or number).
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder} is not a folder.", "Give a folder with one file per frame.")
    candidates = (p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.name[0] != "." and p.is_file())
    files = sort_files(candidates)
    if not files:
        suffix_text = " or ".join(suffixes)
        raise LabelFileError(f"{folder} contains no {suffix_text} file.", "Give a folder with one file per frame.")
    return files


def load_label_image(path: Path) -> LabelImage:
    """Load a label image as stored; the alpha channel is dropped.

    Raises LabelFileError (damaged, or ids that are not integers up to 65535), NotAVideoError (not an image, or too
    large), MissingFileError, PermissionDeniedError.
    """
    image = open_image(path, read_regular_file(path))
    raw_mode = _raw_mode(image)
    if raw_mode.startswith(("RGB", "LA")) and "16" in raw_mode:  # Pillow would reduce them to 8 bits
        return LabelImage(load_png(path)[:, :, :3])
    try:
        image.load()
    except DECODE_ERRORS as error:
        raise LabelFileError(f"{path} is damaged: {error}.", "Export this file again.") from error
    if image.mode == "P":
        colours = np.array(image.getpalette() or (), dtype=np.uint8).reshape(-1, 3)
        return LabelImage(np.array(image), np.pad(colours, ((0, 256 - len(colours)), (0, 0))))
    if image.mode == "1":
        return LabelImage(np.array(image).astype(np.uint8))
    if image.mode == "L":
        bit_depth = re.search(r";([24])", raw_mode)
        return LabelImage(np.array(image) // np.uint8(255 // (2 ** int(bit_depth[1]) - 1) if bit_depth else 1))
    if image.mode.startswith(("I", "F")):
        return LabelImage(_to_uint16(path, np.array(image)))
    return LabelImage(np.array(image.convert("RGB")))


def _raw_mode(image: Image.Image) -> str:
    """Pillow's name of the stored pixel format before it is decoded: "L;4" for grey of 4 bits."""
    tiles: Any = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _to_uint16(path: Path, ids: NDArray[Any]) -> NDArray[np.uint16]:
    min_id, max_id = ids.min(initial=0), ids.max(initial=0)
    if ids.dtype.kind == "f" or min_id < 0 or max_id > MAX_ID:
        raise LabelFileError(
            f"{path} contains {ids.dtype} values from {min_id} to {max_id}; label ids are integers from 0 to {MAX_ID}.",
            "Save it as grey PNG of 8 or 16 bits.",
        )
    return ids.astype(np.uint16)
