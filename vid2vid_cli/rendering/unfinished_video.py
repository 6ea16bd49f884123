"""Videos that are being written, in a hidden folder beside them, which an interrupted command continues.

`.NAME.unfinished/` contains the segments of the video and of the comparison, the past frames of the next one, and
`manifest.json`: what the video is made of, and how much of it is complete. The manifest is written last.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from safetensors.torch import load_file, save
from torch import Tensor

from vid2vid_cli.core.errors import RunError
from vid2vid_cli.engine.folder_lock import acquire_folder_lock
from vid2vid_cli.media.files import atomic_write, write_text
from vid2vid_cli.media.images import Image
from vid2vid_cli.media.os_errors import write_error
from vid2vid_cli.media.segments import SegmentedVideo, VideoSettings

SEGMENT_FRAMES = 100
"""Frames of a segment: an interrupted command repeats at most this many."""
MANIFEST_NAME, LOCK_NAME, VERSION = "manifest.json", "lock", 1


@dataclass(frozen=True)
class Progress:
    """How much of a video is complete."""

    num_frames: int = 0
    num_segments: int = 0
    is_complete: bool = False
    """Whether all frames are written, and only the segments are to be joined."""


def unfinished_folder(path: Path) -> Path:
    """The folder of the video `path` while it is being written."""
    return path.with_name(f".{path.name}.unfinished")


def count_unfinished_frames(path: Path) -> int:
    """The number of frames of the video `path` that an interrupted command has written."""
    manifest = _read_manifest(unfinished_folder(path))
    return 0 if manifest is None else int(manifest["num_frames"])


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest; None if no segment is complete."""
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    names = {"version", "identity", *Progress.__dataclass_fields__}
    return manifest if isinstance(manifest, dict) and set(manifest) == names else None


def read_identity(path: Path) -> Mapping[str, str]:
    """The `identity` that the unfinished video of `path` was begun with; {} if there is none."""
    manifest = _read_manifest(unfinished_folder(path))
    return {} if manifest is None else manifest["identity"]


class UnfinishedVideo:
    """The segments of a video and of its comparison. A context manager.

    After an exception the complete segments remain, and a later one with the same identity continues them; without
    complete segments nothing remains.
    """

    def __init__(self, videos: Mapping[Path, VideoSettings], identity: Mapping[str, str], *, resume: bool) -> None:
        """`videos`: the video, and the comparison if there is one. `identity`: name -> what the video is made of.

        Raises OutputExistsError (another process is writing it), PermissionDeniedError, DiskFullError, and RunError if
        it was begun with another identity; `resume=False` discards it.
        """
        self._videos, self._identity = dict(videos), dict(identity)
        self._path = next(iter(videos))
        self._folder = unfinished_folder(self._path)
        self._lock_file = self._lock()
        self.progress = Progress()
        """That of earlier runs, then that of this one."""
        try:
            if resume:
                self.progress = self._read_progress()
            if not self.progress.num_frames:
                self._clear()
        except BaseException:
            self._lock_file.close()
            raise
        self._writers = [
            SegmentedVideo(
                self._folder,
                f"video{index}",
                settings,
                num_segments=self.progress.num_segments,
                num_frames=self.progress.num_frames,
            )
            for index, settings in enumerate(videos.values())
        ]
        self._num_frames = self.progress.num_frames

    def load_past(self) -> tuple[Tensor, ...]:
        """The past of the next frame, finest scale first."""
        tensors = load_file(self._past_path(self.progress.num_segments))
        return tuple(tensors[str(index)] for index in range(len(tensors)))

    def write(self, images: list[Image], past: tuple[Tensor, ...]) -> None:
        """Append a frame to each video. `past`: that of the next frame. Raises the errors of `VideoWriter`."""
        for writer, image in zip(self._writers, images, strict=True):
            writer.write(image)
        self._num_frames += 1
        if self._num_frames % SEGMENT_FRAMES == 0:
            self._end_segment(past)

    def finish(self) -> None:
        """Complete the videos and remove the folder. Raises the errors of `VideoWriter`."""
        if not self.progress.is_complete:
            self._end_segment((), is_complete=True)
        # The video comes last: as long as it does not exist, its name is that of the unfinished one.
        for path, writer in reversed(list(zip(self._videos, self._writers, strict=True))):
            writer.join(path)
        self._remove()

    def __enter__(self) -> UnfinishedVideo:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        with suppress(Exception):
            for writer in self._writers:
                writer.abort()
        if kind is not None and not self.progress.num_frames:
            self._remove()
        self._lock_file.close()

    def _end_segment(self, past: tuple[Tensor, ...], *, is_complete: bool = False) -> None:
        for writer in self._writers:
            writer.end_segment()
        num_segments = self.progress.num_segments + (self._num_frames > self.progress.num_frames)
        content = save({str(index): frames.contiguous() for index, frames in enumerate(past)})
        atomic_write(self._past_path(num_segments), lambda path: path.write_bytes(content))
        progress = Progress(self._num_frames, num_segments, is_complete)
        manifest = {"version": VERSION, "identity": self._identity, **vars(progress)}
        write_text(self._folder / MANIFEST_NAME, json.dumps(manifest, indent=1))
        if num_segments != self.progress.num_segments:
            self._past_path(self.progress.num_segments).unlink(missing_ok=True)
        self.progress = progress

    def _past_path(self, num_segments: int) -> Path:
        return self._folder / f"past_{num_segments:05d}.safetensors"

    def _lock(self) -> IO[str]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock_file = (self._folder / LOCK_NAME).open("w")
        except OSError as error:
            raise write_error(self._path, error) from error
        try:
            acquire_folder_lock(lock_file, self._path, "Wait for it, or choose another --out.")
        except BaseException:
            lock_file.close()
            raise
        return lock_file

    def _read_progress(self) -> Progress:
        manifest = _read_manifest(self._folder)
        if manifest is None:
            return Progress()
        identity, version = manifest.pop("identity"), manifest.pop("version")
        progress = Progress(**manifest)
        changed = [name for name, value in self._identity.items() if identity.get(name) != value]
        if version != VERSION or changed:
            raise RunError(
                f"{self._path} is unfinished ({progress.num_frames} frames), and "
                f"{', '.join(changed) or 'the version of its files'} changed since.",
                "Add --no-resume to discard it, or choose another --out.",
            )
        return progress

    def _clear(self) -> None:
        """Remove what an interrupted run has left, except for the locked file."""
        for entry in self._folder.iterdir():
            if entry.name != LOCK_NAME:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _remove(self) -> None:
        self._lock_file.close()  # Windows removes no open file
        shutil.rmtree(self._folder, ignore_errors=True)
