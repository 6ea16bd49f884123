"""`push`: uploads a checkpoint with a model card to the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vid2vid_cli import __version__
from vid2vid_cli.core.checkpoint_header import verify_checksum
from vid2vid_cli.core.errors import ConfigError, HubError
from vid2vid_cli.core.parsing import parse_json
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, load_metadata
from vid2vid_cli.engine.dry_run import DryRun
from vid2vid_cli.engine.events import EventHandler, InfoEvent, WarningEvent
from vid2vid_cli.engine.hub import (
    HubReference,
    hub_endpoint,
    hub_errors,
    is_top_level_checkpoint,
    parse_hub_reference,
    require_hub_package,
)
from vid2vid_cli.engine.onnx_files import is_exported
from vid2vid_cli.engine.run_folder import CONFIG_FILE_NAME, RunFolder, resolve_checkpoint
from vid2vid_cli.evaluation.output_files import METRICS_FILE_NAME
from vid2vid_cli.media.images import load_png
from vid2vid_cli.requests.share import PushRequest
from vid2vid_cli.tools.conditioner_info import format_bytes
from vid2vid_cli.tools.model_card import CARD_NAME, PREVIEW_NAME, EvaluationTable, build_model_card, describe_frames

__all__ = ["PushRequest", "PushResult", "plan_push", "push"]


@dataclass(frozen=True)
class PushResult:
    """What was uploaded."""

    url: str
    """The page of the commit."""
    commit: str
    repository: str
    num_bytes: int


@dataclass(frozen=True)
class _Upload:
    reference: HubReference
    metadata: CheckpointMetadata
    files: dict[str, Path]
    """Name on the hub -> local file."""
    card: str

    @property
    def num_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.files.values()) + len(self.card.encode())


def plan_push(request: PushRequest) -> DryRun:
    """The plan of `push`, with the model card; the hub is not contacted. Raises the errors of `push` before it is."""
    upload = _prepare_upload(request)
    consent = "stated (--consent)" if request.consent else "missing: push requires --consent"
    return DryRun(
        (
            ("repository", f"{upload.reference.repository}, {'private' if request.private else 'public'}"),
            *(("file", f"{name}: {path}, {format_bytes(path.stat().st_size)}") for name, path in upload.files.items()),
            ("frames", describe_frames(upload.metadata)),
            *(("local path in the file", path) for path in find_local_paths(upload.metadata)),
            ("consent", consent),
            *(("card", line) for line in upload.card.splitlines() if line),
        )
    )


def push(request: PushRequest, on_event: EventHandler) -> PushResult:
    """Upload the checkpoint, the model card and the preview in one commit.

    Raises: ConfigError (no consent, or not ORG/NAME), MissingPackageError, HubError (no token, access or connection, a
    public repository for a private upload, or a repository with another checkpoint), and the errors of reading the
    checkpoint and the preview.
    """
    upload = _prepare_upload(request)
    if not request.consent:
        raise ConfigError(
            f"{request.checkpoint} was not uploaded: --consent is missing. {describe_frames(upload.metadata)}",
            "Ask everyone who can be recognised in the footage; if all agree, add --consent.",
        )
    require_hub_package()
    if paths := find_local_paths(upload.metadata):
        on_event(WarningEvent(f"The checkpoint names paths of this machine in its options: {', '.join(paths)}"))
    if PREVIEW_NAME not in upload.files:
        on_event(InfoEvent("The model card has no preview: the checkpoint is not in a run folder. --preview sets one."))
    return _upload(upload, request)


def _upload(upload: _Upload, request: PushRequest) -> PushResult:
    from huggingface_hub import CommitOperationAdd, HfApi

    repository = upload.reference.repository
    with hub_errors(upload.reference):
        api = HfApi(endpoint=hub_endpoint(), library_name="vid2vid", library_version=__version__)
        api.create_repo(repository, private=request.private, exist_ok=True)
        if request.private and not api.model_info(repository).private:
            raise HubError(
                f"{repository} exists and is public.", "Choose another name, or make it private on its page."
            )
        _check_one_checkpoint(upload, api.list_repo_files(repository))
        operations = [CommitOperationAdd(name, str(path)) for name, path in upload.files.items()]
        operations.append(CommitOperationAdd(CARD_NAME, upload.card.encode()))
        commit = api.create_commit(repository, operations, commit_message=f"{upload.metadata.name} by vid2vid push")
    return PushResult(str(commit.commit_url), str(commit.oid), repository, upload.num_bytes)


def _check_one_checkpoint(upload: _Upload, existing: Iterable[str]) -> None:
    """Raise HubError if the repository has another checkpoint, because then `pull` cannot choose one."""
    others = sorted(name for name in existing if is_top_level_checkpoint(name) and name not in upload.files)
    if others:
        name = next(iter(upload.files))
        raise HubError(
            f"{upload.reference.repository} already has {', '.join(others)}; {name} was not uploaded beside it.",
            f"A repository has one checkpoint: push to another repository, rename {name} to {others[0]} to replace it, "
            f"or delete {others[0]} on the page of the repository.",
        )


def _prepare_upload(request: PushRequest) -> _Upload:
    """Read everything that is uploaded."""
    reference = parse_hub_reference(request.repository)
    if reference.revision != "main":
        raise ConfigError(f"{request.repository}: push writes the branch main.", f"Write {reference.repository}.")
    checkpoint = resolve_checkpoint(request.checkpoint)
    if is_exported(checkpoint):
        raise ConfigError(f"{checkpoint} is an exported file.", "Give the .ckpt that it was made of.")
    metadata = load_metadata(checkpoint)
    companions = [checkpoint.with_name(metadata.image_generator)] if metadata.image_generator else []
    for path in (checkpoint, *companions):
        verify_checksum(path)
    preview = request.preview or _newest_sample(checkpoint.parent)
    card = build_model_card(
        metadata,
        reference.repository,
        licence=request.licence,
        has_preview=preview is not None,
        version=__version__,
        evaluation=read_evaluation(checkpoint),
    )
    files = {path.name: path for path in (checkpoint, *companions)}
    if preview is not None:
        load_png(preview)  # raises for what is not an image
        files[PREVIEW_NAME] = preview
    return _Upload(reference, metadata, files, card)


def find_local_paths(metadata: CheckpointMetadata) -> list[str]:
    """Absolute paths in the options of the conditioners, the training record and the settings of a checkpoint."""

    def iterate(value: object) -> Iterator[str]:
        if isinstance(value, str) and Path(value).is_absolute():
            yield value
        elif isinstance(value, Mapping | list | tuple):
            for item in value.values() if isinstance(value, Mapping) else value:
                yield from iterate(item)

    options = [conditioner.options for conditioner in metadata.conditioners]
    return sorted(set(iterate([options, metadata.training, metadata.training_config])))


def read_evaluation(checkpoint: Path) -> EvaluationTable | None:
    """The newest evaluation beside a checkpoint, if it is of this file alone and not older; otherwise None."""
    paths = sorted(checkpoint.parent.glob(f"evaluation*/{METRICS_FILE_NAME}"), key=lambda path: path.stat().st_mtime)
    try:
        record = parse_json(paths[-1].read_text(encoding="utf-8")) if paths else {}
        if not record or paths[-1].stat().st_mtime < checkpoint.stat().st_mtime:
            return None
        ((row_name, model),) = record["models"].items()
        if Path(model["checkpoint"]).resolve() != checkpoint.resolve():
            return None
        names = [name for name in (row_name, "nearest", "real") if name in record["rows"]]
        rows = [
            (
                f"{metric} ({info['unit'] or '1'}), best: {info['better']}",
                *(_cell(record, name, metric) for name in names),
            )
            for metric, info in record["metrics"].items()
        ]
        description = f"{record['num_frames']} frames (split {record['split']}) of {Path(record['data']).name}"
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return None  # written by another version, or by hand
    return EvaluationTable(description, ("metric", *names), tuple(rows))


def _cell(record: Mapping[str, Any], row: str, metric: str) -> str:
    value = record["rows"][row].get(metric)
    return "-" if value is None else f"{value:.4g}"


def _newest_sample(folder: Path) -> Path | None:
    """The newest sample sheet of a run; None for another folder."""
    samples = sorted(RunFolder(folder).samples.glob("step_*.png")) if (folder / CONFIG_FILE_NAME).is_file() else []
    return samples[-1] if samples else None
