"""What a dataset shows people: `preview.mp4` and `contact_sheet.png`, each with the condition drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Conditioner, View, view_image
from vid2vid_cli.core.stream import ahead
from vid2vid_cli.data.dataset import Dataset, Span
from vid2vid_cli.engine.events import Advanced, Tell
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.sheet import contact_sheet, side_by_side
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.pipelines.preparing.job import Job

Picture = NDArray[np.uint8]

PREVIEW_HEIGHT = (192, 288)
"""Pixels; lower frames are enlarged to the first, higher ones reduced to the second."""
PREVIEW_CRF = 24
TILE_HEIGHT = 200
COLUMNS = 8
SHEET_WIDTH = 2000
LOST = (255, 64, 64)


def write_preview(dataset: Dataset, job: Job, path: Path, tell: Tell) -> None:
    """Source and condition side by side, every frame; with sound where the dataset is one video.

    Raises DiskFullError, PermissionDeniedError.
    """
    only = job.inputs[0] if len(job.inputs) == 1 else None
    sound = only.path if only is not None and only.probe.has_audio else None
    low, high = PREVIEW_HEIGHT
    height = min(max(dataset.height, low), high)
    labels = ["video", *(conditioner.spec.name for conditioner in job.conditioners)]
    total = dataset.manifest.frames
    with VideoWriter(path, dataset.fps, audio_from=sound, audio_start=job.request.start, crf=PREVIEW_CRF) as writer:
        for done, pictures in enumerate(ahead(_pictures(dataset, job.conditioners, height)), start=1):
            writer.write(side_by_side(pictures, labels, height))
            tell(Advanced("preview", done, total))


def _pictures(dataset: Dataset, conditioners: Sequence[Conditioner], height: int) -> Iterator[list[Picture]]:
    for span in dataset.clips():
        for index in range(span.first, span.last):
            yield pictures_of(dataset, conditioners, span.clip, index, height)


def pictures_of(
    dataset: Dataset, conditioners: Sequence[Conditioner], clip: int, index: int, height: int
) -> list[Picture]:
    """A frame, and its conditions as people see them, (height, w, 3) uint8 each."""
    view = view_of_height(dataset, height)
    frame: Picture = view_image(dataset.frame(clip, index), view)
    drawn = [c.picture(dataset.annotation(clip, index, c.spec.name), view) for c in conditioners]
    return [frame, *drawn]


def view_of_height(dataset: Dataset, height: int) -> View:
    """The whole frame, `height` pixels high."""
    width = max(1, round(dataset.width * height / dataset.height))
    return View.of_box((0, 0, dataset.width, dataset.height), height, width)


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
    several = len(dataset.manifest.clips) > 1
    titles = [f"clip {clip}, {index}" if several else f"frame {index}" for clip, index in chosen]
    labels = ["video", *(conditioner.spec.name for conditioner in conditioners)]
    save_png(path, contact_sheet(rows, labels=labels, titles=titles, height=height, widest=SHEET_WIDTH))


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
