"""Streaming reader of video frames on a constant-rate grid.

Frame k of the grid is the frame shown k / fps seconds after the first one. A variable-rate video is thus converted to
a constant rate with the same duration, so that its audio stays in sync. No frames are buffered.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import islice
from math import ceil
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from vid2vid_cli.core.errors import ConfigError, NoFramesError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.colour import colour_tags, decode_grey, unsupported_properties
from vid2vid_cli.media.decode import TimedFrame, decode_frames, keyframe_times
from vid2vid_cli.media.file_pairing import describe_gaps, find_gaps
from vid2vid_cli.media.files import describe_ignored
from vid2vid_cli.media.images import load_image, resize_image
from vid2vid_cli.media.probe import TIMESTAMP_TOLERANCE, Probe, image_files, probe


class VideoReader:
    """Iterates over the frames of a video file, a GIF, an image or a folder of images: uint8 (h, w, 3) RGB, upright.

    `fps`: rate of the grid, by default that of the video. In a folder every image is one frame, and `fps` (25 by
    default) defines their times. `size`: (height, width). `start`, `end`: seconds after the first frame. `raw_grey`:
    frames of a grey video are (h, w) uint8 or uint16 with the stored values and size, as label maps need.
    `video_probe`: the result of an earlier `probe` of the path. Can be iterated repeatedly, each time from the start.
    Raises the errors of `probe`, NoFramesError (no frame between start and end), ConfigError (invalid values).
    """

    def __init__(
        self,
        path: Path,
        *,
        fps: Fraction | None = None,
        size: tuple[int, int] | None = None,
        start: float | Fraction = 0.0,
        end: float | None = None,
        max_frames: int | None = None,
        raw_grey: bool = False,
        video_probe: Probe | None = None,
    ) -> None:
        self.path = path
        self._raw_grey = raw_grey
        self.probe: Probe = video_probe if video_probe is not None else probe(path)
        self.fps: Fraction = Fraction(fps) if fps is not None else self.probe.fps
        self.height, self.width = size if size is not None else (self.probe.height, self.probe.width)
        self.start = Fraction(start)
        self.warnings: list[str] = []
        """Possible problems with the frames; filled while reading."""
        self.remarks: list[str] = []
        """Assumptions that are usually correct."""
        self._check_values(end, max_frames)
        self._is_image_source = self.probe.kind in ("image", "images")
        self.files: tuple[Path, ...] = tuple(image_files(path)) if self.probe.kind == "images" else ()
        """All images of a folder; () for other sources."""
        self._gaps = find_gaps(self.files)
        if self._gaps:
            self.warnings.append(describe_gaps(self.files, self._gaps))
        if self.files and (ignored := describe_ignored(path, self.files)):
            self.warnings.append(ignored)
        self._max_frames = self._frame_limit(end, max_frames)
        self.num_frames: int | None = self._count_frames()
        if self.num_frames < 1:
            raise NoFramesError(
                f"{path} has no frame after {start:g} s: its duration is {self.probe.duration:.2f} s.",
                "Choose an earlier start.",
            )
        if self.probe.colour_space.endswith("(not tagged)"):
            colour_space = self.probe.colour_space.split()[0]
            self.remarks.append(f"The colour space of the file is not tagged; {colour_space} is assumed.")

    @property
    def source_fps(self) -> Fraction:
        """Frame rate of the video; for images, the rate of the grid."""
        return self.fps if self._is_image_source else self.probe.fps

    @property
    def start_seconds(self) -> Fraction:
        """Time of the first frame in seconds after the start of the source; for images, rounded up to an image."""
        return self._num_skipped_images() / self.fps if self._is_image_source else self.start

    @property
    def gap_indices(self) -> tuple[int, ...]:
        """Indices of the frames before which numbers are missing in an image folder: they do not continue a motion."""
        first = self._num_skipped_images() if self._is_image_source else 0
        return tuple(gap - first for gap in self._gaps if gap > first)

    @property
    def seekable_indices(self) -> Sequence[int]:
        """Indices at which `select_range` can start without decoding earlier frames: 0 and the keyframes; all images.

        Reads the packets of a video file without decoding them.
        """
        num_frames = self.num_frames or 0
        if self._is_image_source:
            return range(num_frames)
        key_indices = {ceil((time - self.start) * self.fps) for time in keyframe_times(self.path, self.probe)}
        return sorted({0} | {index for index in key_indices if 0 < index < num_frames})

    def select_range(self, start: int, stop: int) -> VideoReader:
        """A reader of frames `start` to `stop` - 1. With `stop` = `num_frames`, an estimate, it reads to the end."""
        return VideoReader(
            self.path,
            fps=self.fps,
            size=(self.height, self.width),
            start=self.start_seconds + start / self.fps,
            max_frames=None if self._max_frames is None and stop == self.num_frames else stop - start,
            raw_grey=self._raw_grey,
            video_probe=self.probe,
        )

    def __iter__(self) -> Iterator[ImageArray]:
        """Yield the frames in order, each a new array. Closing the iterator closes the file."""
        with closing(self._read_images() if self._is_image_source else self._read_video()) as frames:
            yield from islice(frames, self._max_frames)

    def _check_values(self, end: float | None, max_frames: int | None) -> None:
        problem = ""
        if self.fps <= 0:
            problem = f"fps is {float(self.fps):g}"
        elif self.height < 1 or self.width < 1:
            problem = f"size is {self.width}x{self.height}"
        elif self.start < 0:
            problem = f"start is {float(self.start):g} s"
        elif end is not None and end <= self.start:
            problem = f"end is {end:g} s and start is {float(self.start):g} s"
        elif max_frames is not None and max_frames < 1:
            problem = f"max_frames is {max_frames}"
        if problem:
            raise ConfigError(f"{self.path} cannot be read: {problem}.", "Use positive values, and end after start.")

    def _frame_limit(self, end: float | None, max_frames: int | None) -> int | None:
        """Number of frames that `end` and `max_frames` allow."""
        limits = [] if max_frames is None else [max_frames]
        if end is not None:
            limits.append(max(1, _ceil_frames((Fraction(end) - self.start) * self.fps)))
        return min(limits, default=None)

    def _count_frames(self) -> int:
        if self._is_image_source:
            num_remaining = self.probe.num_frames - self._num_skipped_images()
        else:
            exact_count = (Fraction(self.probe.duration) - self.start) * self.fps
            num_remaining = ceil(exact_count - TIMESTAMP_TOLERANCE * self._frame_tolerance())
        return num_remaining if self._max_frames is None else min(num_remaining, self._max_frames)

    def _num_skipped_images(self) -> int:
        return num_frames_before(self.start, self.fps)

    def _frame_tolerance(self) -> Fraction:
        """Period of the higher of the two rates, in frames of the grid."""
        return self.fps / max(self.fps, self.probe.fps)

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)

    def _read_images(self) -> Generator[ImageArray, None, None]:
        for file in (self.files or (self.path,))[self._num_skipped_images() :]:
            image = load_image(file)
            if image.shape[:2] != (self.probe.height, self.probe.width):
                self._warn("The images of the folder differ in size; all are resized to the size of the first.")
            yield resize_image(image, self.height, self.width)

    def _read_video(self) -> Generator[ImageArray, None, None]:
        """Yield for each grid time the last frame that begins before it, within the tolerance."""
        tolerance = TIMESTAMP_TOLERANCE / max(self.fps, self.probe.fps)
        timed_frames = decode_frames(self.path, self.probe, start=self.start, warn=self._warn)
        grid_index = 0
        converter = VideoReformatter()
        with closing(timed_frames):
            for timed_frame, end_seconds in _pair_with_end_time(timed_frames):
                image: ImageArray | None = None
                while self._grid_time(grid_index) + tolerance < end_seconds:
                    image = self._convert_frame(timed_frame.frame, converter) if image is None else image.copy()
                    yield image
                    grid_index += 1

    def _grid_time(self, grid_index: int) -> Fraction:
        return self.start + grid_index / self.fps

    def _convert_frame(self, frame: VideoFrame, converter: VideoReformatter) -> ImageArray:
        """Convert a decoded frame to RGB of the requested size, with square pixels and upright."""
        for message in unsupported_properties(frame):
            self._warn(message)
        quarter_turns = self.probe.rotation // 90
        grey = decode_grey(frame) if self._raw_grey else None
        if grey is not None:
            return np.ascontiguousarray(np.rot90(grey, quarter_turns))
        height, width = (self.width, self.height) if quarter_turns % 2 else (self.height, self.width)
        rgb = colour_tags(frame).to_rgb(frame, converter, (height, width))
        if rgb.shape[:2] != (height, width):
            rgb = resize_image(rgb, height, width)
        return np.ascontiguousarray(np.rot90(rgb, quarter_turns))


def num_frames_before(start: Fraction, fps: Fraction) -> int:
    """Number of images before `start` seconds in a folder at the given rate."""
    return _ceil_frames(start * fps)


def _pair_with_end_time(timed_frames: Iterator[TimedFrame]) -> Iterator[tuple[TimedFrame, Fraction]]:
    """Pair each frame with the start time of the next one; the last one with its own end time."""
    previous: TimedFrame | None = None
    for timed_frame in timed_frames:
        if previous is not None:
            yield previous, timed_frame.start_seconds
        previous = timed_frame
    if previous is not None:
        yield previous, previous.end_seconds


def _ceil_frames(num_frames: Fraction) -> int:
    """Round up, except for excess below 0.01: times are rounded decimals, and 2.0001 means 2."""
    return ceil(num_frames - Fraction(1, 100))
