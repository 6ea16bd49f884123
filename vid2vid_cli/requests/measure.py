"""Requests that measure or show what a checkpoint does: evaluate, predict and styles show."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Annotated

from vid2vid_cli.core.paths import PathCheckedRequest
from vid2vid_cli.requests import parsers
from vid2vid_cli.requests.option import Argument, Option
from vid2vid_cli.requests.render import Direction, InitialFrame
from vid2vid_cli.requests.shared import (
    OUTPUT_PANEL,
    Checkpoint,
    ConditionerOptions,
    DatasetSplit,
    Device,
    OutputPath,
    Overwrite,
    Precision,
)


@dataclass(frozen=True)
class EvaluateOptions(PathCheckedRequest):
    """Options of `evaluate`, for one model or several."""

    _: KW_ONLY
    device: Device = "auto"
    split: DatasetSplit = "val"
    precision: Precision = "auto"
    initial_frame: InitialFrame = None
    direction: Direction = None
    baselines: Annotated[
        bool,
        Option(
            "Also measure what the model must surpass: the nearest training frame (nearest), the same aligned by its "
            "points (nearest_aligned), and the real frame before (copy_last)."
        ),
    ] = True
    extra_metrics: Annotated[
        Mapping[str, Path | None],
        Option(
            "Also measure ms_ssim, lpips, fid, kid (extra [metrics]), fvd, cvvdp, identity or all, with the published "
            "weights or those of FILE. May be repeated.",
            ("--metric",),
            "NAME[=FILE]",
            collect=parsers.extra_metrics,
        ),
    ] = field(default_factory=dict)
    num_samples: Annotated[
        int | None,
        Option("Samples per clip of a model that predicts frames (savp). Default: 20.", ("--samples",), "N", min=1),
    ] = None
    num_frames: Annotated[
        int | None,
        Option("Frames that such a model predicts per clip. Default: 10.", ("--frames",), "N", min=1),
    ] = None
    report: Annotated[
        bool, Option("Also write report.html, with a video of the real and the generated frames.", panel=OUTPUT_PANEL)
    ] = True
    overwrite: Overwrite = False
    command: str = ""
    """The command line, for the report."""


@dataclass(frozen=True)
class EvaluateRequest(EvaluateOptions):
    """The evaluation of one model, for Python."""

    checkpoint: Path
    data: Path | None = None
    """None: the dataset of the training."""
    out: Path | None = None
    """The folder to write. None: `evaluation` beside the checkpoint."""

    @property
    def checkpoints(self) -> tuple[Path, ...]:
        """The checkpoint."""
        return (self.checkpoint,)


@dataclass(frozen=True)
class EvaluateModelsRequest(EvaluateOptions):
    """Options of the command `evaluate`: one model or several, in one table."""

    checkpoints: Annotated[
        tuple[Path, ...],
        Argument(
            "Checkpoints that `train` wrote, or run folders. A dataset among them is that of --data.",
            "CKPT|DATASET",
        ),
    ]
    data: Annotated[
        Path | None,
        Option("Dataset with validation frames. Default: that of the trainings.", ("--data", "-d"), "DATASET"),
    ] = None
    out: Annotated[Path | None, Option("Output folder.", ("--out", "-o"), "PATH", OUTPUT_PANEL)] = None
    """None: `evaluation` beside a single checkpoint, evaluation_A_B in the working directory for several."""


@dataclass(frozen=True)
class PredictRequest(PathCheckedRequest):
    """Options of `predict`."""

    checkpoint: Annotated[Path, Argument("Checkpoint trained with --preset savp or --set model=predict.", "CKPT")]
    source: Annotated[
        Path,
        Argument("A dataset (predictions are compared with the real continuation) or a video to continue.", "CLIP"),
    ]
    _: KW_ONLY
    num_frames: Annotated[int, Option("Number of frames to predict.", ("--frames",), "N", min=1)] = 10
    num_samples: Annotated[
        int | None,
        Option("Number of samples of a stochastic model (savp). Default: 5.", ("--samples",), "N", min=1, max=100),
    ] = None
    seed: Annotated[int, Option("Seed of the first sample; the others follow.", (), "N", min=0)] = 0
    renderer: Annotated[
        Path | None,
        Option("Checkpoint of the same dataset that renders the predicted labels. Default: labels only.", (), "CKPT"),
    ] = None
    out: OutputPath = None
    """None: <clip>_future.mp4 in the working directory."""
    split: DatasetSplit = "val"
    device: Device = "auto"
    precision: Precision = "auto"
    overwrite: Overwrite = False
    options: ConditionerOptions = field(default_factory=dict)


@dataclass(frozen=True)
class ShowStylesRequest(PathCheckedRequest):
    """Options of `styles show`."""

    checkpoint: Checkpoint
    data: Annotated[
        Path | None,
        Option(
            "Dataset that the rendered frame is taken from. Default: a training frame stored in CKPT.",
            ("--data", "-d"),
            "DATASET",
        ),
    ] = None
    out: OutputPath = None
    """None: <checkpoint>_styles.png in the working directory."""
    _: KW_ONLY
    device: Device = "auto"
    precision: Precision = "auto"
    overwrite: Overwrite = False
