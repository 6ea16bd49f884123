"""The encoder of PyAV: any codec of `output_formats`. YUV is in limited range, tagged BT.709."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

import av
import cv2
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.audio import AudioCopier, open_audio
from vid2vid_cli.media.colour import BT709, FULL_RANGE, LIMITED_RANGE, SWS_ACCURATE_RND, SWS_BICUBIC, SWS_BILINEAR
from vid2vid_cli.media.output_formats import H264, OutputFormat, can_encode

X264Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]
"""Speed preset of x264: faster presets write larger files at about the same quality for the same `crf`."""
FASTEST_PRESET = "ultrafast"
CPU_AVX_512F = 13
"""OpenCV's number of these instructions (cv::CpuFeatures), which its Python module does not name."""


class Encoder(Protocol):
    """Encodes frames of one size. The file is complete after `finish`; `abort` closes all files in any state."""

    def write(self, frame: ImageArray) -> None:
        """Encode a frame, uint8 (h, w, 3) RGB or (h, w, 4) RGBA."""

    def finish(self) -> None:
        """Write the end of the file."""

    def abort(self) -> None:
        """Close all files and stop all processes. Safe to call in any state and more than once."""


@dataclass(frozen=True, kw_only=True)
class EncodeJob:
    """Settings of one output file; `audio_start` is in seconds after the first frame of `audio_path`."""

    path: Path
    output_format: OutputFormat
    has_alpha: bool
    fps: Fraction
    crf: int
    preset: X264Preset
    comment: str
    audio_path: Path | None
    audio_start: float

    @property
    def x264_options(self) -> dict[str, str]:
        """The options of libx264."""
        options = {"crf": str(self.crf), "preset": self.preset}
        if cv2.checkHardwareSupport(CPU_AVX_512F):
            # Its AVX-512 code for mbtree makes the file depend on chance, if sides are not multiples of 128 pixels.
            options["x264-params"] = "asm=avx2"
        return options

    def open_output(self) -> OutputContainer:
        """Open the output container. Its header is not yet written, so that streams can be added."""
        container_format = self.output_format.container
        # Without this flag, Matroska contains random numbers.
        options = {"movflags": "+faststart"} if container_format in ("mp4", "mov") else {"fflags": "+bitexact"}
        container = av.open(f"file:{self.path}", mode="w", format=container_format, options=options)
        if self.comment:
            container.metadata["comment"] = self.comment
        return container

    def tag_alpha(self, stream: VideoStream) -> None:
        """Tag a video stream as one with alpha, where the container has such a tag: players ignore alpha without it."""
        if self.has_alpha and self.output_format.container == "webm":
            stream.metadata["alpha_mode"] = "1"

    def open_audio(self, container: OutputContainer) -> AudioCopier | None:
        """Add the audio stream of `audio_path` to the output; None if there is no audio."""
        return None if self.audio_path is None else open_audio(self.audio_path, container, self.audio_start)


class PyAVEncoder:
    """The encoders inside PyAV."""

    def __init__(self, job: EncodeJob, height: int, width: int) -> None:
        self.fps = job.fps
        self.num_frames = 0
        self.container = job.open_output()
        self.coding = coding = job.output_format.coding(has_alpha=job.has_alpha)
        stream = self.container.add_stream(coding.codec, rate=job.fps)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, coding.pixel_format
        is_h264 = coding is H264
        stream.options = dict(job.x264_options if is_h264 else coding.options)
        job.tag_alpha(stream)
        context = stream.codec_context
        if not coding.is_rgb:
            context.color_range, context.colorspace = LIMITED_RANGE, BT709
            context.color_primaries, context.color_trc = BT709, BT709
        is_fastest = is_h264 and job.preset == FASTEST_PRESET
        if is_fastest:
            context.thread_count = 1  # encoding a frame takes less time than waking other threads
        # Bilinear conversion takes a third of the time of bicubic with exact rounding.
        self.swscale_flags = SWS_BILINEAR if is_fastest else SWS_BICUBIC | SWS_ACCURATE_RND
        self.stream = stream
        self.converter = VideoReformatter()
        self.audio = job.open_audio(self.container)

    def write(self, frame: ImageArray) -> None:
        """Encode a frame and write the audio up to its end: interleaving keeps memory bounded."""
        encoded_frame = self._convert(VideoFrame.from_ndarray(frame, format="rgb24" if frame.shape[2] == 3 else "rgba"))
        encoded_frame.pts, encoded_frame.time_base = self.num_frames, 1 / self.fps
        self.num_frames += 1
        self.container.mux(self.stream.encode(encoded_frame))
        self._write_audio()

    def _convert(self, frame: VideoFrame) -> VideoFrame:
        if self.coding.is_rgb:
            return self.converter.reformat(frame, format=self.coding.pixel_format)
        return self.converter.reformat(
            frame,
            format=self.coding.pixel_format,
            dst_colorspace=BT709,
            src_color_range=FULL_RANGE,
            dst_color_range=LIMITED_RANGE,
            interpolation=self.swscale_flags,
            threads=1,
        )

    def finish(self) -> None:
        """Flush the encoder and write the index."""
        self.container.mux(self.stream.encode(None))
        self._write_audio()
        self.container.close()
        if self.audio is not None:
            self.audio.close()

    def abort(self) -> None:
        """Close the files."""
        with suppress(Exception):
            self.container.close()
        if self.audio is not None:
            self.audio.close()

    def _write_audio(self) -> None:
        if self.audio is not None:
            self.audio.write_until(self.num_frames / self.fps)


def has_libx264() -> bool:
    """Whether this PyAV was built with libx264."""
    return can_encode(H264.codec)


def copy_video(segments: Sequence[Path], job: EncodeJob) -> None:
    """Write the packets of video files, one after another, as one file with audio. Nothing is encoded again."""
    audio: AudioCopier | None = None
    num_frames = 0
    try:
        with job.open_output() as output:
            output_stream = None
            for segment in segments:
                with av.open(f"file:{segment}", mode="r") as source:
                    stream = source.streams.video[0]
                    if output_stream is None:
                        output_stream = output.add_stream_from_template(stream)
                        job.tag_alpha(output_stream)
                        audio = job.open_audio(output)
                    num_packets = 0
                    for packet in source.demux(stream):
                        if packet.dts is None or packet.pts is None or packet.time_base is None:
                            continue
                        num_packets += 1
                        # Times are multiples of the frame period; some containers round them to milliseconds.
                        pts, dts = (round(ticks * packet.time_base * job.fps) for ticks in (packet.pts, packet.dts))
                        packet.time_base = 1 / job.fps
                        packet.pts, packet.dts, packet.duration = num_frames + pts, num_frames + dts, 1
                        packet.stream = output_stream
                        output.mux(packet)
                        if audio is not None:
                            audio.write_until((num_frames + pts + 1) / job.fps)
                num_frames += num_packets
    finally:
        if audio is not None:
            audio.close()
