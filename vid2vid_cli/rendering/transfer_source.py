"""The source video of `transfer`. Imports no torch: see `pipelines/transfer.py`."""

from __future__ import annotations

from vid2vid_cli.conditioning.person import add_person_option
from vid2vid_cli.conditioning.requirements import check_conditioners
from vid2vid_cli.core.errors import NotAVideoError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.rendering.source_conditioners import load_source_conditioners, require_input_files
from vid2vid_cli.rendering.source_reader import open_full_reader, open_source_reader
from vid2vid_cli.rendering.source_video import SourceVideo
from vid2vid_cli.requests.render import TransferRequest


def open_transfer_source(request: TransferRequest, metadata: CheckpointMetadata) -> SourceVideo:
    """The source of a transfer with the conditioners of the checkpoint.

    Raises NotAVideoError and the other errors of reading a video, ConfigError, InputFileMismatchError, PluginError,
    MissingPackageError.
    """
    if (request.source / MANIFEST_FILE_NAME).is_file():  # its contact sheet would be read as a video of one frame
        raise NotAVideoError(
            f"{request.source} is a dataset, not a video.",
            shell_command("vid2vid", "synthesize", request.target, request.source),
        )
    names = [conditioner.name for conditioner in metadata.conditioners]
    conditioners = load_source_conditioners(metadata, add_person_option(request.options, names, request.person))
    require_input_files(metadata, conditioners)
    check_conditioners(conditioners)
    reader = open_source_reader(
        request.source, metadata, start=request.start, end=request.end, max_frames=request.max_frames
    )
    options = request.background_options
    return SourceVideo(
        request.source,
        reader,
        conditioners,
        keeps_originals=options.keep_size or options.background == "source",
        full_reader=open_full_reader(reader, request) if options.keep_size else None,
    )
