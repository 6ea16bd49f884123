"""Renders `preview.mp4` and `contact_sheet.png` of a dataset, both with the conditions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Conditioner, View, view_image
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.core.indices import evenly_spaced
from vid2vid_cli.core.prefetch import prefetch_map
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.dataset_builder.job import PrepareJob
from vid2vid_cli.engine.events import EventHandler, ProgressEvent
from vid2vid_cli.media.contact_sheet import contact_sheet, side_by_side
from vid2vid_cli.media.images import resize_image, save_png
from vid2vid_cli.media.writer import VideoWriter

PREVIEW_HEIGHT_RANGE = (192, 288)
"""Smallest and largest height of the preview's frames in pixels."""
MAX_PREVIEW_WIDTH = 1920
"""Largest width of each of the images in pixels."""
PREVIEW_CRF = 28
NUM_PREVIEW_THREADS = 2
TILE_HEIGHT = 200
NUM_SHEET_COLUMNS = 8
MAX_SHEET_WIDTH = 2000
NO_DETECTION_COLOUR = (255, 64, 64)


def preview_view(height: int, width: int) -> View:
    """The view of frames of (height, width) in the preview. Large frames are reduced by an integer factor, for speed.

    The rows and columns that remain at the bottom and at the right are cropped.
    """
    min_height, max_height = PREVIEW_HEIGHT_RANGE
    divisor = max(math.ceil(height / max_height), math.ceil(width / MAX_PREVIEW_WIDTH))
    if 1 < divisor <= min(height, width):
        preview_size = height // divisor, width // divisor
        return View.from_box((0, 0, preview_size[1] * divisor, preview_size[0] * divisor), *preview_size)
    scale = max(1.0, min(min_height / height, MAX_PREVIEW_WIDTH / width))
    return View.from_box((0, 0, width, height), round(height * scale), round(width * scale))


def write_preview(dataset: Dataset, job: PrepareJob, path: Path, emit: EventHandler) -> None:
    """Write a video of all frames of a dataset side by side with their conditions; with audio if it has one source.

    Raises DiskFullError, PermissionDeniedError.
    """
    single_video = job.inputs[0] if len(job.inputs) == 1 else None
    view, num_frames = preview_view(*job.frame_size), dataset.manifest.num_frames
    writer = VideoWriter(
        path,
        job.fps,
        audio_path=single_video.path if single_video is not None and single_video.probe.has_audio else None,
        audio_start=job.request.start,
        crf=PREVIEW_CRF,
        preset="ultrafast",
    )

    def compose(frame: _PreviewFrame) -> UInt8Array:
        return _compose_preview(dataset, job.conditioners, frame, view)

    composed = prefetch_map(compose, _preview_frames(dataset), NUM_PREVIEW_THREADS, 2 * NUM_PREVIEW_THREADS)
    with writer, closing(composed) as images:
        for num_done, image in enumerate(images, start=1):
            writer.write(image)
            emit(ProgressEvent("preview", num_done, num_frames))


class _PreviewFrame(NamedTuple):
    """A frame of the preview."""

    clip_index: int
    frame_index: int
    shot_index: int
    """Index of the shot in its video."""


def _preview_frames(dataset: Dataset) -> Iterator[_PreviewFrame]:
    shot_indices = Counter[int]()
    for frame_range, clip in zip(dataset.frame_ranges(), dataset.manifest.clips, strict=True):
        for index in range(frame_range.start, frame_range.stop):
            yield _PreviewFrame(frame_range.clip_index, index, shot_indices[clip.source_index])
        shot_indices[clip.source_index] += 1


def _compose_preview(
    dataset: Dataset, conditioners: Sequence[Conditioner], preview_frame: _PreviewFrame, view: View
) -> UInt8Array:
    """Load a frame and draw it side by side with its conditions; all images have the same size."""
    clip_index, index, shot_index = preview_frame
    frame, divisor = dataset.load_frame(clip_index, index), round(1 / view.scale)
    cropped = frame[: view.height * divisor, : view.width * divisor] if divisor > 1 else frame
    names = [conditioner.spec.name for conditioner in conditioners]
    condition_images = [
        conditioner.visualize(dataset.load_annotation(clip_index, index, name), view)
        for conditioner, name in zip(conditioners, names, strict=True)
    ]
    label = f"video, shot {shot_index + 1}" if shot_index else "video"
    images = [resize_image(cropped, view.height, view.width), *condition_images]
    return side_by_side(images, [label, *names], view.height)


