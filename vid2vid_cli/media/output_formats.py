"""Formats of written videos: suffixes, codecs and pixel formats, with and without alpha."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from av.codec import Codec

from vid2vid_cli.core.errors import ConfigError, MissingPackageError

FormatName = Literal["mp4", "mov", "mkv", "webm", "gif", "png", "png16"]


@dataclass(frozen=True)
class Coding:
    """A codec and the pixels that it stores."""

    codec: str
    pixel_format: str
    is_rgb: bool = False
    """Stored as RGB, without conversion to YUV and without loss."""
    options: Mapping[str, str] = field(default_factory=dict)
    needs_even_size: bool = False


H264 = Coding("libx264", "yuv420p", needs_even_size=True)
_FFV1_OPTIONS = {"level": "3", "slices": "4", "slicecrc": "1"}
_VP9_OPTIONS = {"crf": "20", "deadline": "good", "cpu-used": "4", "row-mt": "1", "auto-alt-ref": "0"}
FFV1 = Coding("ffv1", "bgr0", is_rgb=True, options=_FFV1_OPTIONS)
FFV1_ALPHA = Coding("ffv1", "bgra", is_rgb=True, options=_FFV1_OPTIONS)
VP9 = Coding("libvpx-vp9", "yuv420p", options=_VP9_OPTIONS)
VP9_ALPHA = Coding("libvpx-vp9", "yuva420p", options=_VP9_OPTIONS)
PRORES_ALPHA = Coding("prores_ks", "yuva444p10le", options={"profile": "4444", "alpha_bits": "16"})


@dataclass(frozen=True)
class OutputFormat:
    """A format of written videos."""

    name: FormatName
    title: str
    suffixes: tuple[str, ...]
    """Lower case; () for a folder of images."""
    container: str = ""
    """FFmpeg's name of the container."""
    opaque: Coding = FFV1
    """Of frames without alpha; FFV1 for the intermediate files of a GIF."""
    alpha: Coding | None = None
    """Of frames with alpha; None if the format has no alpha channel."""
    bit_depth: Literal[8, 16] = 8
    """Of the written frames."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of images."""
        return not self.suffixes

    @property
    def has_alpha(self) -> bool:
        """Whether frames may have an alpha channel."""
        return self.is_folder or self.alpha is not None

    @property
    def has_audio(self) -> bool:
        """Whether the file may contain audio."""
        return self.name not in ("gif", "png", "png16")

    def coding(self, *, has_alpha: bool) -> Coding:
        """The codec of frames with or without alpha. Raises ConfigError if the format has no alpha."""
        if not has_alpha:
            return self.opaque
        if self.alpha is None:
            raise ConfigError(f"{self.title} has no alpha channel.", ALPHA_HINT)
        return self.alpha


OUTPUT_FORMATS: dict[FormatName, OutputFormat] = {
    "mp4": OutputFormat("mp4", "MP4 (H.264)", (".mp4", ".m4v"), "mp4", H264),
    "mov": OutputFormat("mov", "MOV (H.264; ProRes 4444 with alpha)", (".mov",), "mov", H264, PRORES_ALPHA),
    "mkv": OutputFormat("mkv", "MKV (FFV1, lossless)", (".mkv",), "matroska", FFV1, FFV1_ALPHA),
    "webm": OutputFormat("webm", "WebM (VP9)", (".webm",), "webm", VP9, VP9_ALPHA),
    "gif": OutputFormat("gif", "GIF", (".gif",), "gif"),
    "png": OutputFormat("png", "folder of PNG images", ()),
    "png16": OutputFormat("png16", "folder of PNG images of 16 bits", (), bit_depth=16),
}
ALPHA_HINT = "Use .mov (ProRes 4444), .webm (VP9), .mkv (FFV1) or --format png."
CONTAINER_FORMATS = {
    suffix: output_format
    for output_format in OUTPUT_FORMATS.values()
    for suffix in output_format.suffixes
    if output_format.name != "gif"
}
"""Suffix -> format that `VideoWriter` writes."""


def format_of_suffix(path: Path) -> OutputFormat | None:
    """The format of a path by its suffix; None if it has no suffix of a format."""
    suffix = path.suffix.lower()
    return next((item for item in OUTPUT_FORMATS.values() if suffix in item.suffixes), None)


def can_encode(codec: str) -> bool:
    """Whether this PyAV was built with an encoder."""
    try:
        Codec(codec, "w")
    except ValueError:
        return False
    return True


def require_encoder(output_format: OutputFormat, *, has_alpha: bool) -> None:
    """Raise MissingPackageError if PyAV has no encoder for a format, ConfigError if the format has no alpha."""
    if output_format.is_folder:
        return
    codec = output_format.coding(has_alpha=has_alpha).codec
    if codec != H264.codec and not can_encode(codec):  # H.264 has a second encoder, see `FFmpegEncoder`
        raise MissingPackageError(
            f"This PyAV has no encoder {codec}, which {output_format.title} needs.", "pip install --upgrade av"
        )
