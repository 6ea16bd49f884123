"""The checkpoint for synthesis (`.ckpt`). Reading it executes no code from it."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from vid2vid_cli.core.checkpoint_header import DISCRIMINATOR_PREFIX, REFERENCE_FRAMES_KEY, damaged_error
from vid2vid_cli.data.encoded_frames import EncodedFrames
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, load_metadata
from vid2vid_cli.engine.families.registry import model_family
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.weight_files import (
    Weights,
    check_finite,
    check_weight_table,
    load_network_weights,
    save_weights,
    without_data,
)
from vid2vid_cli.networks.generators import Generator


def save_checkpoint(
    path: Path,
    generator: Generator,
    metadata: CheckpointMetadata,
    discriminators: Weights | None = None,
    *,
    reference_frames: EncodedFrames | None = None,
) -> None:
    """Write a `.ckpt` atomically. Raises DiskFullError, PermissionDeniedError.

    `discriminators`: weights for later training, by their names in `TrainState`. `reference_frames`:
    those of `metadata.references`.
    """
    prefixed_discriminators = {f"{DISCRIMINATOR_PREFIX}{name}": value for name, value in (discriminators or {}).items()}
    weights = {**generator.state_dict(), **prefixed_discriminators}
    if reference_frames is not None:
        weights[REFERENCE_FRAMES_KEY] = torch.from_numpy(reference_frames.pack().copy())
    save_weights(path, weights, json.dumps(metadata.model_dump(mode="json")))


def load_checkpoint(path: Path, runtime: Runtime) -> tuple[Generator, CheckpointMetadata]:
    """The generator, ready for synthesis on `runtime`, and the metadata.

    Names, shapes and types of the weights are compared with the architecture before anything is allocated.
    Raises the errors of `load_metadata`; TruncatedCheckpointError for weights that are damaged or not finite.
    """
    metadata = load_metadata(path)
    try:
        with without_data():
            generator = model_family(metadata.model).build_generator(metadata.generator, metadata.condition_spec)
    except (RuntimeError, ValueError) as error:
        raise damaged_error(path, f"its architecture cannot be built ({str(error).splitlines()[0]})") from None
    check_weight_table(path, generator)
    weights = load_network_weights(path)["generator"]
    check_finite(path, weights)
    generator.load_state_dict(weights, assign=True)
    runtime.prepare_module(generator.eval().requires_grad_(False))
    return generator, metadata
