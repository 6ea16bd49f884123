"""Frames of a video, one after the other, on a constant-rate grid.

Frame k of the grid is the picture shown k / fps seconds after the first one. A video of variable rate thus becomes
one of constant rate of the same length, and its sound stays in step. No frames are held: memory does not grow.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import islice
from math import ceil
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from vid2vid_cli.core.errors import ConfigError, NoFramesError
from vid2vid_cli.media.colour import colours_of, grey_of, oddities_of
from vid2vid_cli.media.decode import Shown, stored_pictures
from vid2vid_cli.media.images import load_picture, resize_to
from vid2vid_cli.media.probe import TOLERANCE, Probe, picture_files, probe

Bytes = NDArray[np.uint8]


class VideoReader:
    """Frames of a video file, a GIF, a picture, or a folder of pictures: uint8 (h, w, 3) RGB, upright, lazily.

    `fps` is the rate of the grid, the video's own by default. A folder has no rate of its own: there `fps` says
    what it is (25 by default) and every picture is one frame. `size` is (height, width); `start` and `end` are
    seconds after the first frame. `stored`: frames of a grey video are (h, w) uint8 or uint16 as the file has them, of
    the file's size: no number is changed, as label maps need it. `known`: what `probe` said of the
    path before. May be iterated repeatedly, each time from the start.
    Raises what `probe` raises; NoFramesError where start and end leave nothing; ConfigError for values that fit
    no video.
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
        stored: bool = False,
        known: Probe | None = None,
    ) -> None:
        self.path = path
        self._stored = stored
        self.probe: Probe = known if known is not None else probe(path)
        self.fps: Fraction = Fraction(fps) if fps is not None else self.probe.fps
        self.height, self.width = size if size is not None else (self.probe.height, self.probe.width)
        self.start = Fraction(start)
        self.warnings: list[str] = []
        """What may be wrong with the frames; filled while reading."""
        self.remarks: list[str] = []
        """What was assumed, as is usual."""
        self._check(end, max_frames)
        self._pictures = self.probe.kind in ("image", "images")
        self._limit = self._frame_limit(end, max_frames)
        self.expected: int | None = self._expect()
        if self.expected < 1:
            raise NoFramesError(
                f"{path} holds no frame from {start:g} s on: it is {self.probe.duration:.2f} s long.",
                "Choose an earlier start.",
            )
        if self.probe.colour.endswith("(not tagged)"):
            assumed = self.probe.colour.split()[0]
            self.remarks.append(f"The file does not say how its colours are stored; {assumed} is assumed.")

    @property
    def own_fps(self) -> Fraction:
        """The rate of the video's own frames; pictures have none, and take that of the grid."""
        return self.fps if self._pictures else self.probe.fps

    @property
    def begin(self) -> Fraction:
        """Seconds after the first picture at which the frames begin; of pictures, where one of them lies."""
        return self._skipped_pictures() / self.fps if self._pictures else self.start

    def part(self, first: int, last: int) -> VideoReader:
        """Frames `first` to `last` - 1 of these; up to `expected`, all that there are."""
        return VideoReader(
            self.path,
            fps=self.fps,
            size=(self.height, self.width),
            start=self.begin + first / self.fps,
            max_frames=None if self._limit is None and last == self.expected else last - first,
            stored=self._stored,
            known=self.probe,
        )

    def __iter__(self) -> Iterator[Bytes]:
        """Frames in order, each an array of its own. Closing the iterator early closes the file."""
        with closing(self._from_pictures() if self._pictures else self._from_video()) as frames:
            yield from islice(frames, self._limit)

    def _check(self, end: float | None, max_frames: int | None) -> None:
        wrong = ""
        if self.fps <= 0:
            wrong = f"{float(self.fps):g} frames per second"
        elif self.height < 1 or self.width < 1:
            wrong = f"a size of {self.width}x{self.height}"
        elif self.start < 0:
            wrong = f"a start at {float(self.start):g} s"
        elif end is not None and end <= self.start:
            wrong = f"an end at {end:g} s with a start at {float(self.start):g} s"
        elif max_frames is not None and max_frames < 1:
            wrong = f"at most {max_frames} frames"
        if wrong:
            raise ConfigError(f"{self.path} cannot be read with {wrong}.", "Give values above zero, end after start.")

    def _frame_limit(self, end: float | None, max_frames: int | None) -> int | None:
        """The most frames that `end` and `max_frames` allow."""
        limits = [] if max_frames is None else [max_frames]
        if end is not None:
            limits.append(max(1, _ceil((Fraction(end) - self.start) * self.fps)))
        return min(limits, default=None)

    def _expect(self) -> int:
        if self._pictures:
            left = self.probe.frames - self._skipped_pictures()
        else:
            own = (Fraction(self.probe.duration) - self.start) * self.fps
            left = ceil(own - TOLERANCE * self._tolerance_in_frames())
        return left if self._limit is None else min(left, self._limit)

    def _skipped_pictures(self) -> int:
        return pictures_before(self.start, self.fps)

    def _tolerance_in_frames(self) -> Fraction:
        """One frame of the finer of the two rates, in frames of the grid."""
        return self.fps / max(self.fps, self.probe.fps)

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def _from_pictures(self) -> Generator[Bytes, None, None]:
        files = [self.path] if self.probe.kind == "image" else picture_files(self.path)
        for file in files[self._skipped_pictures() :]:
            picture = load_picture(file)
            if picture.shape[:2] != (self.probe.height, self.probe.width):
                self._warn("The pictures of the folder differ in size; all are brought to the size of the first.")
            yield resize_to(picture, self.height, self.width)

    def _from_video(self) -> Generator[Bytes, None, None]:
        """Each grid time takes the last picture that begins before it, give or take the tolerance."""
        slack = TOLERANCE / max(self.fps, self.probe.fps)
        pictures = stored_pictures(self.path, self.probe, self.start, self._warn)
        count = 0
        converter = VideoReformatter()
        with closing(pictures):
            for picture, until in _with_next(pictures):
                finished: Bytes | None = None
                while self._grid(count) + slack < until:
                    finished = self._finish(picture.frame, converter) if finished is None else finished.copy()
                    yield finished
                    count += 1

    def _grid(self, count: int) -> Fraction:
        return self.start + count / self.fps

    def _finish(self, frame: VideoFrame, converter: VideoReformatter) -> Bytes:
        """RGB, stretched to square pixels and the wanted size, upright."""
        for sentence in oddities_of(frame):
            self._warn(sentence)
        turns = self.probe.rotation // 90
        grey = grey_of(frame) if self._stored else None
        if grey is not None:
            return np.ascontiguousarray(np.rot90(grey, turns))
        height, width = (self.width, self.height) if turns % 2 else (self.height, self.width)
        stored = colours_of(frame).to_rgb(frame, converter, (height, width))
        if stored.shape[:2] != (height, width):
            stored = resize_to(stored, height, width)
        return np.ascontiguousarray(np.rot90(stored, turns))


def pictures_before(start: Fraction, fps: Fraction) -> int:
    """How many pictures of a folder at that rate lie before `start` seconds."""
    return _ceil(start * fps)


def _with_next(pictures: Iterator[Shown]) -> Iterator[tuple[Shown, Fraction]]:
    """Each picture with the time the next one begins; the last one with its own end."""
    held: Shown | None = None
    for picture in pictures:
        if held is not None:
            yield held, picture.begin
        held = picture
    if held is not None:
        yield held, held.end


def _ceil(frames: Fraction) -> int:
    """Rounded up, but 2.0001 is 2: seconds come as decimal figures."""
    return ceil(frames - Fraction(1, 100))
