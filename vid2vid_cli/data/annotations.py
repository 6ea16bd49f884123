"""Annotations on disk: the points of a clip in one .npz file, images as one PNG file per frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property, partial
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, frame_annotation
from vid2vid_cli.core.errors import DatasetError, LabelFileError, NotAVideoError, PluginError
from vid2vid_cli.data.chunk_store import CHUNK_FRAMES, ChunkStore, PendingChunks, WriterPool, create_folder
from vid2vid_cli.data.manifest import PREPARE_AGAIN_HINT
from vid2vid_cli.data.stored_files import check_inside, load_arrays, save_arrays
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.label_images import load_label_image, save_indexed_png

POINTS_FILE_NAME = "points.npz"
QUALITY_KEY = "quality"
PLUGIN_BUG_HINT = "This is a bug of the plugin; report it to its author."


class AnnotationWriter:
    """Writes the annotations of one conditioner for one clip in chunks; an interruption loses one chunk at most.

    `folder` is the conditioner's folder in the clip; `chunk_store` keeps the points until `finish`. `size` is
    (height, width) of the frames. With `has_label_maps`, (h, w) uint8 images are stored as indexed PNG files with the
    palette `palette_colours`, (256, 3) uint8; all other images as plain PNG files.
    """

    def __init__(
        self,
        folder: Path,
        chunk_store: ChunkStore,
        pool: WriterPool,
        size: tuple[int, int],
        *,
        start_index: int = 0,
        has_label_maps: bool = False,
        palette_colours: NDArray[np.uint8] | None = None,
    ) -> None:
        self._palette_colours = palette_colours
        self._folder, self._chunk_store, self._pool, self._size = folder, chunk_store, pool, size
        self._has_label_maps = has_label_maps
        self._buffer: list[Annotation] = []
        self._pending_writes: list[tuple[Path, Future[None]]] = []
        self._pending_chunks = PendingChunks(chunk_store, pool)
        self.num_written = start_index
        """Annotations added so far, those of earlier runs included; starts at a multiple of CHUNK_FRAMES."""

    def add(self, annotation: Annotation) -> None:
        """Add the next annotation. Raises PluginError (wrong size), DiskFullError, PermissionDeniedError."""
        if (annotation.height, annotation.width) != self._size:
            raise PluginError(
                f"The conditioner {self._folder.name} returned an annotation of {annotation.width}x{annotation.height} "
                f"for a frame of {self._size[1]}x{self._size[0]}.",
                PLUGIN_BUG_HINT,
            )
        for name, image in annotation.images.items():
            is_label_map = self._has_label_maps and image.ndim == 2 and image.dtype == np.uint8
            path = self._folder / name / f"{self.num_written:06d}.png"
            create_folder(path.parent)
            save = partial(save_indexed_png, palette_colours=self._palette_colours) if is_label_map else save_png
            self._pending_writes.append((path, self._pool.submit(save, path, image)))
        self._buffer.append(annotation)
        self.num_written += 1
        self._pending_chunks.flush(wait=False)
        if self.num_written % CHUNK_FRAMES == 0:
            self._flush_chunk()

    def finish(self) -> None:
        """Write the last chunk, and then the points of the clip as one file."""
        self._flush_chunk()
        self._pending_chunks.flush(wait=True)
        merged = _merge_chunks(self.num_written, self._chunk_store.load_chunks(self.num_written))
        save_arrays(self._folder / POINTS_FILE_NAME, merged)

    def _flush_chunk(self) -> None:
        if self._buffer:
            shapes = {name: value.shape for annotation in self._buffer for name, value in annotation.points.items()}
            arrays = {QUALITY_KEY: np.array([annotation.quality for annotation in self._buffer], dtype=np.float32)}
            for name, shape in shapes.items():
                missing_value = np.full(shape, np.nan, dtype=np.float32)
                frame_values = [annotation.points.get(name, missing_value) for annotation in self._buffer]
                arrays[name] = np.stack(frame_values).astype(np.float32)
            self._pending_chunks.add(
                self.num_written - len(self._buffer), self.num_written, arrays, self._pending_writes
            )
        self._buffer, self._pending_writes = [], []


def _merge_chunks(num_frames: int, chunks: Iterable[tuple[int, Mapping[str, NDArray[Any]]]]) -> dict[str, NDArray[Any]]:
    """Concatenate the arrays of the chunks; frames of a chunk without an array of that name are NaN."""
    merged: dict[str, NDArray[Any]] = {}
    for start, arrays in chunks:
        for name, values in arrays.items():
            if name not in merged:
                merged[name] = np.full((num_frames, *values.shape[1:]), np.nan, dtype=np.float32)
            merged[name][start : start + len(values)] = values
    return merged


class AnnotationFolder:
    """The annotations of one conditioner for one clip, loaded on demand. `size` is (height, width) of the frames."""

    def __init__(
        self, folder: Path, num_frames: int, size: tuple[int, int], *, image_names: Sequence[str] = ()
    ) -> None:
        self._folder, self._num_frames, self._size, self._image_names = folder, num_frames, size, tuple(image_names)

    @cached_property
    def points(self) -> dict[str, NDArray[np.float32]]:
        """Name -> (t, n, d) float32 over the whole clip. Raises DatasetError."""
        return {name: values for name, values in self._arrays.items() if name != QUALITY_KEY}

    @cached_property
    def quality(self) -> NDArray[np.float32]:
        """(t,) float32, 0 without a detection. Raises DatasetError."""
        return self._arrays[QUALITY_KEY]

    @cached_property
    def _arrays(self) -> dict[str, NDArray[np.float32]]:
        path = self._folder / POINTS_FILE_NAME
        check_inside(path, self._folder)
        arrays = load_arrays(path)
        quality = arrays.get(QUALITY_KEY)
        num_axes = {name: 1 if name == QUALITY_KEY else 3 for name in arrays}
        if any(values.dtype != np.float32 or values.ndim != num_axes[name] for name, values in arrays.items()):
            raise DatasetError(f"The dataset is damaged: {path} contains other arrays than points.", PREPARE_AGAIN_HINT)
        if quality is None or any(len(values) != self._num_frames for values in arrays.values()):
            raise DatasetError(
                f"The dataset is damaged: {path} does not contain {self._num_frames} frames.", PREPARE_AGAIN_HINT
            )
        if not ((quality >= 0) & np.isfinite(quality)).all():
            raise DatasetError(
                f"The dataset is damaged: {path} contains a quality that is not a number >= 0.", PREPARE_AGAIN_HINT
            )
        return arrays

    def load(self, index: int) -> Annotation:
        """Load the annotation of one frame exactly as it was written. Raises DatasetError."""
        quality = float(self.quality[index])
        points = {name: values[index].copy() for name, values in self.points.items()}
        images = {}
        for name in self._image_names:
            path = self._folder / name / f"{index:06d}.png"
            check_inside(path, self._folder)
            if path.is_file():
                try:
                    image = images[name] = load_label_image(path).values
                except (LabelFileError, NotAVideoError) as error:
                    raise DatasetError(error.message, PREPARE_AGAIN_HINT) from error
                if image.shape[:2] != self._size or image.dtype not in (np.uint8, np.uint16):
                    raise DatasetError(
                        f"The dataset is damaged: {path} is {image.shape[1]}x{image.shape[0]} of {image.dtype}, not "
                        f"{self._size[1]}x{self._size[0]} of 8 or 16 bits.",
                        PREPARE_AGAIN_HINT,
                    )
            elif quality > 0:
                raise DatasetError(f"The dataset is damaged: {path} is missing.", PREPARE_AGAIN_HINT)
        return Annotation(self._size[0], self._size[1], quality, points, images)


class FrameAnnotations:
    """The annotations of FRAME_CONDITIONER for one clip: the stored frames, which `load_frame` loads by their index."""

    def __init__(self, load_frame: Callable[[int], NDArray[np.uint8]], num_frames: int) -> None:
        self._load_frame = load_frame
        self.quality = np.ones(num_frames, dtype=np.float32)

    def load(self, index: int) -> Annotation:
        """Load a frame as its own annotation. Raises DatasetError."""
        return frame_annotation(self._load_frame(index))


class AnnotationSequence(Sequence[Annotation]):
    """Annotations of selected frames of one or more clips; each is loaded when it is indexed."""

    def __init__(self, items: Sequence[tuple[AnnotationFolder | FrameAnnotations, int]]) -> None:
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
        return folder.load(frame)
