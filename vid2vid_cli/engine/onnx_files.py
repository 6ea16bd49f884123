"""An exported generator on disk: NAME.onnx, and NAME.onnx.meta with the metadata and the reference frames.

The second file is a `.ckpt` without weights, so that the functions that read a `.ckpt` read it too. The first one
contains the sha256 of the second, which detects files that do not belong together.
"""

from __future__ import annotations

import json
from pathlib import Path

from vid2vid_cli.core.checkpoint_header import REFERENCE_FRAMES_KEY, verify_checksum
from vid2vid_cli.core.errors import ForeignCheckpointError, MissingFileError
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, load_metadata
from vid2vid_cli.media.files import sha256_of_files

EXPORT_SUFFIX, METADATA_SUFFIX = ".onnx", ".meta"
INSTALL_COMMAND = 'pip install "vid2vid-cli[export]"'
EXPORT_VERSION = "1"
VERSION_KEY, METADATA_SHA256_KEY, PRECISION_KEY = "vid2vid_export", "vid2vid_metadata_sha256", "vid2vid_precision"
"""Keys of the `metadata_props` of an exported file."""
EXPORT_AGAIN_HINT = "Export the checkpoint again: vid2vid export CKPT"


def is_exported(path: Path) -> bool:
    """Whether the path names an exported file, by its suffix."""
    return path.suffix.lower() == EXPORT_SUFFIX


def metadata_path(path: Path) -> Path:
    """The file with the metadata of an exported file."""
    return path.with_name(path.name + METADATA_SUFFIX)


def save_export_metadata(path: Path, metadata: CheckpointMetadata, checkpoint: Path) -> dict[str, str]:
    """Write the metadata and reference frames of `checkpoint` beside `path`; the entries of the graph that name them.

    Raises DiskFullError, PermissionDeniedError, TruncatedCheckpointError.
    """
    import torch

    from vid2vid_cli.engine.weight_files import load_reference_frames, save_weights

    tensors = {}
    if metadata.references is not None:
        tensors[REFERENCE_FRAMES_KEY] = torch.from_numpy(load_reference_frames(checkpoint).copy())
    target = metadata_path(path)
    save_weights(target, tensors, json.dumps(metadata.model_dump(mode="json")))
    return {VERSION_KEY: EXPORT_VERSION, METADATA_SHA256_KEY: sha256_of_files(target)}


def load_export_metadata(path: Path) -> CheckpointMetadata:
    """The metadata of an exported file.

    Raises MissingFileError if one of the two files is missing, and the errors of `load_metadata`.
    """
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist", "Give the path of a file written by `vid2vid export`.")
    if not metadata_path(path).is_file():
        raise MissingFileError(
            f"{path} has no {metadata_path(path).name} beside it, which contains its conditioners and size",
            "Copy both files that `vid2vid export` wrote. Other ONNX files are not supported.",
        )
    metadata = load_metadata(metadata_path(path))
    verify_checksum(metadata_path(path))
    return metadata


def check_export_entries(path: Path, entries: dict[str, str]) -> None:
    """Raise ForeignCheckpointError unless the `metadata_props` of `path` are of this version and of its metadata."""
    version = entries.get(VERSION_KEY)
    if version is None:
        raise ForeignCheckpointError(f"{path} was not written by `vid2vid export`", EXPORT_AGAIN_HINT)
    if version != EXPORT_VERSION:
        raise ForeignCheckpointError(
            f"{path} has export format {version[:40]}; this version of vid2vid reads format {EXPORT_VERSION}",
            EXPORT_AGAIN_HINT,
        )
    if entries.get(METADATA_SHA256_KEY) != sha256_of_files(metadata_path(path)):
        raise ForeignCheckpointError(
            f"{path} and {metadata_path(path).name} are not of the same export", EXPORT_AGAIN_HINT
        )
