"""Two H.264 encoders: libx264 in PyAV, and the FFmpeg binary of imageio-ffmpeg.

Both write yuv420p in limited range, tagged BT.709, with the index at the front of the file.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Literal, Protocol

import av
import numpy as np
from av.codec import Codec
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from vid2vid_cli.core.errors import MissingPackageError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media import os_errors
from vid2vid_cli.media.audio import AudioCopier, open_audio
from vid2vid_cli.media.colour import BT709, FULL_RANGE, LIMITED_RANGE, SWS_ACCURATE_RND, SWS_BICUBIC, SWS_BILINEAR
from vid2vid_cli.media.partial_files import VIDEO_ONLY_SUFFIX

X264Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]
"""Speed preset of x264: faster presets write larger files at about the same quality for the same `crf`."""
FASTEST_PRESET = "ultrafast"

CONTAINER_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}


class Encoder(Protocol):
    """Encodes frames of one even size. The file is complete after `finish`; `abort` closes all files in any state."""

    def write(self, frame: ImageArray) -> None:
        """Encode a frame, uint8 (h, w, 3) RGB."""

    def finish(self) -> None:
        """Write the end of the file."""

    def abort(self) -> None:
        """Close all files and stop all processes. Safe to call in any state and more than once."""


@dataclass(frozen=True, kw_only=True)
class EncodeJob:
    """Settings of one output file; `audio_start` is in seconds after the first frame of `audio_path`."""

    path: Path
    container_format: str
    fps: Fraction
    crf: int
    preset: X264Preset
    comment: str
    audio_path: Path | None
    audio_start: float

    def open_output(self) -> OutputContainer:
        """Open the output container. Its header is not yet written, so that streams can be added."""
        options = {} if self.container_format == "matroska" else {"movflags": "+faststart"}
        container = av.open(f"file:{self.path}", mode="w", format=self.container_format, options=options)
        if self.comment:
            container.metadata["comment"] = self.comment
        return container

    def open_audio(self, container: OutputContainer) -> AudioCopier | None:
        """Add the audio stream of `audio_path` to the output; None if there is no audio."""
        return None if self.audio_path is None else open_audio(self.audio_path, container, self.audio_start)


class PyAVEncoder:
    """libx264 inside PyAV."""

    def __init__(self, job: EncodeJob, height: int, width: int) -> None:
        self.fps = job.fps
        self.num_frames = 0
        self.container = job.open_output()
        stream = self.container.add_stream("libx264", rate=job.fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(job.crf), "preset": job.preset}
        context = stream.codec_context
        context.color_range, context.colorspace = LIMITED_RANGE, BT709
        context.color_primaries, context.color_trc = BT709, BT709
        is_fastest = job.preset == FASTEST_PRESET
        if is_fastest:
            context.thread_count = 1  # encoding a frame takes less time than waking other threads
        # Bilinear conversion takes a third of the time of bicubic with exact rounding.
        self.swscale_flags = SWS_BILINEAR if is_fastest else SWS_BICUBIC | SWS_ACCURATE_RND
        self.stream = stream
        self.converter = VideoReformatter()
        self.audio = job.open_audio(self.container)

    def write(self, frame: ImageArray) -> None:
        """Encode a frame and write the audio up to its end: interleaving keeps memory bounded."""
        encoded_frame = self.converter.reformat(
            VideoFrame.from_ndarray(frame, format="rgb24"),
            format="yuv420p",
            dst_colorspace=BT709,
            src_color_range=FULL_RANGE,
            dst_color_range=LIMITED_RANGE,
            interpolation=self.swscale_flags,
            threads=1,
        )
        encoded_frame.pts, encoded_frame.time_base = self.num_frames, 1 / self.fps
        self.num_frames += 1
        self.container.mux(self.stream.encode(encoded_frame))
        self._write_audio()

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


class FFmpegEncoder:
    """The FFmpeg binary of imageio-ffmpeg, fed through a pipe; `finish` muxes its video with the audio."""

    def __init__(self, job: EncodeJob, height: int, width: int) -> None:
        self.job = job
        self.video_only_path = job.path.with_name(job.path.name + VIDEO_ONLY_SUFFIX)
        self.stderr_file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `abort`
        scale = "scale=in_range=full:out_range=tv:out_color_matrix=bt709:flags=bicubic+accurate_rnd"
        tags = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
        command = [_ffmpeg_program(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
        command += ["-s", f"{width}x{height}", "-r", str(job.fps), "-i", "pipe:0", "-an"]
        command += ["-vf", f"{scale},format=yuv420p,{tags}", "-c:v", "libx264", "-preset", job.preset]
        command += ["-crf", str(job.crf), "-f", "mp4", f"file:{self.video_only_path}"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self.stderr_file)

    def write(self, frame: ImageArray) -> None:
        """Write a frame to the process."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            raise self._process_error() from None

    def finish(self) -> None:
        """Wait for the process to exit, then mux video and audio."""
        try:
            self.process.communicate()
        except BrokenPipeError:
            raise self._process_error() from None
        if self.process.returncode:
            raise self._process_error()
        self._mux_audio()
        self.abort()

    def abort(self) -> None:
        """Kill the process and remove its file."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.stderr_file.close()
        self.video_only_path.unlink(missing_ok=True)

    def _mux_audio(self) -> None:
        with av.open(f"file:{self.video_only_path}", mode="r") as source, self.job.open_output() as output:
            video_stream = source.streams.video[0]
            output_stream = output.add_stream_from_template(video_stream)
            audio = self.job.open_audio(output)
            end_seconds = Fraction(0)
            for packet in source.demux(video_stream):
                if packet.dts is None or packet.pts is None or packet.time_base is None:
                    continue
                end_seconds = max(end_seconds, packet.pts * packet.time_base + 1 / self.job.fps)
                packet.stream = output_stream
                output.mux(packet)
                if audio is not None:
                    audio.write_until(end_seconds)
            if audio is not None:
                audio.close()

    def _process_error(self) -> OSError:
        """Convert the stderr of the process to an OSError, with errno set for a full disk or a missing permission."""
        self.process.wait()
        self.stderr_file.seek(0)
        message = self.stderr_file.read().decode(errors="replace").strip()
        for error_number in (*os_errors.DISK_FULL_ERRNOS, *os_errors.PERMISSION_ERRNOS):
            if os.strerror(error_number) in message:
                return OSError(error_number, os.strerror(error_number))
        return OSError(0, message.splitlines()[-1] if message else "the encoder stopped unexpectedly")


def has_libx264() -> bool:
    """Whether this PyAV was built with libx264."""
    try:
        Codec("libx264", "w")
    except ValueError:
        return False
    return True


def _ffmpeg_program() -> str:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError(
            "No H.264 encoder is available in PyAV or imageio-ffmpeg.", "pip install --upgrade av imageio-ffmpeg"
        ) from error
