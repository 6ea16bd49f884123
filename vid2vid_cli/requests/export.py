"""Request that writes a checkpoint as a file for another runtime: export."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from vid2vid_cli.core.paths import PathCheckedRequest
from vid2vid_cli.requests.option import Option
from vid2vid_cli.requests.shared import Checkpoint, OutputPath, Overwrite


@dataclass(frozen=True)
class ExportRequest(PathCheckedRequest):
    """Options of `export`."""

    checkpoint: Checkpoint
    out: OutputPath = None
    """None: the checkpoint's name with the suffix .onnx, beside it."""
    _: KW_ONLY
    format: Annotated[Literal["onnx"], Option("Format of the file.")] = "onnx"
    half: Annotated[
        bool, Option("Convolutions in fp16: half the size; faster on most GPUs, slower on CPUs.", ("--half",))
    ] = False
    check: Annotated[
        bool,
        Option(
            "Generate a clip with onnxruntime and with torch, and fail if they differ by more than 50 dB PSNR.",
            ("--check",),
        ),
    ] = False
    data: Annotated[
        Path | None,
        Option("Dataset whose first frames --check generates. Default: random input.", ("--data", "-d"), "DATASET"),
    ] = None
    overwrite: Overwrite = False
