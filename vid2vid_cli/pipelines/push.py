"""`push`: uploads a checkpoint with a model card to the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli import __version__
from vid2vid_cli.core.checkpoint_header import verify_checksum
from vid2vid_cli.core.errors import ConfigError, HubError
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, load_metadata
from vid2vid_cli.engine.dry_run import DryRun
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.engine.hub import HubReference, hub_endpoint, hub_errors, parse_hub_reference, require_hub_package
from vid2vid_cli.engine.onnx_files import is_exported
from vid2vid_cli.engine.run_folder import CONFIG_FILE_NAME, RunFolder, resolve_checkpoint
from vid2vid_cli.media.images import load_png
from vid2vid_cli.requests.share import PushRequest
from vid2vid_cli.tools.conditioner_info import format_bytes
from vid2vid_cli.tools.model_card import CARD_NAME, PREVIEW_NAME, build_model_card, describe_frames

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
            ("consent", consent),
            *(("card", line) for line in upload.card.splitlines() if line),
        )
    )


def push(request: PushRequest, on_event: EventHandler) -> PushResult:
    """Upload the checkpoint, the model card and the preview in one commit.

    Raises: ConfigError (no consent, or not ORG/NAME), MissingPackageError, HubError (no token, access or connection, or
    a public repository for a private upload), and the errors of reading the checkpoint and the preview.
    """
    upload = _prepare_upload(request)
    if not request.consent:
        raise ConfigError(
            f"{request.checkpoint} was not uploaded: --consent is missing. {describe_frames(upload.metadata)}",
            "Ask everyone who can be recognised in the footage; if all agree, add --consent.",
        )
    require_hub_package()
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
        operations = [CommitOperationAdd(name, str(path)) for name, path in upload.files.items()]
        operations.append(CommitOperationAdd(CARD_NAME, upload.card.encode()))
        commit = api.create_commit(repository, operations, commit_message=f"{upload.metadata.name} by vid2vid push")
    return PushResult(str(commit.commit_url), str(commit.oid), repository, upload.num_bytes)


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
    )
    files = {path.name: path for path in (checkpoint, *companions)}
    if preview is not None:
        load_png(preview)  # raises for what is not an image
        files[PREVIEW_NAME] = preview
    return _Upload(reference, metadata, files, card)


def _newest_sample(folder: Path) -> Path | None:
    """The newest sample sheet of a run; None for another folder."""
    samples = sorted(RunFolder(folder).samples.glob("step_*.png")) if (folder / CONFIG_FILE_NAME).is_file() else []
    return samples[-1] if samples else None
