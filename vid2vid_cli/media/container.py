"""Opening a video file: its streams, its clock, and what is wrong with a file that cannot be opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vid2vid_cli.core.errors import AudioOnlyError, NoFramesError, NotAVideoError, TruncatedVideoError, Vid2VidError
from vid2vid_cli.media.os_errors import reading_failed

PLAYABLE = "Give a video (mp4, mov, mkv, webm, gif ...), a picture, or a folder of pictures."
CUT_OFF = "Copy or download it again, or convert what is left of it with a repair tool."

NO_FRAME = "Record or export it again."

# Text files that FFmpeg would show as a terminal full of letters.
TEXT_FORMATS = {"tty"}

# The mark of a still picture that belongs to a song (AV_DISPOSITION_ATTACHED_PIC).
COVER = 0x400

# Formats without time stamps of pictures.
ORDER_ONLY = {"avi", "h264", "hevc", "m4v", "mpegvideo"}

# What every MP4 or QuickTime file may begin with.
BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"uuid"}


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The open container and its picture stream; closed again however the block is left.

    Raises MissingFileError, PermissionDeniedError, NotAVideoError, TruncatedVideoError, AudioOnlyError.
    """
    _check_readable(path)
    try:
        # The prefix keeps FFmpeg from taking "name:1.mp4" for a protocol.
        container = av.open(f"file:{path}", mode="r")
    except FFmpegError as error:
        raise _unreadable(path) from error
    with container:
        yield container, _picture_stream(path, container)


def has_stamps(container: InputContainer) -> bool:
    """Whether the format stores when a picture is shown. AVI and bare streams only store their order."""
    return container.format.name not in ORDER_ONLY


def picture_time(container: InputContainer, frame: VideoFrame) -> Fraction | None:
    """When a decoded picture is shown, in seconds of the file's clock; None where the file does not say.

    Without stored stamps FFmpeg guesses them, wrongly where pictures are reordered; the count of packets that went
    into the decoder grows evenly and is late by a constant.
    """
    ticks = frame.pts if has_stamps(container) else frame.dts
    return None if ticks is None or frame.time_base is None else ticks * frame.time_base


def first_picture_time(container: InputContainer, frame: VideoFrame) -> Fraction:
    """The time of the first picture of a file on the clock that it shares with the sound: zero of the grid."""
    return (picture_time(container, frame) or Fraction(0)) if has_stamps(container) else Fraction(0)


def codec_name(stream: VideoStream | AudioStream) -> str:
    """The format of a stream, whatever its decoder is called: "mp3", not "mp3float"."""
    return str(stream.codec_context.codec.canonical_name)


def is_lossless(stream: VideoStream) -> bool:
    """Whether nothing was lost when the pictures were stored: by the codec, or by the profile of H.264."""
    codec = stream.codec_context.codec
    return (codec.lossless and not codec.lossy) or stream.codec_context.profile == "High 4:4:4 Predictive"


def is_cut_off(path: Path) -> bool:
    """Whether a file begins like a known container but ends before its index.

    MP4 and QuickTime: the walk over the top-level boxes ends without a whole `moov`. Matroska and AVI have no
    such mark; one of those that cannot be opened counts as cut off.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == b"\x1aE\xdf\xa3" or (start[:4] == b"RIFF" and start[8:] == b"AVI "):
            return True
        if start[4:8] not in BOXES:
            return False
        offset = 0
        while offset + 8 <= size:
            file.seek(offset)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:  # the true length follows in 64 bits
                length = int.from_bytes(head[8:16], "big")
            elif length == 0:  # up to the end of the file
                length = size - offset
            if head[4:8] == b"moov":
                return offset + length > size
            if length < 8:
                return True
            offset += length
    return True


def _check_readable(path: Path) -> None:
    try:
        if not path.is_file() and path.exists():
            raise NotAVideoError(f"{path} is not a file.", PLAYABLE)
        with path.open("rb") as file:
            if not file.read(1):
                raise NotAVideoError(f"{path} is an empty file (0 bytes).", "Copy or download it again.")
    except OSError as error:
        raise reading_failed(path, error) from error


def _unreadable(path: Path) -> Vid2VidError:
    if is_cut_off(path):
        return TruncatedVideoError(
            f"{path} is cut off: the end of the file, which holds its index, is missing.", CUT_OFF
        )
    return NotAVideoError(f"{path} is not a video that can be read.", PLAYABLE)


def _picture_stream(path: Path, container: InputContainer) -> VideoStream:
    if container.format.name in TEXT_FORMATS:
        raise NotAVideoError(f"{path} is a text, not a video.", PLAYABLE)
    for stream in container.streams.video:
        if stream.disposition.value & COVER:
            continue
        if stream.codec_context is None:
            raise NotAVideoError(
                f"{path} holds a video in a format that cannot be decoded here.", "Convert it to H.264 first."
            )
        return stream
    if container.streams.audio:
        raise AudioOnlyError(f"{path} holds sound but no picture.", PLAYABLE)
    if not container.streams and not is_cut_off(path):
        raise NoFramesError(f"{path} is a video without a single frame.", NO_FRAME)
    raise _unreadable(path)
