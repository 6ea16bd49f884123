"""Properties of a video without decoding all of it: size, frame rate, duration, codec, audio."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, Literal

from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vid2vid_cli.core.errors import NoFramesError, TruncatedVideoError
from vid2vid_cli.media.colour import colour_remarks, colour_tags
from vid2vid_cli.media.container import (
    NO_FRAME_HINT,
    PLAYABLE_HINT,
    TRUNCATED_HINT,
    codec_name,
    first_frame_time,
    is_lossless,
    open_video,
)
from vid2vid_cli.media.file_pairing import sort_files
from vid2vid_cli.media.frame_geometry import (
    display_orientation,
    is_quarter_turn,
    nearest_quarter_turn,
    pixel_aspect_ratio,
    upright_size,
)
from vid2vid_cli.media.image_header import has_frame_delay, is_animation
from vid2vid_cli.media.images import load_image
from vid2vid_cli.media.os_errors import read_error
from vid2vid_cli.media.packet_times import (
    DEFAULT_FPS,
    TIMESTAMP_TOLERANCE,
    PacketTimes,
    count_unused_pictures,
    measure_frame_rate,
    read_packet_times,
)
from vid2vid_cli.media.tracks import choose_audio_track, track_remarks

SourceKind = Literal["video", "images", "image", "gif"]

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
LOSSY_IMAGE_SUFFIXES = {".jpg", ".jpeg"}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Properties of a video as `VideoReader` returns it: upright, with square pixels, at a constant rate."""

    width: int
    height: int
    fps: Fraction
    num_frames: int  # on the grid; an estimate if the file does not store it
    duration: float  # seconds
    rotation: int  # degrees counter-clockwise by which the stored pictures are rotated: 0, 90, 180, 270
    has_audio: bool
    codec: str
    is_variable_rate: bool  # the frames of the file do not have a constant rate
    colour_space: str  # "bt709", "bt601 (not tagged)", "rgb" ...
    kind: SourceKind
    start_time: Fraction = Fraction(0)  # time stamp of the first frame, seconds
    is_lossless: bool = False  # losslessly compressed
    is_mirrored: bool = False  # the stored pictures are flipped left to right, before the rotation
    pixel_aspect_ratio: Fraction = Fraction(1)  # width / height of a stored pixel
    num_stored_frames: int = 0  # pictures in the file
    num_unused_frames: int = 0  # of these, pictures that the grid at `fps` does not select
    remarks: tuple[str, ...] = ()  # assumptions about the file, for the user

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON types; fractions are strings such as "30000/1001"."""
        fractions = {name: str(value) for name, value in vars(self).items() if isinstance(value, Fraction)}
        return asdict(self) | fractions


def probe(path: Path) -> Probe:
    """Read the properties of a video file, an image or a folder of images.

    Raises MissingFileError, NotAVideoError, NoFramesError, TruncatedVideoError, AudioOnlyError,
    PermissionDeniedError, InputFileMismatchError (a folder with two images of one name).
    """
    if path.is_dir():
        return _probe_images(path, image_files(path), "images")
    if path.suffix.lower() in IMAGE_SUFFIXES and not is_animation(path):
        return _probe_images(path, [path], "image")
    with open_video(path) as (container, stream):
        return _probe_stream(path, container, stream)


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder as in `sort_files`, which may raise.

    Hidden files, and folders, devices and pipes with names of images are ignored.
    """
    try:
        names = (entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES and entry.name[0] != ".")
        files = [entry for entry in names if entry.is_file()]
    except OSError as error:
        raise read_error(folder, error) from error
    if not files:
        raise NoFramesError(f"The folder {folder} contains no images.", PLAYABLE_HINT)
    return sort_files(files)


