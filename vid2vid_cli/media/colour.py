"""From a decoded frame to RGB: which matrix and which range its numbers were written with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

# ITU-T H.273 matrix coefficients -> (name, swscale's number).
MATRICES = {
    1: ("bt709", 1),
    4: ("fcc", 4),
    5: ("bt601", 5),
    6: ("bt601", 5),
    7: ("smpte240m", 7),
    9: ("bt2020", 9),
    10: ("bt2020", 9),
}
UNTAGGED = {0, 2, 3}
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
LIMITED, FULL = 1, 2

# swscale's: exact rounding, and chroma of its own for every RGB pixel. Without the two (180, 40, 60) comes back as
# (180, 39, 60) and colour has half the resolution: 45 instead of 49 dB on a face.
EXACT = 0x40000 | 0x2000
BILINEAR, AREA = 0x2, 0x20


@dataclass(frozen=True)
class Colours:
    """How the numbers of a frame become light. `matrix` is None where the frame is RGB or grey already."""

    matrix: int | None
    full: bool
    name: str
    guessed: bool

    def to_rgb(
        self, frame: VideoFrame, converter: VideoReformatter, size: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """The frame as uint8 RGB (h, w, 3), as stored: not turned, not stretched.

        Where `size` (height, width) is smaller, along one side or both, the frame is brought to it on the way, averaged
        over areas: three times as fast as afterwards, and the same within 58 dB. No other size is looked at.
        `converter` keeps its tables between the frames of one video, which is most of the work.
        """
        if self.matrix is None:
            return np.asarray(converter.reformat(frame, format="rgb24").to_ndarray(), dtype=np.uint8)
        height, width = size if size is not None and _is_smaller(size, frame) else (frame.height, frame.width)
        rgb = converter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            src_colorspace=self.matrix,
            src_color_range=FULL if self.full else LIMITED,
            dst_color_range=FULL,
            interpolation=EXACT | (BILINEAR if (height, width) == (frame.height, frame.width) else AREA),
            threads=1,  # two take half as much again of two cores, which others need
        )
        return np.asarray(rgb.to_ndarray(), dtype=np.uint8)


def _is_smaller(size: tuple[int, int], frame: VideoFrame) -> bool:
    """Along one side at least, and larger along none."""
    own = frame.height, frame.width
    return size != own and size[0] <= own[0] and size[1] <= own[1]


def colours_of(frame: VideoFrame) -> Colours:
    """The tags of a frame; where there are none, BT.709 from 720 lines or 1280 columns on, else BT.601."""
    pixels = frame.format.name
    if frame.format.is_rgb or pixels.startswith(("gray", "mono", "pal", "gbr", "ya")):
        return Colours(None, True, "grey" if pixels.startswith(("gray", "mono", "ya")) else "rgb", False)
    full = pixels.startswith("yuvj") or frame.color_range == FULL
    guessed = int(frame.colorspace) not in MATRICES
    high = frame.height >= 720 or frame.width >= 1280
    name, matrix = MATRICES[1 if high else 6] if guessed else MATRICES[int(frame.colorspace)]
    return Colours(matrix, full, name + (" full range" if full else ""), guessed)


def grey_of(frame: VideoFrame) -> NDArray[Any] | None:
    """The numbers of a grey frame as they are stored, (h, w) uint8 or uint16; None where the frame is not grey."""
    name = frame.format.name
    if not name.startswith("gray") or name.startswith("grayf"):
        return None
    plane = frame.planes[0]
    kind = np.dtype(np.uint8) if frame.format.components[0].bits <= 8 else np.dtype(">u2" if "be" in name else "<u2")
    rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, abs(plane.line_size))[: frame.height]
    values = rows[:, : frame.width * kind.itemsize].copy().view(kind)
    return values.astype(kind.newbyteorder("="))


def oddities_of(frame: VideoFrame) -> list[str]:
    """Properties of a frame that are not carried over into RGB, each as one sentence for people."""
    found = []
    if int(getattr(frame, "color_trc", 2)) in HDR_TRANSFERS:
        kind = HDR_TRANSFERS[int(frame.color_trc)]
        found.append(f"High dynamic range ({kind}) is read without tone mapping: colours look flat.")
    if frame.interlaced_frame:
        found.append("The video is interlaced: moving edges show combs; deinterlace it first for best results.")
    if frame.format.name in ("rgba", "argb", "abgr", "bgra") or frame.format.name.startswith("yuva"):
        found.append("The transparency of the video is not used.")
    return found
