"""What a project folder contains: videos, datasets, runs and rendered videos."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.core.parsing import parse_json
from vid2vid_cli.core.paths import find_run_checkpoints
from vid2vid_cli.data.dataset import DATASETS_FOLDER
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME, read_manifest
from vid2vid_cli.engine.event_log import EVENT_LOG_NAME, read_last_step
from vid2vid_cli.media.input_paths import VIDEO_SUFFIXES
from vid2vid_cli.media.writer import is_rendered
from vid2vid_cli.reports.report import REPORT_FILE_NAME
from vid2vid_cli.ui.project import OutsideProjectError, Project

RUNS_FOLDER, CONFIG_FILE_NAME, RECORD_FILE_NAME = Path("runs"), "config.yaml", "run.json"
"""As in engine.run_folder, which imports torch."""
MAX_DEPTH = 3
"""Folders below the project folder in which videos are searched."""
MAX_VIDEOS = 300
CHECKPOINT_SUFFIXES = (".ckpt", ".onnx")
Value = TypeVar("Value")


class Listing:
    """Lists a project. What is read from a file is read again only when the file has changed."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._cache: dict[tuple[Callable[[Path], Any], Path], tuple[tuple[int, int], Any]] = {}
        self._lock = threading.Lock()

    def to_json(self) -> dict[str, object]:
        """Paths are relative to the project folder. `notes`: what is not listed, and why."""
        with self._lock:
            notes: list[str] = []
            files = list(self._find_files(notes))
            videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
            if len(videos) > MAX_VIDEOS:
                notes.append(f"{len(videos) - MAX_VIDEOS} more videos are not listed; type their path.")
                videos = sorted(videos, key=_modified, reverse=True)[:MAX_VIDEOS]
            rendered = {path for path in videos if self._read(path, is_rendered)}
            runs = [self._describe_run(path) for path in self._folders(RUNS_FOLDER, CONFIG_FILE_NAME, notes)]
            models = [path for path in files if path.suffix.lower() in CHECKPOINT_SUFFIXES]
            targets = [str(run["path"]) for run in runs if run["checkpoint"]]
            return {
                "videos": [self._name(path) for path in sorted(videos) if path not in rendered],
                "datasets": [
                    self._describe_dataset(path) for path in self._folders(DATASETS_FOLDER, MANIFEST_FILE_NAME, notes)
                ],
                "runs": runs,
                "targets": targets + [self._name(path) for path in sorted(models)],
                "results": [self._describe_result(path, rendered) for path in _newest_first(rendered)],
                "notes": notes,
            }

    def _describe_result(self, path: Path, rendered: set[Path]) -> dict[str, object]:
        report = path.with_name(f"{path.stem}_report") / REPORT_FILE_NAME
        original = path.with_name(path.name.replace("_compare", ""))
        return {
            "path": self._name(path),
            "modified": _modified(path),
            "report": self._name(report) if report.is_file() else "",
            "is_comparison": original != path and original in rendered,
        }

    def _describe_dataset(self, folder: Path) -> dict[str, object]:
        described: dict[str, object] = {
            "path": self._name(folder),
            "modified": _modified(folder / MANIFEST_FILE_NAME),
            "report": self._existing(folder / REPORT_FILE_NAME),
            "image": self._existing(folder / "contact_sheet.png"),
            "video": self._existing(folder / "preview.mp4"),
        }
        return {**described, **self._read(folder / MANIFEST_FILE_NAME, _summarise_manifest)}

    def _describe_run(self, folder: Path) -> dict[str, object]:
        samples = sorted((folder / "samples").glob("step_*.png"))
        log = folder / EVENT_LOG_NAME
        step = self._read(log, _read_step)
        checkpoints = find_run_checkpoints(folder)
        return {
            "path": self._name(folder),
            "modified": _modified(log if log.is_file() else folder),
            "step": step.get("step", 0),
            "max_steps": step.get("max_steps"),
            "losses": step.get("losses", {}),
            "checkpoint": self._existing(checkpoints[0]) if len(checkpoints) == 1 else "",
            "can_resume": (folder / "checkpoints" / "last").exists(),
            "sample": self._existing(samples[-1]) if samples else "",
            "video": self._existing(folder / "progress.mp4") or self._existing(folder / "samples" / "newest.mp4"),
            "report": self._existing(folder / REPORT_FILE_NAME),
            **self._read(folder / RECORD_FILE_NAME, _summarise_record),
        }

    def _find_files(self, notes: list[str]) -> Iterator[Path]:
        """Files of the folder and of folders in it; not those of datasets, runs, reports and hidden folders."""
        root = self._project.root
        skipped = {DATASETS_FOLDER.name, RUNS_FOLDER.name}
        for parent, folders, names in os.walk(root):
            depth = len(Path(parent).relative_to(root).parts)
            kept = [name for name in folders if name[0] != "." and not name.endswith("_report")]
            kept = [name for name in kept if self._is_inside(Path(parent, name), notes)]
            folders[:] = sorted(name for name in kept if depth or name not in skipped) if depth < MAX_DEPTH else []
            for name in sorted(names):
                path = Path(parent, name)
                is_listed = path.suffix.lower() in (*VIDEO_SUFFIXES, *CHECKPOINT_SUFFIXES)
                if is_listed and name[0] != "." and self._is_inside(path, notes) and path.is_file():
                    yield path

    def _folders(self, parent: Path, file_name: str, notes: list[str]) -> list[Path]:
        """The folders in `parent` that contain a file, the newest first."""
        found = (path.parent for path in (self._project.root / parent).glob(f"*/{file_name}"))
        inside = [path for path in found if path.name[0] != "." and self._is_inside(path, notes)]
        return sorted(inside, key=lambda path: _modified(path / file_name), reverse=True)

    def _is_inside(self, path: Path, notes: list[str]) -> bool:
        try:
            self._project.resolve(self._name(path))
        except OutsideProjectError:
            notes.append(f"{self._name(path)} is not listed: it is a link out of the project folder.")
            return False
        return True

    def _read(self, path: Path, read: Callable[[Path], Value]) -> Value:
        """`read(path)`, from the cache if the file is unchanged."""
        try:
            status = path.stat()
            version = (status.st_mtime_ns, status.st_size)
        except OSError:
            version = (0, 0)
        cached = self._cache.get((read, path))
        if cached is None or cached[0] != version:
            cached = (version, read(path))
            self._cache[read, path] = cached
        value: Value = cached[1]
        return value

    def _name(self, path: Path) -> str:
        return path.relative_to(self._project.root).as_posix()

    def _existing(self, path: Path) -> str:
        """The name of a file, with its time as a query so that browsers load a changed one; "" if it does not exist."""
        return f"{self._name(path)}?{int(_modified(path))}" if path.is_file() else ""


def _read_step(log: Path) -> dict[str, Any]:
    return read_last_step(log.parent)


def _summarise_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = read_manifest(path.parent)
    except Vid2VidError as error:
        return {"problem": error.message}
    return {
        "num_frames": manifest.num_frames,
        "frame_size": f"{manifest.width}x{manifest.height}",
        "fps": manifest.fps,
        "conditioners": [
            f"{record.name}: detected on {record.quality.num_detected} of {record.quality.num_frames}"
            for record in manifest.conditioners
        ],
    }


def _summarise_record(path: Path) -> dict[str, Any]:
    try:
        record = parse_json(path.read_text(encoding="utf-8"))
        return {"preset": str(record["preset"]), "dataset": Path(record["dataset"]).name, "device": record["device"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {"problem": f"{path.name} is missing or damaged"}


def _newest_first(paths: set[Path]) -> list[Path]:
    return sorted(paths, key=_modified, reverse=True)


def _modified(path: Path) -> float:
    """Time of the last change in seconds; 0.0 if the file has gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
