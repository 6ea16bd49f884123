"""The sources of `transfer` and `synthesize`: patterns and folders of videos. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from vid2vid_cli.core.errors import MissingFileError, NotAVideoError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.dataset_builder.dataset_layouts import LANDMARKS_ROLE, POSE_ROLE
from vid2vid_cli.dataset_builder.foreign_datasets import parse_layout
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.media.input_paths import (
    describe_folder_videos,
    drop_duplicates,
    expand_patterns,
    find_folder_videos,
    list_names,
)
from vid2vid_cli.media.probe import IMAGE_SUFFIXES
from vid2vid_cli.media.writer import is_rendered
from vid2vid_cli.requests.batch import BatchRequest, TransferBatchRequest
from vid2vid_cli.requests.render import SynthesizeRequest, TransferRequest

LABEL_SUFFIXES = {*IMAGE_SUFFIXES, *POSE_ROLE.suffixes, *LANDMARKS_ROLE.suffixes}


def single_request(request: BatchRequest) -> TransferRequest | SynthesizeRequest | None:
    """The request for the only source and the only target, if no option is for several videos; otherwise None."""
    if len(request.sources) > 1 or len(request.targets) > 1 or request.skip_done or request.keep_going:
        return None
    source = request.sources[0]
    if expand_patterns([source]) != (source,) or _find_videos(source):
        return None
    return request.with_pair(source, request.targets[0], request.out)


def expand_sources(request: BatchRequest, emit: EventHandler) -> tuple[Path, ...]:
    """All sources of a request once, with the videos of each folder; emits how folders and duplicates are read.

    Raises NotAVideoError (a folder with videos and images, or only rendered ones), MissingFileError (without
    --keep-going).
    """
    sources: list[Path] = []
    for source in expand_patterns(request.sources):
        videos = _find_videos(source)
        if not videos:
            sources.append(source)
            continue
        emit(InfoEvent(describe_folder_videos(source, videos)))
        if isinstance(request, TransferBatchRequest):  # label videos are rendered by `predict`
            videos = _without_rendered(source, videos, emit)
        sources += videos
    unique_sources, remarks = drop_duplicates(sources)
    emit_all(remarks, emit)
    missing = [source for source in unique_sources if not source.exists()]
    if missing and not request.keep_going:
        raise MissingFileError(
            f"{missing[0]} does not exist; no video was rendered.", "Correct the path, or add --keep-going."
        )
    return unique_sources


def _find_videos(folder: Path) -> list[Path]:
    """The videos that a folder stands for; [] for a video, a dataset, or a folder with a file per frame."""
    if (folder / MANIFEST_FILE_NAME).is_file() or not find_folder_videos(folder, ()) or parse_layout(folder):
        return []
    return find_folder_videos(folder, LABEL_SUFFIXES)


def _without_rendered(folder: Path, videos: Sequence[Path], emit: EventHandler) -> list[Path]:
    """The videos that vid2vid has not rendered: the folder may also be that of the output."""
    rendered = [video for video in videos if is_rendered(video)]
    remaining = [video for video in videos if video not in rendered]
    if not remaining:
        raise NotAVideoError(
            f"vid2vid rendered all videos of {folder}.", f"Name the videos, such as {shell_command(rendered[0])}."
        )
    if rendered:
        emit(InfoEvent(f"Left out of {folder}, because vid2vid rendered them: {list_names(rendered)}."))
    return remaining


def emit_all(messages: Iterable[str], emit: EventHandler) -> None:
    """Emit each message as an InfoEvent."""
    for message in messages:
        emit(InfoEvent(message))
