"""A real but tiny conditioner and exact little videos, for the tests of `prepare`."""

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
    View,
    files_option,
    label_files,
    view_image,
)
from vid2vid_cli.core.errors import FilesMismatchError

Bytes = NDArray[np.uint8]


class MarkOptions(Options):
    """How the mark is looked for."""

    smooth: float = 0.5
    dark: int = 200


class Marks(Conditioner):
    """Follows the red square: its centre smoothed over time, a label map, and 16-bit ids."""

    spec = ConditionerSpec("marks", "a red mark on a dark ground", "labels", "nowhere:Marks")
    Options = MarkOptions
    options: MarkOptions

    @property
    def channels(self) -> int:
        return 2

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        last: NDArray[Any] | None = None
        for frame in frames:
            red = (frame[:, :, 0] > self.options.dark) & (frame[:, :, 1] < 100)
            height, width = red.shape
            centre = np.full(2, np.nan)
            if red.any():
                ys, xs = np.nonzero(red)
                centre = np.array([xs.mean(), ys.mean()])
                if last is not None:
                    centre = self.options.smooth * last + (1 - self.options.smooth) * centre
                last = centre
            ids = (red * 40000 + frame[:, :, 2]).astype(np.uint16)
            images = {"mask": red.astype(np.uint8) * 7, "ids": ids}
            points = np.stack([centre, centre + 1]).astype(np.float32)
            yield Annotation(height, width, float(red.any()), {"mark": points}, images)

    def render(self, annotation: Annotation, view: View) -> NDArray[np.float32]:
        mask = view_image(annotation.images["mask"], view, nearest=True).astype(np.float32) / 3.5 - 1
        return np.stack([mask, mask])

    def picture(self, annotation: Annotation, view: View) -> Bytes:
        mask = view_image(annotation.images["mask"], view, nearest=True)
        return np.repeat(mask[:, :, None] * np.uint8(36), 3, axis=2)

    def statistics(self, annotations: Sequence[Annotation]) -> dict[str, Any]:
        centres = np.array([a.points["mark"][0] for a in annotations if a.quality > 0])
        if not len(centres):
            return {}
        return {"count": len(annotations), "right": centres[:, 0].max(), "mean": centres.mean(axis=0)}


class Bright(Marks):
    """A second one, without images or memory."""

    spec = ConditionerSpec("bright", "how bright a frame is", "points", "nowhere:Bright")

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        for frame in frames:
            point = np.array([[frame.mean(), 0.0]], np.float32)
            yield Annotation(frame.shape[0], frame.shape[1], 1.0, {"level": point})

    def picture(self, annotation: Annotation, view: View) -> Bytes:
        return np.full((view.height, view.width, 3), int(annotation.points["level"][0, 0]), np.uint8)

    def statistics(self, annotations: Sequence[Annotation]) -> dict[str, Any]:
        return {"seen": len(annotations)}


class NoteOptions(Options):
    """Where the notes lie."""

    folder: Path | None = files_option("A text file with a number for each frame.")


class Notes(Marks):
    """Reads a number for each frame from files beside the video; to find one itself it would need a package."""

    spec = ConditionerSpec(
        "notes", "a number", "points", "helpers.fake_conditioners:Notes", (Requirement("not_there", "pip x"),)
    )
    Options = NoteOptions
    options: NoteOptions  # type: ignore[assignment]
    reads = "folder"

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        assert self.options.folder is not None
        assert self.footage is not None
        files = label_files(self.options.folder, (".txt",))
        if self.footage.frames != len(files):
            raise FilesMismatchError(f"{len(files)} notes for {self.footage.frames} frames")
        for index, frame in enumerate(frames):
            number = float(files[self.footage.number(index)].read_text())
            yield Annotation(frame.shape[0], frame.shape[1], 1.0, {"note": np.array([[number, 0.0]], np.float32)})

    def picture(self, annotation: Annotation, view: View) -> Bytes:
        return np.zeros((view.height, view.width, 3), np.uint8)

    def statistics(self, annotations: Sequence[Annotation]) -> dict[str, Any]:
        return {}


def write_notes(folder: Path, numbers: Iterable[float]) -> Path:
    """One file for each number."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, number in enumerate(numbers):
        (folder / f"{index}.txt").write_text(str(number))
    return folder


def picture(index: int, height: int = 61, width: int = 97, *, mark: bool = True) -> Bytes:
    """A dark frame, each of a slightly other colour, with a red square that moves one pixel a frame."""
    frame = np.random.default_rng(0).integers(0, 20, (height, width, 3), dtype=np.uint8)
    frame += np.array([abs(index % 100 - 50), abs(index * 7 % 100 - 50), abs(index * 3 % 140 - 70)], np.uint8)
    if mark:
        left = 5 + index % (width - 20)
        frame[20:30, left : left + 10] = (255, 10, 10)
    return frame


def film(path: Path, frames: Sequence[Bytes], fps: Fraction = Fraction(30000, 1001)) -> Path:
    """A video whose frames are exactly these: PNG pictures in a QuickTime file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "rgb24"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


class Slow(Marks):
    """As Marks, and with the same fingerprint, but it takes its time."""

    def annotate(self, frames: Iterable[Bytes]) -> Iterator[Annotation]:
        for annotation in super().annotate(frames):
            time.sleep(0.01)
            yield annotation


def main(video: str, out: str) -> None:
    """What the test of a kill runs in a process of its own."""
    from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with

    prepare_with(PrepareRequest((Path(video),), (), Path(out)), [Slow(), Bright()], print)


if __name__ == "__main__":
    main(*sys.argv[1:])
