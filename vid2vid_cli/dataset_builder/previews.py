"""What a dataset shows people: `preview.mp4` and `contact_sheet.png`, each with the condition drawn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Conditioner, View, view_image
from vid2vid_cli.core.prefetch import ahead
from vid2vid_cli.data.dataset import Dataset, Span
from vid2vid_cli.dataset_builder.job import Job
from vid2vid_cli.engine.events import Advanced, Tell
from vid2vid_cli.media.contact_sheet import contact_sheet, side_by_side
from vid2vid_cli.media.images import resize_to, save_png
from vid2vid_cli.media.writer import VideoWriter

Picture = NDArray[np.uint8]

PREVIEW_HEIGHT = (192, 288)
"""Pixels; lower frames are enlarged to the first, higher ones reduced to the second or less."""
PREVIEW_WIDTH = 1920
"""At most, of each of the pictures side by side."""
PREVIEW_CRF = 28
TILE_HEIGHT = 200
COLUMNS = 8
SHEET_WIDTH = 2000
LOST = (255, 64, 64)


class Look:
    """How a frame and what was found on it are shown side by side in a preview."""

    def __init__(self, job: Job) -> None:
        self._conditioners = job.conditioners
        self._names = [conditioner.spec.name for conditioner in job.conditioners]
        self._view = preview_view(*job.size)

    def shown(self, frame: Picture) -> Picture:
        """The frame at the size of the preview, an array of its own."""
        view, times = self._view, round(1 / self._view.scale)
        whole = frame[: view.height * times, : view.width * times] if times > 1 else frame
        return resize_to(whole, view.height, view.width)

    def side_by_side(self, shown: Picture, shot: int, annotations: Sequence[Annotation]) -> Picture:
        """(h, w, 3) uint8 of one size throughout; `shot` is the number of the frame's shot in its video."""
        view = self._view
        drawn = [c.picture(found, view) for c, found in zip(self._conditioners, annotations, strict=True)]
        label = f"video, shot {shot + 1}" if shot else "video"
        return side_by_side([shown, *drawn], [label, *self._names], view.height)


def preview_view(height: int, width: int) -> View:
    """The frame at the size of a preview: a whole number of times smaller, which is fast to make.

    What that leaves over at the right and at the foot, a pixel or two, is not shown.
    """
    low, high = PREVIEW_HEIGHT
    times = max(math.ceil(height / high), math.ceil(width / PREVIEW_WIDTH))
    if 1 < times <= min(height, width):
        shown = height // times, width // times
        return View.of_box((0, 0, shown[1] * times, shown[0] * times), *shown)
    scale = max(1.0, min(low / height, PREVIEW_WIDTH / width))
    return View.of_box((0, 0, width, height), round(height * scale), round(width * scale))


def preview_writer(job: Job, path: Path) -> VideoWriter:
    """What takes the pictures of a preview; with sound where the dataset is one video."""
    only = job.inputs[0] if len(job.inputs) == 1 else None
    sound = only.path if only is not None and only.probe.has_audio else None
    start = job.request.start
    return VideoWriter(path, job.fps, audio_from=sound, audio_start=start, crf=PREVIEW_CRF, preset="ultrafast")


def write_preview(dataset: Dataset, job: Job, path: Path, tell: Tell) -> None:
    """Source and condition side by side, every frame of a dataset that lies on disk.

    Raises DiskFullError, PermissionDeniedError.
    """
    look, total = Look(job), dataset.manifest.frames
    with preview_writer(job, path) as writer:
        for done, (frame, shot, annotations) in enumerate(ahead(_stored(dataset)), start=1):
            writer.write(look.side_by_side(look.shown(frame), shot, annotations))
            tell(Advanced("preview", done, total))


