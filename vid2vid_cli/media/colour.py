"""Conversion of decoded frames to RGB with the colour matrix and range they are tagged with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from vid2vid_cli.media.tone_mapping import Transfer, tone_mapper

# ITU-T H.273 matrix coefficients -> (name, swscale colour space).
MATRIX_COEFFICIENTS = {
    1: ("bt709", 1),
    4: ("fcc", 4),
    5: ("bt601", 5),
    6: ("bt601", 5),
    7: ("smpte240m", 7),
    9: ("bt2020", 9),
    10: ("bt2020", 9),
}
HDR_TRANSFERS: dict[int, Transfer] = {16: "PQ", 18: "HLG"}
BT2020_PRIMARIES = 9
ICTCP_MATRICES = (14, 15)
"""ICtCp and IPT: the base layer of Dolby Vision profile 5."""

DOLBY_VISION_TAGS = {"dvh1", "dvhe", "dva1", "dvav", "dav1"}

# AVColorSpace (also swscale's number for the matrix), primaries and transfer of BT.709; AVColorRange.
BT709 = 1
LIMITED_RANGE, FULL_RANGE = 1, 2

# Grey of 16 to 235 -> 0 to 255. swscale treats all grey as full range.
LIMITED_TO_FULL_RANGE: NDArray[np.uint8] = np.rint((np.arange(256) - 16) * (255 / 219)).clip(0, 255).astype(np.uint8)

# swscale flags. Without SWS_ACCURATE_RND and SWS_FULL_CHR_H_INT, (180, 40, 60) is decoded as (180, 39, 60) and chroma
# has half the resolution: 45 instead of 49 dB on a face.
SWS_ACCURATE_RND, SWS_FULL_CHR_H_INT = 0x40000, 0x2000
SWS_BILINEAR, SWS_BICUBIC, SWS_AREA = 0x2, 0x4, 0x20


@dataclass(frozen=True)
class ColourTags:
    """Colour matrix and range of a frame. `matrix` is None if the frame is RGB or grey."""

    matrix: int | None
    is_full_range: bool
    name: str
    is_guessed: bool
    transfer: Transfer | None = None
    """Of HDR and wide-gamut frames, which are tone-mapped to BT.709; None: the values are used as they are."""
    max_content_light: int = 0
    """MaxCLL in cd/m2; 0 if the video does not state it."""

    def to_rgb(
        self, frame: VideoFrame, converter: VideoReformatter, size: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """Convert a frame to uint8 RGB (h, w, 3) without applying its rotation or pixel aspect ratio.

        If `size` (height, width) is smaller along at least one side and larger along none, the conversion also
        downscales by area averaging: three times as fast as a separate step, and equal to it within 58 dB. Other
        sizes are ignored. Pass the same `converter` for all frames of a video: it caches its tables, which take most
        of the time.
        """
        if self.transfer is not None:
            return self._tone_map(frame, converter, size)
        if self.matrix is None:
            image = np.asarray(converter.reformat(frame, format="rgb24").to_ndarray(), dtype=np.uint8)
            return image if self.is_full_range else LIMITED_TO_FULL_RANGE[image]
        height, width = size if size is not None and _is_downscale(size, frame) else (frame.height, frame.width)
        rgb = converter.reformat(
            frame,
            width=width,
            height=height,
            format="gbrp",  # equal to rgb24 bit for bit, in half of the time
            src_colorspace=self.matrix,
            src_color_range=FULL_RANGE if self.is_full_range else LIMITED_RANGE,
            dst_color_range=FULL_RANGE,
            interpolation=SWS_ACCURATE_RND
            | SWS_FULL_CHR_H_INT
            | (SWS_BILINEAR if (height, width) == (frame.height, frame.width) else SWS_AREA),
            threads=1,  # two threads cost 50 % more CPU time, which other stages need
        )
        return _interleave_planes(rgb)

    def _tone_map(
        self, frame: VideoFrame, converter: VideoReformatter, size: tuple[int, int] | None
    ) -> NDArray[np.uint8]:
        height, width = size if size is not None and _is_downscale(size, frame) else (frame.height, frame.width)
        colours = {} if self.matrix is None else {"src_colorspace": self.matrix}
        rgb = converter.reformat(
            frame,
            width=width,
            height=height,
            format="gbrp16le",  # with SWS_FULL_CHR_H_INT, rgb48 has wrong chroma
            src_color_range=FULL_RANGE if self.is_full_range else LIMITED_RANGE,
            dst_color_range=FULL_RANGE,
            interpolation=SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_AREA,
            threads=1,
            **colours,
        )
        assert self.transfer is not None, "checked by the caller"
        return tone_mapper(self.transfer, self.max_content_light)(rgb.to_ndarray().astype(np.uint16, copy=False))


def _interleave_planes(frame: VideoFrame) -> NDArray[np.uint8]:
    """A frame of the format gbrp as (h, w, 3) RGB; OpenCV takes a sixth of the time of `VideoFrame.to_ndarray`."""
    green, blue, red = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    )
    return np.asarray(cv2.merge([red, green, blue]), dtype=np.uint8)


def _is_downscale(size: tuple[int, int], frame: VideoFrame) -> bool:
    """Whether `size` is smaller than the frame along at least one side and larger along none."""
    frame_size = frame.height, frame.width
    return size != frame_size and size[0] <= frame_size[0] and size[1] <= frame_size[1]


def colour_tags(frame: VideoFrame) -> ColourTags:
    """Read the colour tags of a frame. Untagged: BT.709 from 720 rows or 1280 columns, otherwise BT.601."""
    pixel_format = frame.format.name
    if frame.format.is_rgb or pixel_format.startswith(("gray", "mono", "pal", "gbr", "ya")):
        is_grey = pixel_format.startswith(("gray", "mono", "ya"))
        is_full_range = not (is_grey and frame.color_range == LIMITED_RANGE)
        transfer = None if is_grey else _transfer(frame)
        name = "grey" if is_grey else "rgb"
        return ColourTags(
            None, is_full_range, _with_transfer(name, transfer), False, transfer, _max_content_light(frame)
        )
    is_full_range = pixel_format.startswith("yuvj") or frame.color_range == FULL_RANGE
    is_guessed = int(frame.colorspace) not in MATRIX_COEFFICIENTS
    is_hd = frame.height >= 720 or frame.width >= 1280
    name, matrix = MATRIX_COEFFICIENTS[1 if is_hd else 6] if is_guessed else MATRIX_COEFFICIENTS[int(frame.colorspace)]
    transfer = _transfer(frame)
    name = _with_transfer(name + (" full range" if is_full_range else ""), transfer)
    return ColourTags(matrix, is_full_range, name, is_guessed, transfer, _max_content_light(frame))


def _transfer(frame: VideoFrame) -> Transfer | None:
    """The transfer function of an HDR or wide-gamut frame; None for other frames."""
    transfer = HDR_TRANSFERS.get(int(getattr(frame, "color_trc", 2)))
    if transfer is not None:
        return transfer
    return "SDR" if int(getattr(frame, "color_primaries", 2)) == BT2020_PRIMARIES else None


def _with_transfer(name: str, transfer: Transfer | None) -> str:
    return f"{name} {transfer}" if transfer in HDR_TRANSFERS.values() else name


def _max_content_light(frame: VideoFrame) -> int:
    """MaxCLL of a frame in cd/m2; 0 if it does not state it."""
    levels = _side_data(frame).get("CONTENT_LIGHT_LEVEL")
    return 0 if levels is None else int(np.frombuffer(levels, dtype=np.uint32)[0])


def _side_data(frame: VideoFrame) -> dict[str, bytes]:
    """Name of a type -> side data of a frame."""
    container: Any = frame.side_data  # PyAV declares another type of items than it returns
    return {item.type.name: bytes(item) for item in container}


def colour_remarks(frame: VideoFrame, codec_tag: str) -> list[str]:
    """What is assumed about the colours of a video, and how they are converted, as sentences; by its first frame."""
    tags = colour_tags(frame)
    remarks = []
    if tags.is_guessed:
        remarks.append(f"The colour space of the file is not tagged; {tags.name.split()[0]} is assumed.")
    if tags.transfer == "SDR":
        remarks.append("Wide-gamut colours (BT.2020) are converted to BT.709.")
    elif tags.transfer is not None:
        peak = tone_mapper(tags.transfer, tags.max_content_light).peak
        remarks.append(
            f"High dynamic range ({tags.transfer}) is tone-mapped to BT.709, from a peak of {peak:.0f} cd/m2 "
            "(ITU-R BT.2390)."
        )
    if codec_tag in DOLBY_VISION_TAGS or any(name.startswith("DOVI") for name in _side_data(frame)):
        remarks.append("The Dolby Vision layer is ignored; the base layer is used.")
    return remarks


def decode_grey(frame: VideoFrame) -> NDArray[Any] | None:
    """The stored values of a grey frame, (h, w) uint8 or uint16; None if the frame is not grey."""
    name = frame.format.name
    if not name.startswith("gray") or name.startswith("grayf"):
        return None
    plane = frame.planes[0]
    dtype = np.dtype(np.uint8) if frame.format.components[0].bits <= 8 else np.dtype(">u2" if "be" in name else "<u2")
    rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, abs(plane.line_size))[: frame.height]
    values = rows[:, : frame.width * dtype.itemsize].copy().view(dtype)
    return values.astype(dtype.newbyteorder("="))


def unsupported_properties(frame: VideoFrame) -> list[str]:
    """One message per property of a frame that the conversion to RGB ignores."""
    messages = []
    if int(frame.colorspace) in ICTCP_MATRICES:
        messages.append(
            "The base layer of this Dolby Vision video (profile 5) is not in Y'CbCr; its colours are wrong. Convert it "
            "to HLG or SDR first."
        )
    if frame.interlaced_frame:
        messages.append("The video is interlaced; moving edges have comb artefacts. Deinterlace it for better results.")
    if any(component.is_alpha for component in frame.format.components):
        messages.append("The alpha channel of the video is ignored.")
    return messages
