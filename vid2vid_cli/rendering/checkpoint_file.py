"""Opening a checkpoint for inference: its metadata, and the directions of an unpaired model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.config.config import UNPAIRED_MODELS
from vid2vid_cli.config.generator import Target
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.model_specs import Direction
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, load_metadata
from vid2vid_cli.engine.onnx_files import is_exported, load_export_metadata
from vid2vid_cli.engine.run_folder import resolve_checkpoint


@dataclass(frozen=True)
class CheckpointFile:
    """A `.ckpt` whose metadata has been read."""

    path: Path
    metadata: CheckpointMetadata

    @property
    def size_text(self) -> str:
        """Name and size of the generated frames, for --dry-run."""
        height, width = self.metadata.output_size
        return f"{self.metadata.name}, {width}x{height}"


def open_checkpoint(path: Path, *targets: Target) -> CheckpointFile:
    """Read the metadata of a `.ckpt`, of an exported file or of the result in a run folder.

    Raises ConfigError if it generates none of `targets`, and the errors of `resolve_checkpoint`, `load_metadata`
    and `load_export_metadata`.
    """
    checkpoint_path = resolve_checkpoint(path)
    metadata = (load_export_metadata if is_exported(checkpoint_path) else load_metadata)(checkpoint_path)
    metadata.require_target(checkpoint_path, *targets)
    return CheckpointFile(checkpoint_path, metadata)


def check_direction(checkpoint: CheckpointFile, direction: Direction | None) -> None:
    """Raise ConfigError for a direction that is given for a model that has one only."""
    model = checkpoint.metadata.model
    if direction is not None and model not in UNPAIRED_MODELS:
        raise ConfigError(
            f"--direction {direction}: {checkpoint.path} (model={model}) has no directions.",
            "Leave it out. Only unpaired models, such as model=cyclegan, translate in both directions.",
        )


def describe_direction(metadata: CheckpointMetadata, direction: Direction) -> str:
    """The direction, and the datasets that it leads from and to."""
    names = [str(metadata.training.get(key, "unknown")) for key in ("dataset", "dataset_b")]
    source, target = names if direction == "a2b" else reversed(names)
    return f"direction {direction}: {source} to {target}"


def direction_rows(metadata: CheckpointMetadata, direction: Direction | None) -> tuple[tuple[str, str], ...]:
    """The row of --dry-run on the direction; () for a model without."""
    if metadata.model not in UNPAIRED_MODELS:
        return ()
    return (("direction", describe_direction(metadata, direction or "a2b").removeprefix("direction ")),)
