"""The FFmpeg binary of imageio-ffmpeg as encoder of H.264, for builds of PyAV without libx264."""

from __future__ import annotations

import os
import subprocess
import tempfile
from typing import IO

import numpy as np

from vid2vid_cli.core.errors import MissingPackageError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media import os_errors
from vid2vid_cli.media.encode import EncodeJob, copy_video
from vid2vid_cli.media.partial_files import VIDEO_ONLY_SUFFIX


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
        command += ["-vf", f"{scale},format=yuv420p,{tags}", "-c:v", "libx264"]
        for name, value in job.x264_options.items():
            command += [f"-{name}", value]
        command += ["-f", "mp4", f"file:{self.video_only_path}"]
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
        copy_video([self.video_only_path], self.job)
        self.abort()

    def abort(self) -> None:
        """Kill the process and remove its file."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.stderr_file.close()
        self.video_only_path.unlink(missing_ok=True)

    def _process_error(self) -> OSError:
        """Convert the stderr of the process to an OSError, with errno set for a full disk or a missing permission."""
        self.process.wait()
        self.stderr_file.seek(0)
        message = self.stderr_file.read().decode(errors="replace").strip()
        for error_number in (*os_errors.DISK_FULL_ERRNOS, *os_errors.PERMISSION_ERRNOS):
            if os.strerror(error_number) in message:
                return OSError(error_number, os.strerror(error_number))
        return OSError(0, message.splitlines()[-1] if message else "the encoder stopped unexpectedly")


def _ffmpeg_program() -> str:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError(
            "No H.264 encoder is available in PyAV or imageio-ffmpeg.", "pip install --upgrade av imageio-ffmpeg"
        ) from error
