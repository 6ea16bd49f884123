"""`pull`: copies a checkpoint from the Hugging Face Hub to a file."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.core.checkpoint_header import verify_checksum
from vid2vid_cli.core.errors import OutputExistsError
from vid2vid_cli.core.paths import check_output_parent
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, load_metadata
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.engine.hub import download_checkpoint, parse_hub_reference
from vid2vid_cli.media.files import atomic_write, sha256_of_files, unique_path
from vid2vid_cli.requests.share import PullRequest
from vid2vid_cli.tools.model_card import describe_frames

__all__ = ["PullRequest", "PullResult", "pull"]


@dataclass(frozen=True)
class PullResult:
    """The downloaded checkpoint."""

    path: Path
    commit: str
    """The commit of the repository that it is from."""
    metadata: CheckpointMetadata


def pull(request: PullRequest, on_event: EventHandler) -> PullResult:
    """Download the checkpoint of a repository, and the image generator that it needs, if any, beside it.

    Raises: ConfigError (not ORG/NAME[@REVISION]), the errors of `download_checkpoint`, TruncatedCheckpointError,
    OutputExistsError, DiskFullError, PermissionDeniedError.
    """
    reference = parse_hub_reference(request.repository)
    if request.out is not None:
        check_output_parent(request.out)
    source = download_checkpoint(reference)
    verify_checksum(source)
    metadata = load_metadata(source)
    path = request.out or Path(source.name)
    if path.is_dir():
        path /= source.name
    path = path if request.overwrite else unique_path(path)
    if metadata.image_generator:
        companion = path.with_name(metadata.image_generator)
        _check_companion(companion, source.with_name(companion.name), overwrite=request.overwrite)
        _copy(source.with_name(companion.name), companion)
    _copy(source, path)
    on_event(InfoEvent(describe_frames(metadata)))
    return PullResult(path, source.parent.name, metadata)


def _check_companion(path: Path, source: Path, *, overwrite: bool) -> None:
    """Raise OutputExistsError if another file has the name that the checkpoint refers to."""
    if path.exists() and not overwrite and sha256_of_files(path) != sha256_of_files(source):
        raise OutputExistsError(
            f"{path} exists and is not the file that the checkpoint needs; it was not overwritten.",
            "Choose an --out in another folder.",
        )


def _copy(source: Path, target: Path) -> None:
    atomic_write(target, lambda temp_path: shutil.copyfile(source, temp_path))
