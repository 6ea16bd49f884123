"""Writing video that plays everywhere: H.264 yuv420p, BT.709, index at the front, with the sound of its source."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from vid2vid_cli.core.errors import ConfigError, NoFramesError, Vid2VidError
from vid2vid_cli.media.container import is_cut_off
from vid2vid_cli.media.encode import CONTAINERS, Encoder, InnerEncoder, Job, OuterEncoder, Speed, has_inner_encoder
from vid2vid_cli.media.os_errors import writing_failed


class VideoWriter:
    """A context manager that takes frames one by one; the file appears, whole, when its block ends well.

    Frames are uint8 (h, w, 3) RGB, all of the size of the first. H.264 with yuv420p needs even sizes: an odd width
    or height gets its last column or row repeated once, and the comment of the file keeps the size before that
    ("picture 97x61"). The sound of `audio_from`, from `audio_start` seconds after its first picture on, is copied,
    or encoded as AAC where an MP4 cannot hold it, and ends with the pictures. `crf` is the quality of x264: smaller
    is better, 18 looks like the original; `preset` its speed: what is written faster is larger. MP4, MOV and MKV by the
    suffix of `path`.

    What is written lies under a hidden temporary name beside `path` until it is whole; an exception removes it.
    Raises DiskFullError, PermissionDeniedError, ConfigError (suffix), NoFramesError (nothing was written),
    MissingPackageError (no encoder).
    """

    def __init__(
        self,
        path: Path,
        fps: Fraction,
        *,
        audio_from: Path | None = None,
        audio_start: float = 0.0,
        crf: int = 18,
        preset: Speed = "fast",
        comment: str = "",
    ) -> None:
        if path.suffix.lower() not in CONTAINERS:
            raise ConfigError(
                f"{path} does not name a video that can be written.", "End the name in .mp4, .mov or .mkv."
            )
        self.path = path
        self.fps = Fraction(fps)
        self.frames = 0
        self.size: tuple[int, int] | None = None  # (height, width) of the frames, before any padding
        self._unfinished = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
        self._audio, self._audio_start = audio_from, audio_start
        self._crf, self._preset, self._comment = crf, preset, comment
        self._encoder: Encoder | None = None

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append a frame, uint8 (h, w, 3) RGB. Raises DiskFullError, PermissionDeniedError; ValueError for shapes."""
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame is uint8 (h, w, 3), not {frame.dtype} {frame.shape}")
        if self.size is None:
            self.size = (frame.shape[0], frame.shape[1])
        elif frame.shape[:2] != self.size:
            raise ValueError(f"frame {self.frames} is {frame.shape[:2]}, the first one was {self.size}")
        height, width = self.size
        if height % 2 or width % 2:
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        even = np.ascontiguousarray(frame)
        try:
            if self._encoder is None:
                self._encoder = self._open(*even.shape[:2])
            self._encoder.write(even)
        except (FFmpegError, OSError) as error:
            raise self._failed(error) from error
        self.frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._encoder is not None:
                self._encoder.abandon()
            with suppress(OSError):  # on a disk that refuses, it was never made
                self._unfinished.unlink(missing_ok=True)

    def _open(self, height: int, width: int) -> Encoder:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._unfinished.touch()  # a place that refuses does so now, not after an hour of pictures
        comment = self._comment
        if (height, width) != self.size and self.size is not None:
            comment = f"{comment} (picture {self.size[1]}x{self.size[0]})".lstrip()
        kind = CONTAINERS[self.path.suffix.lower()]
        job = Job(self._unfinished, kind, self.fps, self._crf, self._preset, comment, self._audio, self._audio_start)
        return InnerEncoder(job, height, width) if has_inner_encoder() else OuterEncoder(job, height, width)

    def _finish(self) -> None:
        if self._encoder is None:
            raise NoFramesError(f"{self.path} was not written: there was no frame to write.", "Check the input.")
        try:
            self._encoder.finish()
            self._check_whole()
            self._unfinished.replace(self.path)
        except (FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def _check_whole(self) -> None:
        """A disk that fills up while the index is written does not always say so."""
        with self._unfinished.open("rb") as file:
            os.fsync(file.fileno())
        if self._unfinished.suffix.lower() != ".mkv":
            if is_cut_off(self._unfinished):
                raise OSError(0, "the file came out incomplete")
            with av.open(f"file:{self._unfinished}") as written:
                if written.streams.video[0].frames != self.frames:
                    raise OSError(0, "the file came out with frames missing")

    def _failed(self, error: FFmpegError | OSError) -> Vid2VidError:
        number = error.errno or 0
        return writing_failed(self.path, OSError(number, error.strerror or str(error)))