def visualize_frame(
    dataset: Dataset, conditioners: Sequence[Conditioner], clip: int, index: int, height: int
) -> list[UInt8Array]:
    """A frame and the visualisations of its conditions, (height, w, 3) uint8 each."""
    view = View.from_box(
        (0, 0, dataset.width, dataset.height), height, max(1, round(dataset.width * height / dataset.height))
    )
    frame: UInt8Array = view_image(dataset.load_frame(clip, index), view)
    condition_images = [c.visualize(dataset.load_annotation(clip, index, c.spec.name), view) for c in conditioners]
    return [frame, *condition_images]


def write_contact_sheet(dataset: Dataset, conditioners: Sequence[Conditioner], path: Path) -> None:
    """Write an image of evenly spaced frames, and the frame of lowest quality, above their conditions.

    Conditions without a detection are marked in red.


    Raises DiskFullError, PermissionDeniedError.
    """
    height = max(16, min(TILE_HEIGHT, int((MAX_SHEET_WIDTH / NUM_SHEET_COLUMNS - 4) * dataset.height / dataset.width)))
    clip_frames = select_frames(dataset, NUM_SHEET_COLUMNS)
    columns = [visualize_frame(dataset, conditioners, clip, index, height) for clip, index in clip_frames]
    rows = [[images[0] for images in columns]]
    for image_index, conditioner in enumerate(conditioners, start=1):
        row = []
        for (clip, index), images in zip(clip_frames, columns, strict=True):
            quality = float(dataset.quality(clip, conditioner.spec.name)[index])
            text = f"quality {quality:.2f}" if quality > 0 else "no detection"
            row.append(add_caption(images[image_index], text, is_missing=quality <= 0))
        rows.append(row)
    titles = [_frame_title(dataset, clip, index) for clip, index in clip_frames]
    labels = ["video", *(conditioner.spec.name for conditioner in conditioners)]
    save_png(path, contact_sheet(rows, labels=labels, titles=titles, height=height, max_width=MAX_SHEET_WIDTH))


def _frame_title(dataset: Dataset, clip: int, index: int) -> str:
    """Number of the stored frame, with the clip folder if there are several."""
    frame_number, clip_names = dataset.stored_index(clip, index), {entry.name for entry in dataset.manifest.clips}
    return (
        f"frame {frame_number}" if len(clip_names) == 1 else f"clip {dataset.manifest.clips[clip].name}, {frame_number}"
    )


def select_frames(dataset: Dataset, num_frames: int) -> list[tuple[int, int]]:
    """(clip index, index) of `num_frames` evenly spaced frames in order; includes the frame of lowest quality."""
    frames = [(span.clip_index, index) for span in dataset.frame_ranges() for index in range(span.start, span.stop)]
    worst_index = int(np.argmin(_min_quality(dataset, dataset.frame_ranges())))
    sampled_indices = evenly_spaced(len(frames), num_frames)
    if worst_index not in sampled_indices:
        nearest_position = min(
            range(len(sampled_indices)), key=lambda position: abs(sampled_indices[position] - worst_index)
        )
        sampled_indices[nearest_position] = worst_index
    return [frames[position] for position in sampled_indices]


def _min_quality(dataset: Dataset, spans: Sequence[FrameRange]) -> NDArray[np.float32]:
    """Lowest quality among the conditioners for each frame of the ranges."""
    names = dataset.manifest.conditioner_names
    return np.concatenate(
        [np.min([dataset.quality(span.clip_index, name) for name in names], axis=0) for span in spans]
    )


def add_caption(image: UInt8Array, text: str, *, is_missing: bool = False) -> UInt8Array:
    """Draw a line of text at the bottom of an image; with `is_missing` also a red frame."""
    captioned = image.copy()
    height, width = captioned.shape[:2]
    colour = NO_DETECTION_COLOUR if is_missing else (255, 255, 255)
    origin = (6, height - 8)
    for thickness, stroke_colour in ((3, (0, 0, 0)), (1, colour)):
        cv2.putText(captioned, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.45, stroke_colour, thickness, cv2.LINE_AA)
    if is_missing:
        cv2.rectangle(captioned, (1, 1), (width - 2, height - 2), NO_DETECTION_COLOUR, 3)
    return captioned
