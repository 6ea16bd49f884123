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

from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from vid2vid_cli.core.errors import ConfigError, NoFramesError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.colour import colour_tags, decode_grey, unsupported_properties
from vid2vid_cli.media.decode import decode_frames, keyframe_times, pair_with_end_time
from vid2vid_cli.media.file_pairing import describe_gaps, find_gaps
from vid2vid_cli.media.files import describe_ignored
from vid2vid_cli.media.frame_geometry import (
    SIZE_CHANGE_MESSAGE,
    crop_to_aspect,
    has_same_aspect,
    make_upright,
    upright_size,
)
from vid2vid_cli.media.image_header import ignored_properties
from vid2vid_cli.media.images import load_image, resize_image
from vid2vid_cli.media.packet_times import TIMESTAMP_TOLERANCE, check_num_frames
from vid2vid_cli.media.probe import Probe, image_files, probe


class VideoReader:
    """Iterates over the frames of a video file, a GIF, an image or a folder of images: uint8 (h, w, 3) RGB, upright.

    `fps`: rate of the grid, by default that of the video. In a folder every image is one frame, and `fps` (25 by
    default) defines their times. `size`: (height, width). `start`, `end`: seconds after the first frame. `raw_grey`:
    frames of a grey video are (h, w) uint8 or uint16 with the stored values and size, as label maps need.
    `video_probe`: the result of an earlier `probe` of the path. Can be iterated repeatedly, each time from the start.
    Raises the errors of `probe`, NoFramesError (no frame between start and end), ConfigError (invalid values),
    NotAVideoError (a gap in the time stamps that would repeat a frame too often).
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
        self.remarks: list[str] = list(self.probe.remarks)
        """Assumptions that are usually correct."""
        self._check_values(end, max_frames)
        self._is_image_source = self.probe.kind in ("image", "images")
        self.files: tuple[Path, ...] = tuple(image_files(path)) if self.probe.kind == "images" else ()
        """All images of a folder; () for other sources."""
        gaps = find_gaps(self.files)
        if gaps:
            self.warnings.append(describe_gaps(self.files, gaps))
        num_skipped = self._num_skipped_images()
        self.discontinuities: set[int] = {gap - num_skipped for gap in gaps if gap > num_skipped}
        """Indices of frames that do not continue the previous one, as numbers of the image files are missing or the
        picture size changes: each begins a clip. An index is added before its frame is yielded."""
        if self.files and (ignored := describe_ignored(path, self.files)):
            self.warnings.append(ignored)
        self._max_frames = self._frame_limit(end, max_frames)
        self.num_frames: int | None = self._count_frames()
        if self.num_frames < 1:
            raise NoFramesError(
                f"{path} has no frame after {start:g} s: its duration is {self.probe.duration:.2f} s.",
                "Choose an earlier start.",
            )
        check_num_frames(path, self.num_frames, self.fps, self.probe.num_stored_frames)
        if self.probe.is_variable_rate and self.fps == self.probe.fps:
            self.remarks.append(
                f"The frame rate of the file varies: at {float(self.fps):g} fps, {self.probe.num_unused_frames} of its "
                f"{self.probe.num_stored_frames} pictures are not used; a higher --fps uses more of them."
                if self.probe.num_unused_frames
                else f"The frame rate of the file varies; {float(self.fps):g} fps uses all of its pictures."
            )

    @property
    def source_fps(self) -> Fraction:
        """Frame rate of the video; for images, the rate of the grid."""
        return self.fps if self._is_image_source else self.probe.fps

    @property
    def start_seconds(self) -> Fraction:
        """Time of the first frame in seconds after the start of the source; for images, rounded up to an image."""
        return self._num_skipped_images() / self.fps if self._is_image_source else self.start

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
        previous_size: tuple[int, int] | None = None
        for index, file in enumerate((self.files or (self.path,))[self._num_skipped_images() :]):
            for message in ignored_properties(file):
                self._warn(message)
            image = load_image(file)
            size = (image.shape[0], image.shape[1])
            # Images that were only scaled, or whose size is rounded differently, show the same scene.
            if previous_size is not None and not has_same_aspect(size, previous_size):
                self.discontinuities.add(index)
            previous_size = size
            if size != (self.probe.height, self.probe.width):
                self._warn(SIZE_CHANGE_MESSAGE)
                image = crop_to_aspect(image, Fraction(self.probe.width, self.probe.height))
            yield resize_image(image, self.height, self.width)

    def _read_video(self) -> Generator[ImageArray, None, None]:
        """Yield for each grid time the last frame that begins before it, within the tolerance."""
        tolerance = TIMESTAMP_TOLERANCE / max(self.fps, self.probe.fps)
        timed_frames = decode_frames(self.path, self.probe, start=self.start, warn=self._warn)
        grid_index = 0
        previous_size: tuple[int, int] | None = None
        converter = VideoReformatter()
        with closing(timed_frames):
            for timed_frame, end_seconds in pair_with_end_time(timed_frames):
                image: ImageArray | None = None
                while self._grid_time(grid_index) + tolerance < end_seconds:
                    if image is None:
                        size = (timed_frame.frame.height, timed_frame.frame.width)
                        if previous_size not in (None, size):
                            self.discontinuities.add(grid_index)
                        previous_size = size
                        image = self._convert_frame(timed_frame.frame, converter)
                    else:
                        image = image.copy()
                    yield image
                    grid_index += 1

    def _grid_time(self, grid_index: int) -> Fraction:
        return self.start + grid_index / self.fps

    def _convert_frame(self, frame: VideoFrame, converter: VideoReformatter) -> ImageArray:
        """Convert a decoded frame to RGB of the requested size, with square pixels and upright."""
        for message in unsupported_properties(frame):
            self._warn(message)
        rotation, is_mirrored, aspect_ratio = self.probe.rotation, self.probe.is_mirrored, self.probe.pixel_aspect_ratio
        has_first_size = upright_size(frame, aspect_ratio, rotation) == (self.probe.height, self.probe.width)
        if not has_first_size:
            self._warn(SIZE_CHANGE_MESSAGE)
        grey = decode_grey(frame) if self._raw_grey else None
        if grey is not None:
            return make_upright(grey, rotation, is_mirrored)
        height, width = (self.width, self.height) if rotation % 180 else (self.height, self.width)
        rgb = colour_tags(frame).to_rgb(frame, converter, (height, width) if has_first_size else None)
        if not has_first_size:
            upright_aspect = Fraction(self.probe.width, self.probe.height)
            rgb = crop_to_aspect(rgb, (1 / upright_aspect if rotation % 180 else upright_aspect) / aspect_ratio)
        if rgb.shape[:2] != (height, width):
            rgb = resize_image(rgb, height, width)
        return make_upright(rgb, rotation, is_mirrored)


def num_frames_before(start: Fraction, fps: Fraction) -> int:
    """Number of images before `start` seconds in a folder at the given rate."""
    return _ceil_frames(start * fps)


def _ceil_frames(num_frames: Fraction) -> int:
    """Round up, except for excess below 0.01: times are rounded decimals, and 2.0001 means 2."""
    return ceil(num_frames - Fraction(1, 100))
