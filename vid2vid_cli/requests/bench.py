"""Request that measures the stages of a transfer on this machine: bench."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from vid2vid_cli.core.paths import PathCheckedRequest
from vid2vid_cli.requests import parsers
from vid2vid_cli.requests.option import Argument, Option
from vid2vid_cli.requests.shared import Compile, Device


@dataclass(frozen=True)
class BenchRequest(PathCheckedRequest):
    """Options of `bench`."""

    checkpoints: Annotated[
        tuple[Path, ...],
        Argument("Checkpoints, run folders or exported files. Default: an untrained fast generator.", "[CKPT]..."),
    ] = ()
    _: KW_ONLY
    source: Annotated[
        Path | None,
        Option("Driving video. Default: a drawn talking head of 512x512 pixels.", ("--source", "-s"), "VIDEO"),
    ] = None
    num_frames: Annotated[
        int, Option("Frames of the stages and of the transfer.", ("--frames",), "N", min=8, max=100_000)
    ] = 100
    long_frames: Annotated[
        int,
        Option(
            "Frames of a second, longer transfer that shows whether memory grows; 0: none.",
            ("--long",),
            "N",
            min=0,
            max=1_000_000,
        ),
    ] = 400
    sizes: Annotated[
        tuple[int, ...],
        Option(
            "Frame heights at which the generator is measured; 0: none. Default: 128,256,512,1024.",
            ("--sizes",),
            "LIST",
            collect=parsers.frame_heights,
        ),
    ] = parsers.DEFAULT_FRAME_HEIGHTS
    max_seconds: Annotated[
        float,
        Option("Longest time for the generator at one size.", ("--max-time",), "TIME", parse=parsers.duration),
    ] = 10.0
    device: Device = "auto"
    compile: Compile = False
