"""Requests that write datasets and checkpoints from existing material: prepare and import."""

from dataclasses import KW_ONLY, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from vid2vid_cli.core.paths import PathCheckedRequest
from vid2vid_cli.requests import parsers
from vid2vid_cli.requests.option import Argument, Option
from vid2vid_cli.requests.shared import (
    OUTPUT_PANEL,
    ConditionerOptions,
    Device,
    End,
    MaxFrames,
    OutputPath,
    Overwrite,
    Person,
    Start,
)

FRAME_PANEL = "Stored frames"


@dataclass(frozen=True)
class PrepareRequest(PathCheckedRequest):
    """Options of `prepare`."""

    videos: Annotated[
        tuple[Path, ...],
        Argument(
            "Videos, GIFs, folders of videos, folders of images (one video each), patterns such as 'x/*.mp4', or a "
            "dataset of vid2vid, pix2pixHD, imaginaire or CycleGAN.",
            "VIDEO",
        ),
    ]
    conditioners: Annotated[
        tuple[str, ...],
        Option(
            "Conditioner to extract, e.g. landmarks. Repeat to combine several. Optional for datasets that already "
            "contain labels.",
            ("--conditioner", "-c"),
            "NAME",
        ),
    ] = ()
    out: OutputPath = None
    """The dataset folder; None: datasets/<name of the video>."""
    _: KW_ONLY
    options: ConditionerOptions = field(default_factory=dict)
    domain: Annotated[
        Literal["A", "B"] | None,
        Option("Domain to read of a folder in the layout of CycleGAN: trainA, trainB, testA, testB."),
    ] = None
    """Its test images are for validation; the dataset is NAME_A or NAME_B by default."""
    side_by_side: Annotated[
        Literal["a2b", "b2a"] | None,
        Option(
            "For images that contain A and B side by side, as pix2pix reads them. a2b: the left half is the condition "
            "and the right half the frame; b2a: the reverse.",
        ),
    ] = None
    """The halves are written to a folder beside the dataset, NAME.divided."""
    person: Person = None
    """Applies to every conditioner that tracks people."""
    max_short_side: Annotated[
        int | None,
        Option("Maximum short side of the stored frames, in pixels.", ("--size",), "PX", FRAME_PANEL, min=16),
    ] = 512
    """Frames are never enlarged; None: no limit."""
    fps: Annotated[
        Fraction | None,
        Option(
            "Frame rate: 25, 29.97 or 30000/1001. Default: that of the first video.",
            metavar="RATE",
            panel=FRAME_PANEL,
            parse=parsers.frame_rate,
        ),
    ] = None
    start: Start = 0.0
    end: End = None
    max_frames: MaxFrames = None
    """Applies to each video."""
    num_spread_frames: int | None = None
    """Only this number of frames of each video, spread over it; set by `adapt --frames`."""
    val_fraction: Annotated[
        float,
        Option("Fraction at the end of each shot that is kept for validation.", panel=FRAME_PANEL, min=0, max=0.9),
    ] = 0.2
    split_shots: Annotated[bool, Option("Detect cuts and make one clip per shot.", panel=FRAME_PANEL)] = True
    overwrite: Annotated[
        bool,
        Option(
            "Replace an existing dataset instead of appending -2 to its name, and discard an unfinished one.",
            ("--overwrite",),
            panel=OUTPUT_PANEL,
        ),
    ] = False
    frame_format: Annotated[
        Literal["jpeg", "png"] | None,
        Option(
            "Format of the stored frames. Default: jpeg (quality 95, 4:4:4); png if the video is lossless.",
            panel=FRAME_PANEL,
        ),
    ] = None
    """JPEG takes a third of the space and a fifth of the time of PNG, at 47 to 49 dB."""
    command: str = ""
    """The command line, for the report."""


@dataclass(frozen=True)
class ImportRequest(PathCheckedRequest):
    """Options of `import nvidia`."""

    folder: Annotated[Path, Argument("Folder that contains latest_net_G0.pth.", "DIR")]
    preset: Annotated[Literal["street", "face", "pose"], Option("Task of the network.", ("--preset", "-p"))]
    out: OutputPath = None
    """None: <name>.ckpt in the working directory."""
    _: KW_ONLY
    name: Annotated[str | None, Option("Name of the checkpoint. Default: the folder's name.", (), "NAME")] = None
    image_size: Annotated[
        tuple[int, int] | None,
        Option("Frame size. Default: as published.", ("--size",), "WIDTHxHEIGHT", parse=parsers.image_size),
    ] = None
    """(height, width) in pixels"""
    foreground_ids: Annotated[
        tuple[int, ...] | None,
        Option(
            "Label ids of the foreground branch, as fg_labels in the network's training; the files do not contain "
            "them. Default: 26 (cars), as published.",
            ("--foreground-ids",),
            "ID,ID,...",
            parse=parsers.label_ids,
        ),
    ] = None
    overwrite: Overwrite = False


@dataclass(frozen=True)
class ImportGeneratorRequest(PathCheckedRequest):
    """Options of `import pix2pix` and `import cyclegan`."""

    file: Annotated[Path, Argument("Generator, e.g. latest_net_G.pth or latest_net_G_A.pth.", "FILE")]
    out: OutputPath = None
    """None: <name of the file>.ckpt in the working directory."""
    _: KW_ONLY
    conditioner: Annotated[
        str,
        Option("Conditioner that makes the network's input; none: the frame itself.", ("--conditioner", "-c"), "NAME"),
    ] = "none"
    options: ConditionerOptions = field(default_factory=dict)
    image_size: Annotated[
        tuple[int, int] | None,
        Option("Frame size. Default: 256x256.", ("--size",), "WIDTHxHEIGHT", parse=parsers.image_size),
    ] = None
    """(height, width) in pixels"""
    statistics: Annotated[
        Literal["running", "frame"],
        Option("Statistics of batch norm: running, from the file (as with --eval), or of each frame (as without)."),
    ] = "running"
    overwrite: Overwrite = False


@dataclass(frozen=True)
class DemoRequest:
    """Options of `demo`."""

    out: Annotated[Path, Option("Output folder.", ("--out", "-o"), "FOLDER", OUTPUT_PANEL)] = Path("demo")
    max_seconds: Annotated[
        float,
        Option("Training time: 90s or 3m.", ("--max-time",), "TIME", parse=parsers.duration, show_default="2m30s"),
    ] = 150.0
    """The other stages take about one more minute."""
    device: Device = "auto"