def _probe_images(path: Path, files: list[Path], kind: SourceKind) -> Probe:
    height, width = load_image(files[0]).shape[:2]
    return Probe(
        width=width,
        height=height,
        fps=DEFAULT_FPS,
        num_frames=len(files),
        duration=float(len(files) / DEFAULT_FPS),
        rotation=0,
        has_audio=False,
        codec=files[0].suffix[1:].lower(),
        is_variable_rate=False,
        colour_space="rgb",
        kind=kind,
        is_lossless=not all(file.suffix.lower() in LOSSY_IMAGE_SUFFIXES for file in files),
        num_stored_frames=len(files),
    )


def _probe_stream(path: Path, container: InputContainer, stream: VideoStream) -> Probe:
    frame = _decode_first_frame(path, container, stream)
    start_time = first_frame_time(container, frame)
    packet_times = read_packet_times(container, stream)
    fps, is_variable_rate = measure_frame_rate(stream, packet_times)
    seconds = float(max(_end_time(container, stream, packet_times, frame_period=1 / fps) - start_time, 1 / fps))
    angle, is_mirrored = display_orientation(frame)
    rotation, aspect_ratio = nearest_quarter_turn(angle), pixel_aspect_ratio(stream)
    height, width = upright_size(frame, aspect_ratio, rotation)
    tags = colour_tags(frame)
    kind: SourceKind = "gif" if container.format.name == "gif" else "video"
    return Probe(
        width=width,
        height=height,
        fps=fps,
        num_frames=max(1, ceil(seconds * fps - TIMESTAMP_TOLERANCE)),
        duration=seconds,
        rotation=rotation,
        has_audio=choose_audio_track(container) is not None,
        codec=codec_name(stream),
        is_variable_rate=is_variable_rate,
        colour_space=tags.name + (" (not tagged)" if tags.is_guessed else ""),
        kind=kind,
        start_time=start_time,
        is_lossless=is_lossless(stream),
        is_mirrored=is_mirrored,
        pixel_aspect_ratio=aspect_ratio,
        num_stored_frames=packet_times.num_pictures,
        num_unused_frames=count_unused_pictures(packet_times, fps),
        remarks=(
            *track_remarks(container),
            *_orientation_remarks(angle),
            *colour_remarks(frame, str(stream.codec_context.codec_tag)),
            *_rate_remarks(path, kind, fps),
        ),
    )


def _rate_remarks(path: Path, kind: SourceKind, fps: Fraction) -> tuple[str, ...]:
    is_assumed = kind == "gif" and not has_frame_delay(path)
    return (f"The GIF stores no frame delay; {float(fps):g} fps are assumed.",) * is_assumed


def _orientation_remarks(angle: float) -> tuple[str, ...]:
    if is_quarter_turn(angle):
        return ()
    return (
        f"The file is tagged as rotated by {angle:.0f} degrees; only quarter turns are supported, and "
        f"{nearest_quarter_turn(angle)} degrees are used.",
    )


def _decode_first_frame(path: Path, container: InputContainer, stream: VideoStream) -> VideoFrame:
    try:
        for frame in container.decode(stream):
            return frame
    except FFmpegError:
        pass
    if stream.frames or stream.duration or path.stat().st_size > 1 << 20:
        raise TruncatedVideoError(f"{path} is truncated: it contains no complete frame.", TRUNCATED_HINT)
    raise NoFramesError(f"{path} is a video without frames.", NO_FRAME_HINT)


def _end_time(
    container: InputContainer, stream: VideoStream, packet_times: PacketTimes, *, frame_period: Fraction
) -> Fraction:
    """End of the last frame in seconds on the file's clock: from the packets, or the declared duration."""
    if not packet_times.num_pictures:
        return frame_period
    start_time = int(packet_times.ticks[0]) * packet_times.time_base
    last_time, duration = start_time + packet_times.span, packet_times.last_duration or frame_period
    if stream.duration is not None and stream.time_base:
        # With reordered frames, the duration of a packet is that of another frame.
        declared_end = start_time + stream.duration * stream.time_base
        duration = min(duration, max(frame_period, declared_end - last_time))
    return last_time + duration
