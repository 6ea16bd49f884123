"""What conditioners found, on disk: points of a whole clip in one .npz, images as one PNG per frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property, partial
from pathlib import Path
from typing import Any, overload
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.core.errors import DatasetError, LabelFilesError, NotAVideoError, PluginError
from vid2vid_cli.data.chunk_store import PART, PartQueue, Parts, WriterPool, make_folder, save_arrays
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.label_png import read_labels, save_labels

POINTS = "points.npz"
QUALITY = "quality"
REMEDY = "Prepare the dataset again."


class AnnotationWriter:
    """Writes the annotations of one conditioner for one clip, part by part; a kill loses at most the last part.

    `folder` is the conditioner's folder in the clip, `parts` where unfinished points are kept until `finish`.
    Label maps (`labels`, (h, w) uint8 images) become indexed PNG of these `colours`, (256, 3) uint8; every other
    image PNG as it is.
    """

    def __init__(
        self,
        folder: Path,
        parts: Parts,
        pool: WriterPool,
        size: tuple[int, int],
        start: int = 0,
        *,
        labels: bool = False,
        colours: NDArray[np.uint8] | None = None,
    ) -> None:
        self._colours = colours
        self._folder, self._parts, self._pool, self._size, self._labels = folder, parts, pool, size, labels
        self._held: list[Annotation] = []
        self._writing: list[Future[None]] = []
        self._queue = PartQueue(parts)
        self.written = start
        """Annotations taken so far, those of earlier runs included; begins at a multiple of `PART`."""

    def add(self, annotation: Annotation) -> None:
        """Take the next annotation. Raises PluginError (not of the frame's size), DiskFullError and the like."""
        if (annotation.height, annotation.width) != self._size:
            raise PluginError(
                f"The conditioner {self._folder.name} annotated a frame of {self._size[1]}x{self._size[0]} as one of "
                f"{annotation.width}x{annotation.height}.",
                "This is a fault of the plugin; tell its author.",
            )
        for name, image in annotation.images.items():
            indexed = self._labels and image.ndim == 2 and image.dtype == np.uint8
            path = self._folder / name / f"{self.written:06d}.png"
            make_folder(path.parent)
            save = partial(save_labels, colours=self._colours) if indexed else save_png
            self._writing.append(self._pool.submit(save, path, image))
        self._held.append(annotation)
        self.written += 1
        self._queue.settle(wait=False)
        if self.written % PART == 0:
            self._close()

    def finish(self) -> None:
        """Write the last part, and all points of the clip as one file."""
        self._close()
        self._queue.settle(wait=True)
        merged = _merge(self.written, self._parts.load(self.written))
        save_arrays(self._folder / POINTS, merged)

    def _close(self) -> None:
        if self._held:
            shapes = {name: value.shape for held in self._held for name, value in held.points.items()}
            arrays = {QUALITY: np.array([held.quality for held in self._held], dtype=np.float32)}
            for name, shape in shapes.items():
                empty = np.full(shape, np.nan, dtype=np.float32)
                rows = [held.points.get(name, empty) for held in self._held]
                arrays[name] = np.stack(rows).astype(np.float32)
            self._queue.add(self.written - len(self._held), self.written, arrays, self._writing)
        self._held, self._writing = [], []


def _merge(frames: int, parts: Iterable[tuple[int, Mapping[str, NDArray[Any]]]]) -> dict[str, NDArray[Any]]:
    """Arrays over all frames from arrays over parts; NaN where a part has none of that name."""
    merged: dict[str, NDArray[Any]] = {}
    for first, arrays in parts:
        for name, values in arrays.items():
            if name not in merged:
                merged[name] = np.full((frames, *values.shape[1:]), np.nan, dtype=np.float32)
            merged[name][first : first + len(values)] = values
    return merged


class AnnotationFolder:
    """The annotations of one conditioner for one clip, read on demand."""

    def __init__(self, folder: Path, frames: int, size: tuple[int, int], images: Sequence[str] = ()) -> None:
        self._folder, self._frames, self._size, self._images = folder, frames, size, tuple(images)

    @cached_property
    def points(self) -> dict[str, NDArray[np.float32]]:
        """Name -> (t, n, d) float32 over the whole clip. Raises DatasetError."""
        return {name: values for name, values in self._arrays.items() if name != QUALITY}

    @cached_property
    def quality(self) -> NDArray[np.float32]:
        """(t,) float32, 0 where nothing was found. Raises DatasetError."""
        return self._arrays[QUALITY]

    @cached_property
    def _arrays(self) -> dict[str, NDArray[np.float32]]:
        path = self._folder / POINTS
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
        except FileNotFoundError as error:
            raise DatasetError(f"The dataset is damaged: {path} is missing.", REMEDY) from error
        except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
            raise DatasetError(f"The dataset is damaged: {path} cannot be read ({error}).", REMEDY) from error
        if QUALITY not in arrays or any(len(values) != self._frames for values in arrays.values()):
            raise DatasetError(f"The dataset is damaged: {path} does not hold {self._frames} frames.", REMEDY)
        return arrays

    def read(self, index: int) -> Annotation:
        """The annotation of one frame, exactly as it was written. Raises DatasetError (damaged)."""
        quality = float(self.quality[index])
        points = {name: values[index].copy() for name, values in self.points.items()}
        images = {}
        for name in self._images:
            path = self._folder / name / f"{index:06d}.png"
            if path.is_file():
                try:
                    images[name] = read_labels(path)
                except (LabelFilesError, NotAVideoError) as error:
                    raise DatasetError(error.message, REMEDY) from error
            elif quality > 0:
                raise DatasetError(f"The dataset is damaged: {path} is missing.", REMEDY)
        return Annotation(self._size[0], self._size[1], quality, points, images)


class AnnotationSequence(Sequence[Annotation]):
    """Annotations of chosen frames, possibly of several clips, each read when it is asked for."""

    def __init__(self, items: Sequence[tuple[AnnotationFolder, int]]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Annotation: ...
    @overload
    def __getitem__(self, index: slice) -> AnnotationSequence: ...
    def __getitem__(self, index: int | slice) -> Annotation | AnnotationSequence:
        if isinstance(index, slice):
            return AnnotationSequence(self._items[index])
        folder, frame = self._items[index]
        return folder.read(frame)
