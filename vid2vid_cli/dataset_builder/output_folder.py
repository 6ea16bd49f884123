"""Where a dataset is written: its name, the unfinished folder beside it, and the change from one to the other."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from vid2vid_cli.core.errors import ExistsError, Vid2VidError
from vid2vid_cli.data.chunk_store import make_folder
from vid2vid_cli.data.dataset import UNFINISHED
from vid2vid_cli.data.manifest import FILE_NAME, read_manifest, write_json
from vid2vid_cli.engine.folder_lock import lock
from vid2vid_cli.media.os_errors import writing_failed

WORK = ".work"
"""Inside the unfinished folder: which job it is, and what is safe."""
OLD = ".replaced"
State = Literal["new", "continue", "finished"]


@dataclass(frozen=True)
class Place:
    """A dataset folder that is to be, or is."""

    final: Path
    state: State

    @property
    def partial(self) -> Path:
        """Where it is written until it is complete."""
        return self.final.with_name(self.final.name + UNFINISHED)

    @property
    def work(self) -> Path:
        """Notes that only an unfinished dataset needs."""
        return self.partial / WORK


def default_folder(videos: tuple[Path, ...]) -> Path:
    """datasets/<name of the video>, relative to where the command runs."""
    first = videos[0].resolve()
    name = first.name if first.is_dir() else first.stem
    more = f"_and_{len(videos) - 1}_more" if len(videos) > 1 else ""
    return Path("datasets") / (name + more)


def choose_place(out: Path, identity: str, *, overwrite: bool) -> Place:
    """`out`, or where that is taken by something else `out-2`, `out-3`, ...; changes nothing.

    Finished with the same content: state `finished`; begun with the same content: `continue`.
    Raises ExistsError (overwrite, and what is there is not a dataset).
    """
    number = 1
    while True:
        final = out if number == 1 else out.with_name(f"{out.name}-{number}")
        place = Place(final, "new")
        begun = _begun(place)
        if overwrite:
            _check_replaceable(final)
            return Place(final, "continue" if begun == identity else "new")
        if _is_taken(final):
            if _identity(final) == identity:
                return Place(final, "finished")
        elif begun == identity:
            return Place(final, "continue")
        elif not place.partial.exists():
            return place
        number += 1


def _is_taken(final: Path) -> bool:
    """Whether there is anything but an empty folder."""
    return final.is_symlink() or (final.exists() and not (final.is_dir() and not any(final.iterdir())))


def _check_replaceable(final: Path) -> None:
    if _is_taken(final) and not (final / FILE_NAME).is_file():
        raise ExistsError(
            f"{final} exists and is not a dataset; it was not overwritten.", "Choose another place with --out."
        )


def _identity(folder: Path) -> str | None:
    try:
        return read_manifest(folder).identity
    except Vid2VidError:
        return None


def _begun(place: Place) -> str | None:
    """The identity of the job that an unfinished folder belongs to."""
    try:
        data: Any = json.loads((place.work / "job.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(data.get("identity"))


class Claim:
    """The unfinished folder, held by this process alone while the `with` lasts.

    Raises ExistsError (another process is at it), PermissionDeniedError, DiskFullError.
    """

    def __init__(self, place: Place, identity: str) -> None:
        self.place, self._identity = place, identity
        self._lock: IO[str] | None = None

    def __enter__(self) -> Claim:
        place = self.place
        make_folder(place.work)
        try:
            self._lock = (place.work / "lock").open("w", encoding="utf-8")
            lock(self._lock, place.partial, "Wait for it, or use --out.")
            if place.state == "new":
                for entry in place.partial.iterdir():
                    if entry.name != WORK:
                        remove(entry)
                for entry in place.work.iterdir():
                    if entry.name != "lock":
                        remove(entry)
        except OSError as error:
            raise writing_failed(place.partial, error) from error
        write_json(place.work / "job.json", {"identity": self._identity})
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def discard(self) -> None:
        """Remove what was written: there is nothing in it to continue from."""
        remove(self.place.partial)

    def finish(self) -> None:
        """Give the complete folder its name, in the place of what had it before. Raises PermissionDeniedError."""
        final, partial = self.place.final, self.place.partial
        old = final.with_name(final.name + OLD)
        if sys.platform == "win32":  # an open file would hold the folder's name there
            self._let_go()
        try:
            for leftover in partial.rglob(".*.partial*"):  # of a process killed while it wrote
                leftover.unlink()
            if final.is_dir() and not any(final.iterdir()):
                final.rmdir()
            if final.exists():
                remove(old)
                final.rename(old)
            partial.rename(final)
        except OSError as error:
            raise writing_failed(final, error) from error
        remove(final / WORK)
        remove(old)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
