"""The files of one video in an unfinished dataset, and which of them an earlier run has completed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import DatasetError
from vid2vid_cli.data.annotations import POINTS_FILE_NAME, AnnotationFolder
from vid2vid_cli.data.chunk_store import ChunkStore, StoredChunks
from vid2vid_cli.data.manifest import write_json
from vid2vid_cli.dataset_builder.inputs import FrameSize
from vid2vid_cli.dataset_builder.output_folder import DatasetFolder

FRAMES = "frames"
"""Name of the stream of frames, and of their folder."""


@dataclass(frozen=True)
class ClipResult:
    """The frames of a video and its cuts."""

    num_frames: int
    cuts: tuple[int, ...]
    """Frames that start a new shot, in order; never frame 0."""
    notices: tuple[str, ...] = ()
    """Sentences of the conditioners about the video; () for a video that an earlier run has finished."""

    @property
    def shots(self) -> list[tuple[int, int]]:
        """(first frame, number of frames) of each shot."""
        return [(first, last - first) for first, last in pairwise((0, *self.cuts, self.num_frames))]

    @property
    def checksum(self) -> int:
        """Checksum of the numbers, to recognise a damaged file."""
        return crc32(repr((self.num_frames, self.cuts)).encode())


@dataclass(frozen=True)
class FinishedParts:
    """The intact parts of a video in an unfinished dataset."""

    result: ClipResult | None = None
    """The result, if all frames and annotations are complete."""
    frame_starts: frozenset[int] = frozenset()
    """First frames of the full chunks of frames."""
    num_annotated: int = 0
    """Number of leading frames in full chunks of all conditioners."""
    num_frames: int = 0
    """Number of leading frames whose images and annotations are complete."""
    damaged: tuple[Path, ...] = ()
    """Files that are damaged or missing, and are written again."""


@dataclass(frozen=True)
class ClipPaths:
    """Paths of a clip in an unfinished dataset."""

    name: str
    folder: Path
    work_folder: Path
    """Records that are needed only until the dataset is finished."""

    @staticmethod
    def from_index(dataset_folder: DatasetFolder, index: int) -> ClipPaths:
        """The paths of the clip of the video with this index."""
        name = f"{index:03d}"
        return ClipPaths(name, dataset_folder.partial_path / "clips" / name, dataset_folder.work_folder / name)

    @property
    def result_path(self) -> Path:
        """The file that marks the video as finished."""
        return self.work_folder / "clip.json"

    def chunk_store(self, stream: str) -> ChunkStore:
        """The chunks of a stream: `frames` or the name of a conditioner."""
        return ChunkStore(self.work_folder / stream, self.folder)

    def write_result(self, result: ClipResult) -> None:
        """Mark the video as finished. Raises DiskFullError, PermissionDeniedError."""
        fields = {"num_frames": result.num_frames, "cuts": result.cuts, "crc32": result.checksum}
        write_json(self.result_path, fields)

    def has_progress(self, conditioners: Sequence[Conditioner]) -> bool:
        """Whether anything can be continued. Nothing is read, in contrast to `check_parts`."""
        streams = [FRAMES, *(conditioner.spec.name for conditioner in conditioners)]
        return self.result_path.is_file() or all(self.chunk_store(stream).has_first_chunk() for stream in streams)

    def check_parts(self, conditioners: Sequence[Conditioner], frame_size: FrameSize) -> FinishedParts:
        """Read all files of the clip and find the parts that are intact."""
        frames = self.chunk_store(FRAMES).check()
        annotations = {c.spec.name: self.chunk_store(c.spec.name).check() for c in conditioners}
        num_annotated = min(chunks.num_leading_frames for chunks in annotations.values())
        damaged = [path for chunks in (frames, *annotations.values()) for path in chunks.damaged]
        result = self._read_result()
        if result is None:
            damaged += [self.result_path] if self.result_path.exists() else []
        else:
            damaged += self._find_missing_parts(result, frames, annotations, frame_size)
            result = None if damaged else result
        num_frames = min(frames.num_leading_frames, num_annotated) if result is None else result.num_frames
        return FinishedParts(result, frames.full_starts, num_annotated, num_frames, tuple(damaged))

    def _read_result(self) -> ClipResult | None:
        """The content of the result file; None if it is missing or damaged."""
        try:
            data: Any = json.loads(self.result_path.read_text(encoding="utf-8"))
            result = ClipResult(int(data["num_frames"]), tuple(int(cut) for cut in data["cuts"]))
            return result if data["crc32"] == result.checksum else None
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None

    def _find_missing_parts(
        self, result: ClipResult, frames: StoredChunks, annotations: dict[str, StoredChunks], frame_size: FrameSize
    ) -> list[Path]:
        """Streams without all chunks of a finished video, and unreadable files with the points of the clip."""
        streams = {FRAMES: frames, **annotations}
        missing = [self.work_folder / name for name, chunks in streams.items() if not chunks.covers(result.num_frames)]
        for name in annotations:
            try:
                _ = AnnotationFolder(self.folder / name, result.num_frames, frame_size).quality
            except DatasetError:
                missing.append(self.folder / name / POINTS_FILE_NAME)
        return missing
