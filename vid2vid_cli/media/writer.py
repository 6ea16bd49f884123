"""Video writer: H.264, or a lossless or alpha codec by the suffix, with the audio of a source."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.error import FFmpegError

from vid2vid_cli.core.errors import ConfigError, NoFramesError, Vid2VidError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.container import is_truncated, read_comment
from vid2vid_cli.media.encode import EncodeJob, Encoder, PyAVEncoder, X264Preset, has_libx264
from vid2vid_cli.media.ffmpeg_binary import FFmpegEncoder
from vid2vid_cli.media.os_errors import write_error
from vid2vid_cli.media.output_formats import CONTAINER_FORMATS, H264
from vid2vid_cli.media.partial_files import PartialFile

SYNTHETIC_COMMENT = "Synthetic: rendered by vid2vid-cli from another video."
"""The comment of generated videos."""


class VideoWriter:
    """Context manager that encodes frames one at a time; the file appears when the block ends without an exception.

    Frames are uint8 (h, w, 3) RGB, or (h, w, 4) RGBA with `has_alpha`, all of the size of the first. H.264 with yuv420p
    needs even sizes: the last column or row of an odd size is repeated once, and the file's comment records the
    original size ("source size 97x61").
    The audio of `audio_path`, from `audio_start` seconds after its first frame, is copied, or encoded as AAC if the
    container does not support its codec, and ends with the video. `crf`: x264 quality, smaller is better, 18 is
    visually lossless. `preset`: x264 speed; faster presets write larger files. The suffix of `path` selects the format,
    see `output_formats`.

    The file is written under a hidden temporary name beside `path` and renamed at the end; an exception removes it.
    Raises DiskFullError, PermissionDeniedError, ConfigError (suffix, or one without alpha), NoFramesError (no frame was
    written), MissingPackageError (no encoder).
    """

    def __init__(
        self,
        path: Path,
        fps: Fraction,
        *,
        audio_path: Path | None = None,
        audio_start: float = 0.0,
        crf: int = 18,
        preset: X264Preset = "fast",
        comment: str = "",
        has_alpha: bool = False,
    ) -> None:
        if path.suffix.lower() not in CONTAINER_FORMATS:
            raise ConfigError(
                f"{path}: the suffix {path.suffix!r} is not a supported video format.",
                f"Use {' or '.join(CONTAINER_FORMATS)}.",
            )
        self._format, self._has_alpha = CONTAINER_FORMATS[path.suffix.lower()], has_alpha
        self._coding = self._format.coding(has_alpha=has_alpha)
        self.path = path
        self.fps = Fraction(fps)
        self.num_frames = 0
        self.size: tuple[int, int] | None = None  # (height, width) of the frames, before any padding
        self._partial_file = PartialFile(path, path.suffix)
        self._temp_path = self._partial_file.path
        self._audio_path, self._audio_start = audio_path, audio_start
        self._crf, self._preset, self._comment = crf, preset, comment
        self._encoder: Encoder | None = None

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, frame: ImageArray) -> None:
        """Append a frame, uint8 (h, w, 3 or 4). Raises DiskFullError, PermissionDeniedError, ValueError (shape)."""
        num_channels = 4 if self._has_alpha else 3
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != num_channels:
            raise ValueError(f"a frame must be uint8 (h, w, {num_channels}), not {frame.dtype} {frame.shape}")
        if self.size is None:
            self.size = (frame.shape[0], frame.shape[1])
        elif frame.shape[:2] != self.size:
            raise ValueError(f"frame {self.num_frames} has size {frame.shape[:2]}, but the first one has {self.size}")
        height, width = self.size
        if self._coding.needs_even_size and (height % 2 or width % 2):
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        contiguous_frame = np.ascontiguousarray(frame)
        try:
            if self._encoder is None:
                self._encoder = self._open_encoder(*contiguous_frame.shape[:2])
            self._encoder.write(contiguous_frame)
        except (FFmpegError, OSError) as error:
            raise self._to_write_error(error) from error
        self.num_frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish_file()
        finally:
            if self._encoder is not None:
                self._encoder.abort()
            self._partial_file.remove()

    def _open_encoder(self, height: int, width: int) -> Encoder:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._partial_file.create()  # a missing permission raises now, not when the file is closed
        comment = self._comment
        if (height, width) != self.size and self.size is not None:
            comment = f"{comment} (source size {self.size[1]}x{self.size[0]})".lstrip()
        job = EncodeJob(
            path=self._temp_path,
            output_format=self._format,
            has_alpha=self._has_alpha,
            fps=self.fps,
            crf=self._crf,
            preset=self._preset,
            comment=comment,
            audio_path=self._audio_path,
            audio_start=self._audio_start,
        )
        if self._coding is H264 and not has_libx264():
            return FFmpegEncoder(job, height, width)
        return PyAVEncoder(job, height, width)

    def _finish_file(self) -> None:
        if self._encoder is None:
            raise NoFramesError(f"{self.path} was not written: there are no frames.", "Check the input.")
        try:
            self._encoder.finish()
            self._check_complete()
            self._temp_path.replace(self.path)
        except (FFmpegError, OSError) as error:
            raise self._to_write_error(error) from error

    def _check_complete(self) -> None:
        """Check that the file has all frames: a disk that fills up while the index is written may raise no error."""
        with self._temp_path.open("rb") as file:
            os.fsync(file.fileno())
        if self._format.container in ("mp4", "mov"):
            if is_truncated(self._temp_path):
                raise OSError(0, "the written file is incomplete")
            with av.open(f"file:{self._temp_path}") as container:
                if container.streams.video[0].frames != self.num_frames:
                    raise OSError(0, "frames are missing in the written file")

    def _to_write_error(self, error: FFmpegError | OSError) -> Vid2VidError:
        error_number = error.errno or 0
        return write_error(self.path, OSError(error_number, error.strerror or str(error)))


def is_rendered(path: Path) -> bool:
    """Whether the comment of a file states that vid2vid rendered it; False for one that is being written."""
    try:
        return read_comment(path).startswith(SYNTHETIC_COMMENT)
    except Vid2VidError:
        return False
