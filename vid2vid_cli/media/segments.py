"""Videos that are written in segments, so that an interrupted one can be continued, and joined at the end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.error import FFmpegError

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.encode import EncodeJob, copy_video
from vid2vid_cli.media.files import atomic_write, sync_files
from vid2vid_cli.media.gif import write_gif
from vid2vid_cli.media.images import Image, save_png
from vid2vid_cli.media.os_errors import write_error
from vid2vid_cli.media.output_formats import OutputFormat
from vid2vid_cli.media.writer import VideoWriter

IMAGE_PATTERN = "[0-9]" * 6 + ".png"
"""Names of the images of a folder."""
CRF = 18


@dataclass(frozen=True, kw_only=True)
class VideoSettings:
    """What a written video contains in addition to its frames."""

    output_format: OutputFormat
    fps: Fraction
    has_alpha: bool = False
    audio_path: Path | None = None
    """File whose audio is copied."""
    audio_start: float = 0.0
    """Time in that file, in seconds, at which the video starts."""
    comment: str = ""


class SegmentedVideo:
    """Writes frames to files `NAME_00000.mkv`, ... of a work folder, and joins them without encoding them again.

    Frames are as in `VideoWriter`; those of a folder of images are single files, and may be uint16. A segment's file
    exists if it is complete.
    """

    def __init__(self, folder: Path, name: str, settings: VideoSettings, *, num_segments: int, num_frames: int) -> None:
        """`num_segments`, `num_frames`: those that earlier runs have written."""
        self._folder, self._name, self._settings = folder, name, settings
        self._num_segments, self._num_frames = num_segments, num_frames
        self._writer: VideoWriter | None = None
        self._new_images: list[Path] = []

    @property
    def _image_folder(self) -> Path:
        return self._folder / self._name

    def write(self, frame: Image) -> None:
        """Append a frame to the current segment. Raises the errors of `VideoWriter.write` and `save_png`."""
        if self._settings.output_format.is_folder:
            self._image_folder.mkdir(exist_ok=True)
            self._new_images.append(self._image_folder / f"{self._num_frames:06d}.png")
            save_png(self._new_images[-1], frame)
        else:
            if self._writer is None:
                self._writer = self._open_writer()
            self._writer.write(np.asarray(frame, dtype=np.uint8))
        self._num_frames += 1

    def end_segment(self) -> None:
        """Complete the file of the current segment, if it has frames. Raises the errors of `VideoWriter`."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.__exit__(None, None, None)
            self._num_segments += 1
        if self._new_images:
            sync_files(self._new_images)
            self._new_images = []

    def abort(self) -> None:
        """Remove the incomplete segment."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            error = InterruptedError()
            writer.__exit__(type(error), error, None)

    def join(self, path: Path) -> None:
        """Write the whole video to `path`; the segments remain. Raises DiskFullError, PermissionDeniedError."""
        settings = self._settings
        if settings.output_format.is_folder:
            self._move_images(path)
            return
        segments = [self._segment_path(index) for index in range(self._num_segments)]

        def write(temp_path: Path) -> None:
            try:
                if settings.output_format.name == "gif":
                    write_gif(segments, temp_path, settings.fps)
                else:
                    copy_video(segments, self._encode_job(temp_path))
            except FFmpegError as error:
                raise OSError(error.errno or 0, error.strerror or str(error)) from error

        atomic_write(path, write)

    def _move_images(self, path: Path) -> None:
        if not self._image_folder.exists():  # an interrupted run has moved it
            return
        check_replaceable(path)
        try:
            if path.exists():
                shutil.rmtree(path)
            self._image_folder.replace(path)
        except OSError as error:
            raise write_error(path, error) from error

    def _open_writer(self) -> VideoWriter:
        settings = self._settings
        path = self._segment_path(self._num_segments)
        return VideoWriter(path, settings.fps, crf=CRF, has_alpha=settings.has_alpha, comment=settings.comment)

    def _segment_path(self, index: int) -> Path:
        suffixes = self._settings.output_format.suffixes
        return self._folder / f"{self._name}_{index:05d}{'.mkv' if suffixes == ('.gif',) else suffixes[0]}"

    def _encode_job(self, path: Path) -> EncodeJob:
        settings = self._settings
        return EncodeJob(
            path=path,
            output_format=settings.output_format,
            has_alpha=settings.has_alpha,
            fps=settings.fps,
            crf=CRF,
            preset="fast",
            comment=settings.comment,
            audio_path=settings.audio_path,
            audio_start=settings.audio_start,
        )


def check_replaceable(folder: Path) -> None:
    """Raise ConfigError if a folder contains anything but images that `SegmentedVideo` has written."""
    if folder.is_dir() and any(not entry.match(IMAGE_PATTERN) for entry in folder.iterdir()):
        raise ConfigError(
            f"{folder} contains other files than the images of a video; it is not replaced.", "Name another --out."
        )


def blend_alpha(frame: Image) -> ImageArray:
    """A frame as uint8 (h, w, 3): of 8 bits, and over grey if it has alpha."""
    image = (frame // 257).astype(np.uint8) if frame.dtype == np.uint16 else frame
    if image.shape[2] == 3:
        return np.asarray(image, dtype=np.uint8)
    alpha = image[:, :, 3:].astype(np.float32) / 255
    return np.rint(image[:, :, :3] * alpha + 128 * (1 - alpha)).astype(np.uint8)
