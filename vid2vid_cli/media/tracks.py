"""Choice of one video and one audio track of a file: the one flagged as default, then the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

Track = TypeVar("Track", VideoStream, AudioStream)

# Still pictures beside the video, such as the cover of an audio file.
PICTURE_DISPOSITIONS = Disposition.attached_pic | Disposition.timed_thumbnails

# Tracks that accompany the main one: chosen only if there is no other.
SECONDARY_DISPOSITIONS = (
    Disposition.comment
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.clean_effects
    | Disposition.dependent
)


def video_tracks(container: InputContainer) -> list[VideoStream]:
    """The video streams without cover pictures, decodable or not."""
    return [stream for stream in container.streams.video if not stream.disposition & PICTURE_DISPOSITIONS]


def choose_video_track(container: InputContainer) -> VideoStream | None:
    """The decodable video stream that is the default, then has the largest picture, then the highest bit rate.

    Of equal ones, the first. None if the file has no decodable video stream.
    """
    return _choose(
        video_tracks(container),
        lambda stream: (stream.codec_context.width * stream.codec_context.height, stream.codec_context.bit_rate or 0),
    )


def choose_audio_track(container: InputContainer) -> AudioStream | None:
    """The decodable audio stream that is the default, then has the most channels, sample rate and bit rate.

    Of equal ones, the first. None if the file has no decodable audio stream.
    """
    return _choose(
        container.streams.audio,
        lambda stream: (
            stream.codec_context.layout.nb_channels,
            stream.codec_context.sample_rate or 0,
            stream.codec_context.bit_rate or 0,
        ),
    )


def track_remarks(container: InputContainer) -> tuple[str, ...]:
    """For video and for audio, one sentence that names the chosen track if the file has several."""
    remarks = []
    video, audio = choose_video_track(container), choose_audio_track(container)
    num_videos, num_audios = len(video_tracks(container)), len(container.streams.audio)
    if video is not None and num_videos > 1:
        context = video.codec_context
        remarks.append(
            f"The file has {num_videos} video tracks; stream {video.index} is used "
            f"({context.name}, {context.width}x{context.height}{_default_text(video)})."
        )
    if audio is not None and num_audios > 1:
        audio_context = audio.codec_context
        language = f"{audio.language}, " if audio.language else ""
        remarks.append(
            f"The file has {num_audios} audio tracks; stream {audio.index} is used ({language}{audio_context.name}, "
            f"{audio_context.layout.name}, {audio_context.sample_rate} Hz{_default_text(audio)})."
        )
    if audio is None and num_audios:
        remarks.append("The audio of the file is in a codec that this FFmpeg cannot decode; it is not used.")
    return tuple(remarks)


def _choose(tracks: Sequence[Track], quality: Callable[[Track], tuple[int, ...]]) -> Track | None:
    """The best decodable track; `max` returns the first of equal ones."""
    decodable = [track for track in tracks if track.codec_context is not None]
    return max(
        decodable,
        key=lambda track: (
            bool(track.disposition & Disposition.default),
            not track.disposition & SECONDARY_DISPOSITIONS,
            *quality(track),
        ),
        default=None,
    )


def _default_text(track: VideoStream | AudioStream) -> str:
    return ", flagged as default" if track.disposition & Disposition.default else ""
