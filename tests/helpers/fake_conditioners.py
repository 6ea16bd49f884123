"""Small conditioners and lossless videos for the tests of `prepare`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import (
    Annotation,
    Conditioner,
    ConditionerSpec,
    Options,
    Requirement,
    VideoFrame,
    View,
    input_path_option,
    list_label_files,
    view_image,
)
from vid2vid_cli.core.errors import InputFileMismatchError

ImageArray = NDArray[np.uint8]


class MarksOptions(Options):
    """Options of `Marks`."""

    smooth: float = 0.5
    dark: int = 200


class Marks(Conditioner):
    """Detects a red square: its smoothed centre, a label map and 16-bit ids."""

    spec = ConditionerSpec("marks", "a red mark on a dark background", "labels", "nowhere:Marks")
    Options = MarksOptions
    options: MarksOptions

    @property
    def num_channels(self) -> int:
        return 2

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        previous_centre: NDArray[Any] | None = None
        for frame in (video_frame.rgb for video_frame in frames):
            is_mark = (frame[:, :, 0] > self.options.dark) & (frame[:, :, 1] < 100)
            height, width = is_mark.shape
            centre = np.full(2, np.nan)
            if is_mark.any():
                ys, xs = np.nonzero(is_mark)
                centre = np.array([xs.mean(), ys.mean()])
                if previous_centre is not None:
                    centre = self.options.smooth * previous_centre + (1 - self.options.smooth) * centre
                previous_centre = centre
            ids = (is_mark * 40000 + frame[:, :, 2]).astype(np.uint16)
            images = {"mask": is_mark.astype(np.uint8) * 7, "ids": ids}
            points = np.stack([centre, centre + 1]).astype(np.float32)
            yield Annotation(height, width, float(is_mark.any()), {"mark": points}, images)

    def render(self, annotation: Annotation, view: View) -> NDArray[np.float32]:
        mask = view_image(annotation.images["mask"], view, nearest=True).astype(np.float32) / 3.5 - 1
        return np.stack([mask, mask])

    def visualize(self, annotation: Annotation, view: View) -> ImageArray:
        mask = view_image(annotation.images["mask"], view, nearest=True)
        return np.repeat(mask[:, :, None] * np.uint8(36), 3, axis=2)

    def statistics(self, annotations: Sequence[Annotation]) -> dict[str, Any]:
        centres = np.array([a.points["mark"][0] for a in annotations if a.quality > 0])
        if not len(centres):
            return {}
        return {"count": len(annotations), "right": centres[:, 0].max(), "mean": centres.mean(axis=0)}


class Brightness(Marks):
    """Records the mean brightness; has no images and no state."""

    spec = ConditionerSpec("bright", "how bright a frame is", "points", "nowhere:Bright")

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        for frame in (video_frame.rgb for video_frame in frames):
            point = np.array([[frame.mean(), 0.0]], np.float32)
            yield Annotation(frame.shape[0], frame.shape[1], 1.0, {"level": point})

    def visualize(self, annotation: Annotation, view: View) -> ImageArray:
        return np.full((view.height, view.width, 3), int(annotation.points["level"][0, 0]), np.uint8)

    def statistics(self, annotations: Sequence[Annotation]) -> dict[str, Any]:
        return {"num_frames": len(annotations)}


class NotesOptions(Options):
    """Options of `Notes`."""

    folder: Path | None = input_path_option("A text file with a number for each frame.")


class Notes(Marks):
    """Reads a number per frame from existing files; without files it needs a package that is not installed."""

    spec = ConditionerSpec(
        "notes", "a number", "points", "helpers.fake_conditioners:Notes", (Requirement("not_there", "pip x"),)
    )
    Options = NotesOptions
    options: NotesOptions  # type: ignore[assignment]
    input_option = "folder"

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        assert self.options.folder is not None
        assert self.video_context is not None
        files = list_label_files(self.options.folder, (".txt",))
        if self.video_context.num_frames != len(files):
            raise InputFileMismatchError(f"{len(files)} notes for {self.video_context.num_frames} frames")
        for index, frame in enumerate(video_frame.rgb for video_frame in frames):
            number = float(files[self.video_context.source_frame_index(index)].read_text())
            yield Annotation(frame.shape[0], frame.shape[1], 1.0, {"note": np.array([[number, 0.0]], np.float32)})

    def visualize(self, annotation: Annotation, view: View) -> ImageArray:
        return np.zeros((view.height, view.width, 3), np.uint8)

    def statistics(self, annotations: Sequence[Annotation]) -> dict[str, Any]:
        return {}


def write_notes(folder: Path, numbers: Iterable[float]) -> Path:
    """One file for each number."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, number in enumerate(numbers):
        (folder / f"{index}.txt").write_text(str(number))
    return folder


def mark_frame(index: int, height: int = 61, width: int = 97, *, has_mark: bool = True) -> ImageArray:
    """A dark frame whose colour depends on `index`, with a red square that moves by one pixel per frame."""
    frame = np.random.default_rng(0).integers(0, 20, (height, width, 3), dtype=np.uint8)
    frame += np.array([abs(index % 100 - 50), abs(index * 7 % 100 - 50), abs(index * 3 % 140 - 70)], np.uint8)
    if has_mark:
        left = 5 + index % (width - 20)
        frame[20:30, left : left + 10] = (255, 10, 10)
    return frame


def write_png_video(path: Path, frames: Sequence[ImageArray], fps: Fraction = Fraction(30000, 1001)) -> Path:
    """Write a lossless video: PNG images in a QuickTime file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "rgb24"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


class SlowMarks(Marks):
    """`Marks` with a delay per frame and the same fingerprint."""

    def annotate(self, frames: Iterable[VideoFrame]) -> Iterator[Annotation]:
        for annotation in super().annotate(frames):
            time.sleep(0.01)
            yield annotation


def main(video: str, out: str) -> None:
    """The program that the test of a killed `prepare` starts."""
    from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with_conditioners

    prepare_with_conditioners(PrepareRequest((Path(video),), (), Path(out)), [SlowMarks(), Brightness()], print)


if __name__ == "__main__":
    main(*sys.argv[1:])
