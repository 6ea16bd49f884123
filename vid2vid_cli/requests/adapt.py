"""The request of `adapt`."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from vid2vid_cli.core.paths import PathCheckedRequest
from vid2vid_cli.requests import parsers
from vid2vid_cli.requests.option import Argument, Option
from vid2vid_cli.requests.shared import Device, End, OutputPath, Overwrite, Start
from vid2vid_cli.requests.train import DURATION_PANEL


@dataclass(frozen=True)
class AdaptRequest(PathCheckedRequest):
    """Options of `adapt`."""

    base: Annotated[Path, Argument("Run folder or checkpoint to start from.", "RUN|CKPT")]
    video: Annotated[Path, Argument("Video of the new subject.", "VIDEO")]
    out: OutputPath = None
    """The run folder; None: runs/<name of the video>."""
    _: KW_ONLY
    max_seconds: Annotated[
        float | None,
        Option(
            "Training time: 90s or 3m. Default: 60s, unless --steps is given.",
            ("--max-time",),
            "TIME",
            DURATION_PANEL,
            parse=parsers.duration,
        ),
    ] = None
    max_steps: Annotated[int | None, Option("Training steps.", ("--steps",), "N", DURATION_PANEL, min=1)] = None
    max_frames: Annotated[
        int | None,
        Option("Use N frames, spread over the video in up to 10 places, all for training.", ("--frames",), "N", min=2),
    ] = None
    start: Start = 0.0
    end: End = None
    device: Device = "auto"
    overwrite: Overwrite = False
    command: str = "vid2vid adapt"
    """The command line that the run folder records."""
