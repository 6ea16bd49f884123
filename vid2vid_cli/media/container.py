"""Opening video containers: video stream, time stamps, and the error for a file that cannot be opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import ceil
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vid2vid_cli.core.errors import AudioOnlyError, NoFramesError, NotAVideoError, TruncatedVideoError, Vid2VidError
from vid2vid_cli.media.frame_geometry import pixel_aspect_ratio
from vid2vid_cli.media.image_header import check_pixel_count
from vid2vid_cli.media.os_errors import read_error
from vid2vid_cli.media.tracks import choose_video_track, video_tracks

PLAYABLE_HINT = "Give a video (mp4, mov, mkv, webm, gif ...), an image, or a folder of images."
TRUNCATED_HINT = "Copy or download it again, or recover the rest with a repair tool."

NO_FRAME_HINT = "Record or export it again."

# FFmpeg renders text files as a terminal screen.
TEXT_FORMATS = {"tty"}

# Formats that do not store presentation times.
FORMATS_WITHOUT_TIMESTAMPS = {"avi", "h264", "hevc", "m4v", "mpegvideo"}

# Types of the first box of an MP4 or QuickTime file.
MP4_BOX_TYPES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"uuid"}


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video and yield its container and video stream; close it at the end of the block.

    Raises MissingFileError, PermissionDeniedError, NotAVideoError (not a video, or more than MAX_PIXELS),
    TruncatedVideoError, AudioOnlyError.
    """
    _check_readable(path)
    try:
        # Without the prefix FFmpeg parses "name:1.mp4" as a protocol.
        container = av.open(f"file:{path}", mode="r")
    except FFmpegError as error:
        raise _unreadable_error(path) from error
    with container:
        stream = _find_video_stream(path, container)
        # Square pixels may be more than the stored ones.
        check_pixel_count(path, ceil(stream.width * max(Fraction(1), pixel_aspect_ratio(stream))), stream.height)
        yield container, stream


def read_comment(path: Path) -> str:
    """The comment of a video file on one line; "" if it has none. Raises the errors of `open_video`."""
    with open_video(path) as (container, _):
        tags = {name.lower(): value for name, value in container.metadata.items()}
    return " ".join(tags.get("comment", "").split())


def has_timestamps(container: InputContainer) -> bool:
    """Whether the format stores presentation times. AVI and raw streams store only the order of frames."""
    return container.format.name not in FORMATS_WITHOUT_TIMESTAMPS


def frame_time(container: InputContainer, frame: VideoFrame) -> Fraction | None:
    """Presentation time of a decoded frame, in seconds on the file's clock; None if unknown.

    For formats without time stamps FFmpeg guesses `pts`, incorrectly if frames are reordered. `dts` counts the packets
    that entered the decoder: it grows evenly, with a constant delay.
    """
    ticks = frame.pts if has_timestamps(container) else frame.dts
    return None if ticks is None or frame.time_base is None else ticks * frame.time_base


def first_frame_time(container: InputContainer, frame: VideoFrame) -> Fraction:
    """Presentation time of the first frame on the clock shared with the audio: the zero of the frame grid."""
    return (frame_time(container, frame) or Fraction(0)) if has_timestamps(container) else Fraction(0)


def codec_name(stream: VideoStream | AudioStream) -> str:
    """Canonical codec name of a stream, independent of the decoder: "mp3", not "mp3float"."""
    return str(stream.codec_context.codec.canonical_name)


def is_lossless(stream: VideoStream) -> bool:
    """Whether the video is losslessly compressed, by its codec or its H.264 profile."""
    codec = stream.codec_context.codec
    return (codec.lossless and not codec.lossy) or stream.codec_context.profile == "High 4:4:4 Predictive"


def is_truncated(path: Path) -> bool:
    """Whether a file has the signature of a known container but ends before its index.

    MP4 and QuickTime files are truncated if their top-level boxes do not include a complete `moov`. Matroska and AVI
    have no such marker: call this only for files that cannot be opened, which count as truncated.
    """
    file_size = path.stat().st_size
    with path.open("rb") as file:
        signature = file.read(12)
        if signature[:4] == b"\x1aE\xdf\xa3" or (signature[:4] == b"RIFF" and signature[8:] == b"AVI "):
            return True
        if signature[4:8] not in MP4_BOX_TYPES:
            return False
        offset = 0
        while offset + 8 <= file_size:
            file.seek(offset)
            box_header = file.read(16)
            box_size = int.from_bytes(box_header[:4], "big")
            if box_size == 1:  # a 64-bit size follows
                box_size = int.from_bytes(box_header[8:16], "big")
            elif box_size == 0:  # the box extends to the end of the file
                box_size = file_size - offset
            if box_header[4:8] == b"moov":
                return offset + box_size > file_size
            if box_size < 8:
                return True
            offset += box_size
    return True


def _check_readable(path: Path) -> None:
    try:
        if not path.is_file() and path.exists():
            raise NotAVideoError(f"{path} is not a file.", PLAYABLE_HINT)
        with path.open("rb") as file:
            if not file.read(1):
                raise NotAVideoError(f"{path} is an empty file (0 bytes).", "Copy or download it again.")
    except OSError as error:
        raise read_error(path, error) from error


def _unreadable_error(path: Path) -> Vid2VidError:
    if is_truncated(path):
        return TruncatedVideoError(
            f"{path} is truncated: the end of the file, which contains its index, is missing.", TRUNCATED_HINT
        )
    return NotAVideoError(f"{path} is not a readable video.", PLAYABLE_HINT)


def _find_video_stream(path: Path, container: InputContainer) -> VideoStream:
    if container.format.name in TEXT_FORMATS:
        raise NotAVideoError(f"{path} is a text file, not a video.", PLAYABLE_HINT)
    stream = choose_video_track(container)
    if stream is not None:
        return stream
    if video_tracks(container):
        raise NotAVideoError(
            f"{path} contains a video codec that this FFmpeg cannot decode.", "Convert it to H.264 first."
        )
    if container.streams.audio:
        raise AudioOnlyError(f"{path} contains audio but no video.", PLAYABLE_HINT)
    if not container.streams and not is_truncated(path):
        raise NoFramesError(f"{path} is a video without frames.", NO_FRAME_HINT)
    raise _unreadable_error(path)
