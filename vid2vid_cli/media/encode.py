"""Two ways to turn frames into an H.264 file: the encoder inside PyAV, and the FFmpeg program of imageio-ffmpeg.

Both write yuv420p, limited range, BT.709 and say so in the file; index at the front; sound by `media.sound`.
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
from numpy.typing import NDArray

from vid2vid_cli.core.errors import MissingPackageError
from vid2vid_cli.media import os_errors
from vid2vid_cli.media.audio import Sound, open_sound

BT709, LIMITED, FULL = 1, 1, 2
Speed = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]
"""How x264 trades size for time; the quality of a `crf` is about the same."""

# swscale's: bicubic with exact rounding; and bilinear, a third of that work, for what is to be written fast.
FINE, COARSE = 0x4 | 0x40000, 0x2
FASTEST = "ultrafast"

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}


class Encoder(Protocol):
    """Takes frames of one even size; the file is whole after `finish`; `abandon` lets go of everything open."""

    def write(self, frame: NDArray[np.uint8]) -> None:
        """One more frame, uint8 (h, w, 3) RGB."""

    def finish(self) -> None:
        """Write the end of the file."""

    def abandon(self) -> None:
        """Close what is open, whatever state it is in."""


@dataclass(frozen=True)
class Job:
    """What is to be written: where, how, with which words, and with which sound from which second on."""

    path: Path
    kind: str
    fps: Fraction
    crf: int
    preset: Speed
    comment: str
    audio: Path | None
    start: float

    def open(self) -> OutputContainer:
        """The output, its header not yet written."""
        options = {} if self.kind == "matroska" else {"movflags": "+faststart"}
        container = av.open(f"file:{self.path}", mode="w", format=self.kind, options=options)
        if self.comment:
            container.metadata["comment"] = self.comment
        return container

    def sound(self, container: OutputContainer) -> Sound | None:
        """The sound that goes with it, if there is any."""
        return None if self.audio is None else open_sound(self.audio, container, self.start)


class InnerEncoder:
    """libx264 inside PyAV."""

    def __init__(self, job: Job, height: int, width: int) -> None:
        self.fps = job.fps
        self.frames = 0
        self.container = job.open()
        stream = self.container.add_stream("libx264", rate=job.fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(job.crf), "preset": job.preset}
        context = stream.codec_context
        context.color_range, context.colorspace = LIMITED, BT709
        context.color_primaries, context.color_trc = BT709, BT709
        fast = job.preset == FASTEST
        if fast:
            context.thread_count = 1  # it is done with a picture before others have woken up
        self.flags = COARSE if fast else FINE
        self.stream = stream
        self.converter = VideoReformatter()
        self.sound = job.sound(self.container)

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Encode a frame, and the sound up to it: interleaved, so that nothing piles up in memory."""
        picture = self.converter.reformat(
            VideoFrame.from_ndarray(frame, format="rgb24"),
            format="yuv420p",
            dst_colorspace=BT709,
            src_color_range=FULL,
            dst_color_range=LIMITED,
            interpolation=self.flags,
            threads=1,
        )
        picture.pts, picture.time_base = self.frames, 1 / self.fps
        self.frames += 1
        self.container.mux(self.stream.encode(picture))
        self._sound()

    def finish(self) -> None:
        """Drain the encoder and write the index."""
        self.container.mux(self.stream.encode(None))
        self._sound()
        self.container.close()
        if self.sound is not None:
            self.sound.close()

    def abandon(self) -> None:
        """Close the files."""
        with suppress(Exception):
            self.container.close()
        if self.sound is not None:
            self.sound.close()

    def _sound(self) -> None:
        if self.sound is not None:
            self.sound.write_until(self.frames / self.fps)


class OuterEncoder:
    """The FFmpeg program of imageio-ffmpeg, fed through a pipe; its pictures are then joined with the sound here."""

    def __init__(self, job: Job, height: int, width: int) -> None:
        self.job = job
        self.silent = job.path.with_name(job.path.name + ".silent")
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `abandon`
        scale = "scale=in_range=full:out_range=tv:out_color_matrix=bt709:flags=bicubic+accurate_rnd"
        tags = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
        command = [_program(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
        command += ["-s", f"{width}x{height}", "-r", str(job.fps), "-i", "pipe:0", "-an"]
        command += ["-vf", f"{scale},format=yuv420p,{tags}", "-c:v", "libx264", "-preset", job.preset]
        command += ["-crf", str(job.crf), "-f", "mp4", f"file:{self.silent}"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self.errors)

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Hand a frame to the program."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            raise self._failure() from None

    def finish(self) -> None:
        """Let the program end, then join pictures and sound."""
        try:
            self.process.communicate()
        except BrokenPipeError:
            raise self._failure() from None
        if self.process.returncode:
            raise self._failure()
        self._join()
        self.abandon()

    def abandon(self) -> None:
        """Stop the program and remove its file."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.errors.close()
        self.silent.unlink(missing_ok=True)

    def _join(self) -> None:
        with av.open(f"file:{self.silent}", mode="r") as source, self.job.open() as output:
            pictures = source.streams.video[0]
            target = output.add_stream_from_template(pictures)
            sound = self.job.sound(output)
            second = Fraction(0)
            for packet in source.demux(pictures):
                if packet.dts is None or packet.pts is None or packet.time_base is None:
                    continue
                second = max(second, packet.pts * packet.time_base + 1 / self.job.fps)
                packet.stream = target
                output.mux(packet)
                if sound is not None:
                    sound.write_until(second)
            if sound is not None:
                sound.close()

    def _failure(self) -> OSError:
        """What the program said, with the number of the errors we tell apart."""
        self.process.wait()
        self.errors.seek(0)
        words = self.errors.read().decode(errors="replace").strip()
        for number in (*os_errors.FULL, *os_errors.DENIED):
            if os.strerror(number) in words:
                return OSError(number, os.strerror(number))
        return OSError(0, words.splitlines()[-1] if words else "the encoder stopped")


def has_inner_encoder() -> bool:
    """Whether this PyAV was built with libx264."""
    try:
        Codec("libx264", "w")
    except ValueError:
        return False
    return True


def _program() -> str:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError(
            "Neither PyAV nor imageio-ffmpeg can encode H.264 here.", "pip install --upgrade av imageio-ffmpeg"
        ) from error