def _stored(dataset: Dataset) -> Iterator[tuple[Picture, int, list[Annotation]]]:
    """Each frame, the number of its shot in its video, and its annotations."""
    names, shots = dataset.manifest.conditioner_names, Counter[int]()
    for span, clip in zip(dataset.clips(), dataset.manifest.clips, strict=True):
        for index in range(span.first, span.last):
            found = [dataset.annotation(span.clip, index, name) for name in names]
            yield dataset.frame(span.clip, index), shots[clip.source], found
        shots[clip.source] += 1


def pictures_of(
    dataset: Dataset, conditioners: Sequence[Conditioner], clip: int, index: int, height: int
) -> list[Picture]:
    """A frame, and its conditions as people see them, (height, w, 3) uint8 each."""
    view = View.of_box(
        (0, 0, dataset.width, dataset.height), height, max(1, round(dataset.width * height / dataset.height))
    )
    frame: Picture = view_image(dataset.frame(clip, index), view)
    drawn = [c.picture(dataset.annotation(clip, index, c.spec.name), view) for c in conditioners]
    return [frame, *drawn]


def write_sheet(dataset: Dataset, conditioners: Sequence[Conditioner], path: Path) -> None:
    """Frames above their conditions: evenly spaced ones, and the worst; red where nothing was found.

    Raises DiskFullError, PermissionDeniedError.
    """
    height = max(16, min(TILE_HEIGHT, int((SHEET_WIDTH / COLUMNS - 4) * dataset.height / dataset.width)))
    chosen = chosen_frames(dataset, COLUMNS)
    columns = [pictures_of(dataset, conditioners, clip, index, height) for clip, index in chosen]
    rows = [[pictures[0] for pictures in columns]]
    for number, conditioner in enumerate(conditioners, start=1):
        row = []
        for (clip, index), pictures in zip(chosen, columns, strict=True):
            quality = float(dataset.quality(clip, conditioner.spec.name)[index])
            text = f"quality {quality:.2f}" if quality > 0 else "nothing found"
            row.append(caption(pictures[number], text, lost=quality <= 0))
        rows.append(row)
    titles = [_title(dataset, clip, index) for clip, index in chosen]
    labels = ["video", *(conditioner.spec.name for conditioner in conditioners)]
    save_png(path, contact_sheet(rows, labels=labels, titles=titles, height=height, widest=SHEET_WIDTH))


def _title(dataset: Dataset, clip: int, index: int) -> str:
    """Where a frame is stored: its number, after the folder where there are several."""
    number, folders = dataset.number(clip, index), {entry.name for entry in dataset.manifest.clips}
    return f"frame {number}" if len(folders) == 1 else f"clip {dataset.manifest.clips[clip].name}, {number}"


def chosen_frames(dataset: Dataset, count: int) -> list[tuple[int, int]]:
    """(clip, index) of `count` frames in order: evenly spaced over all clips, one of them the worst."""
    frames = [(span.clip, index) for span in dataset.clips() for index in range(span.first, span.last)]
    worst = int(np.argmin(_least_quality(dataset, dataset.clips())))
    even = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int).tolist()
    if worst not in even:
        nearest = min(range(len(even)), key=lambda place: abs(even[place] - worst))
        even[nearest] = worst
    return [frames[place] for place in even]


def _least_quality(dataset: Dataset, spans: Sequence[Span]) -> NDArray[np.float32]:
    """Of the conditioners, for every frame of the clips in order."""
    names = dataset.manifest.conditioner_names
    return np.concatenate([np.min([dataset.quality(span.clip, name) for name in names], axis=0) for span in spans])


def caption(picture: Picture, text: str, *, lost: bool = False) -> Picture:
    """The picture with a line of text at its foot; framed in red where something was lost."""
    marked = picture.copy()
    height, width = marked.shape[:2]
    colour = LOST if lost else (255, 255, 255)
    place = (6, height - 8)
    for thickness, ink in ((3, (0, 0, 0)), (1, colour)):
        cv2.putText(marked, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, thickness, cv2.LINE_AA)
    if lost:
        cv2.rectangle(marked, (1, 1), (width - 2, height - 2), LOST, 3)
    return marked
