"""The folder of a dataset: its name, the unfinished folder next to it, and the final rename."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from vid2vid_cli.core.errors import OutputExistsError, Vid2VidError
from vid2vid_cli.core.paths import MAX_DERIVED_BYTES, check_output_parent, shorten_name
from vid2vid_cli.data.chunk_store import create_folder
from vid2vid_cli.data.dataset import PARTIAL_SUFFIX
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME, read_manifest, write_json
from vid2vid_cli.engine.folder_lock import acquire_folder_lock
from vid2vid_cli.media.os_errors import write_error

WORK_FOLDER_NAME = ".work"
"""Subfolder of the unfinished folder for the job's identity and the completed chunks."""
JOB_FILE_NAME = "job.json"
REPLACED_SUFFIX = ".replaced"
FolderState = Literal["new", "continue", "finished"]


@dataclass(frozen=True)
class DatasetFolder:
    """The folder of a finished or future dataset."""

    path: Path
    state: FolderState
    replaces_existing: bool = False
    """Whether a folder at `path` is replaced (`--overwrite`), also by a later run that continues this one."""

    @property
    def partial_path(self) -> Path:
        """The unfinished folder, which is renamed when the dataset is complete."""
        return self.path.with_name(self.path.name + PARTIAL_SUFFIX)

    @property
    def work_folder(self) -> Path:
        """Records that are needed only until the dataset is complete."""
        return self.partial_path / WORK_FOLDER_NAME


def default_dataset_path(videos: tuple[Path, ...], domain: str | None = None) -> Path:
    """datasets/<name of the video or folder>, with _A or _B for a domain, relative to the working directory.

    Of two videos it is <first>_and_<second>, of more <first>_and_<n>_more.
    """
    paths = list(dict.fromkeys(video.resolve() for video in videos))
    names = [path.name if path.is_dir() else path.stem for path in paths]
    if len(names) == 1:
        name = shorten_name(names[0])
    elif len(names) == 2:
        name = "_and_".join(shorten_name(name, MAX_DERIVED_BYTES // 2) for name in names)
    else:
        name = f"{shorten_name(names[0])}_and_{len(names) - 1}_more"
    return Path("datasets") / (name if domain is None else f"{name}_{domain}")


def choose_dataset_folder(out: Path, identity: str, *, overwrite: bool) -> DatasetFolder:
    """Choose `out`, or the first free name of `out-2`, `out-3`, ...; writes nothing.

    The state is `finished` if the folder contains the same dataset, and `continue` if it is an unfinished one. With
    `overwrite`, an unfinished dataset is discarded; without it, a later run continues the unfinished replacement.
    Raises OutputExistsError (`overwrite`, and the existing folder is not a dataset).
    """
    check_output_parent(out)
    if overwrite:
        _check_replaceable(out)
        return DatasetFolder(out, "new", replaces_existing=True)
    attempt = 1
    while True:
        path = out if attempt == 1 else out.with_name(f"{out.name}-{attempt}")
        new_folder = DatasetFolder(path, "new")
        unfinished_folder = _find_unfinished(new_folder, identity)
        if unfinished_folder is not None and (unfinished_folder.replaces_existing or not _is_taken(path)):
            return unfinished_folder
        if _is_taken(path):
            if _read_identity(path) == identity:
                return DatasetFolder(path, "finished")
        elif not new_folder.partial_path.exists():
            return new_folder
        attempt += 1


def _is_taken(path: Path) -> bool:
    """Whether the path exists and is not an empty folder."""
    return path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir())))


def _check_replaceable(path: Path) -> None:
    if _is_taken(path) and not (path / MANIFEST_FILE_NAME).is_file():
        raise OutputExistsError(
            f"{path} exists and is not a dataset; it was not overwritten.", "Choose another folder with --out."
        )


def _read_identity(folder: Path) -> str | None:
    try:
        return read_manifest(folder).content_hash
    except Vid2VidError:
        return None


def _find_unfinished(dataset_folder: DatasetFolder, identity: str) -> DatasetFolder | None:
    """The folder with the state `continue` if a job of this identity has begun it; otherwise None."""
    try:
        data: Any = json.loads((dataset_folder.work_folder / JOB_FILE_NAME).read_text(encoding="utf-8"))
        is_same_job, replaces_existing = data["identity"] == identity, data["replaces_existing"] is True
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return DatasetFolder(dataset_folder.path, "continue", replaces_existing) if is_same_job else None


class DatasetFolderLock:
    """Context manager that locks the unfinished folder for this process.

    Raises OutputExistsError (another process has the lock), PermissionDeniedError, DiskFullError.
    """

    def __init__(self, dataset_folder: DatasetFolder, identity: str) -> None:
        self.dataset_folder, self._identity = dataset_folder, identity
        self._lock_file: IO[str] | None = None

    def __enter__(self) -> DatasetFolderLock:
        dataset_folder = self.dataset_folder
        create_folder(dataset_folder.work_folder)
        try:
            self._lock_file = (dataset_folder.work_folder / "lock").open("w", encoding="utf-8")
            acquire_folder_lock(self._lock_file, dataset_folder.partial_path, "Wait until it ends, or use --out.")
            if dataset_folder.state == "new":
                for entry in dataset_folder.partial_path.iterdir():
                    if entry.name != WORK_FOLDER_NAME:
                        remove_path(entry)
                for entry in dataset_folder.work_folder.iterdir():
                    if entry.name != "lock":
                        remove_path(entry)
        except OSError as error:
            raise write_error(dataset_folder.partial_path, error) from error
        record = {"identity": self._identity, "replaces_existing": dataset_folder.replaces_existing}
        write_json(dataset_folder.work_folder / JOB_FILE_NAME, record)
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def _release(self) -> None:
        if self._lock_file is not None:
            self._lock_file.close()

    def discard(self) -> None:
        """Remove the unfinished folder."""
        remove_path(self.dataset_folder.partial_path)

    def commit(self) -> None:
        """Rename the complete folder to its final name, replacing an existing dataset. Raises PermissionDeniedError."""
        path, partial_path = self.dataset_folder.path, self.dataset_folder.partial_path
        replaced_path = path.with_name(path.name + REPLACED_SUFFIX)
        if sys.platform == "win32":  # an open file prevents the rename on Windows
            self._release()
        try:
            for leftover in partial_path.rglob(".*.partial*"):  # left by an interrupted atomic write
                leftover.unlink()
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
            if path.exists():
                remove_path(replaced_path)
                path.rename(replaced_path)
            partial_path.rename(path)
        except OSError as error:
            raise write_error(path, error) from error
        remove_path(path / WORK_FOLDER_NAME)
        remove_path(replaced_path)


def remove_path(path: Path) -> None:
    """Remove a file, or a folder with its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
