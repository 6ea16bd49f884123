"""Checks of a frame-wise checkpoint that generates the initial frames of a video model."""

from __future__ import annotations

from pathlib import Path

from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata


def check_image_checkpoint(
    image_metadata: CheckpointMetadata, path: Path, metadata: CheckpointMetadata, checkpoint: Path
) -> tuple[str, ...]:
    """Raise an error if a checkpoint cannot generate the initial frame; return warnings about different training."""
    dataset_folder = f"datasets/{metadata.training.get('dataset', 'NAME')}"
    command = shell_command("vid2vid", "train", "--set", "model=pix2pixhd", "--data", dataset_folder)
    hint = f"Train a frame-wise model on the same dataset with the same preset: {command}"
    if image_metadata.generator.past_frames:
        raise ConfigError(
            f"--initial-frame {path} is a video model (past_frames > 0) and cannot generate an initial frame.", hint
        )
    if image_metadata.style_bank is not None:
        raise ConfigError(f"--initial-frame {path} uses styles, which are not available for an initial frame.", hint)
    image_conditions, video_conditions = (
        " and ".join(
            f"{conditioner.name} ({conditioner.channels} channels)" for conditioner in any_metadata.conditioners
        )
        for any_metadata in (image_metadata, metadata)
    )
    if image_conditions != video_conditions:
        raise DatasetMismatchError(
            f"--initial-frame {path} needs {image_conditions}; {checkpoint} needs {video_conditions}.", hint
        )
    if image_metadata.output_size != metadata.output_size:
        (image_height, image_width), (video_height, video_width) = image_metadata.output_size, metadata.output_size
        raise DatasetMismatchError(
            f"--initial-frame {path} generates {image_width}x{image_height} pixels; {checkpoint} generates "
            f"{video_width}x{video_height}.",
            f"{hint} --set data.height={video_height}",
        )
    return _training_differences(image_metadata, path, metadata, checkpoint)


def _training_differences(
    image_metadata: CheckpointMetadata, path: Path, metadata: CheckpointMetadata, checkpoint: Path
) -> tuple[str, ...]:
    conditioner_pairs = zip(image_metadata.conditioners, metadata.conditioners, strict=True)
    names = [image_config.name for image_config, config in conditioner_pairs if image_config.options != config.options]
    warnings = [f"{path} was trained with other options of {' and '.join(names)} than {checkpoint}."] if names else []
    if image_metadata.view != metadata.view:
        warnings.append(
            f"{path} was trained on another crop of the frames than {checkpoint}; sizes and positions may differ."
        )
    return tuple(warnings)
