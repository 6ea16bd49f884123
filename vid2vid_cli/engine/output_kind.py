"""What a checkpoint draws: frames from labels, or the labels that come next."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.checkpoint import CheckpointInfo


def check_draws(info: CheckpointInfo, path: Path, wanted: Literal["frames", "labels"]) -> None:
    """Raise ConfigError for a checkpoint that draws the other kind, and say what it is for."""
    if info.generator.draws == wanted:
        return
    if wanted == "frames":
        raise ConfigError(
            f"{path} predicts the next label maps; it draws no frames.", f"vid2vid predict {path} CLIP --render CKPT"
        )
    raise ConfigError(
        f"{path} draws frames from labels, and does not know which labels come next.",
        "Train a model that does, on the same dataset: vid2vid train --set model=predict",
    )
