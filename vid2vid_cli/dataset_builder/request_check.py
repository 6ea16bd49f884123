"""Checks of a request of `prepare`, before anything is read."""

from __future__ import annotations

from collections.abc import Sequence

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.dataset_builder.sidecar_files import SidecarFiles
from vid2vid_cli.requests.prepare import PrepareRequest


def check_request(request: PrepareRequest) -> None:
    """Raise ConfigError for values that no video fits."""
    if not request.videos:
        raise ConfigError("No video was given.", "vid2vid prepare --conditioner landmarks VIDEO")
    if not 0 <= request.val_fraction < 1:
        raise ConfigError(
            f"val_fraction={request.val_fraction}: the fraction must be at least 0 and below 1.", "--val-fraction 0.2"
        )
    if request.max_short_side is not None and request.max_short_side < 16:
        raise ConfigError(f"size={request.max_short_side}: frames need at least 16 pixels.", "--size 512")
    if request.fps is not None and request.fps <= 0:
        raise ConfigError(f"fps={request.fps}: the frame rate must be above 0.", "--fps 25")
    if request.start < 0 or (request.end is not None and request.end <= request.start):
        raise ConfigError(
            f"The time range from {request.start} s to {request.end} s is empty.", "Set --end to a time after --start."
        )
    if request.max_frames is not None and request.max_frames < 2:
        raise ConfigError(f"max_frames={request.max_frames}: a dataset needs at least 2 frames.", "--max-frames 300")
    if request.num_spread_frames is not None and request.num_spread_frames < 2:
        raise ConfigError(f"frames={request.num_spread_frames}: a training needs at least 2 frames.", "--frames 10")


def check_sidecar_files(request: PrepareRequest, sidecar_files: Sequence[SidecarFiles]) -> None:
    """Raise ConfigError if single frames are selected of a video with annotation files, which are read in order."""
    if request.num_spread_frames is not None and any(any(files.values()) for files in sidecar_files):
        raise ConfigError(
            f"--frames {request.num_spread_frames}: frames cannot be selected, because {request.videos[0]} has "
            "annotation files.",
            "Leave --frames out, or select a range with --start and --end.",
        )
