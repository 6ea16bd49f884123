"""Field types that several requests share: an option has the same name and meaning in every command."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from vid2vid_cli.requests import parsers
from vid2vid_cli.requests.option import Argument, Option

OUTPUT_PANEL = "Output"
HARDWARE_PANEL = "Hardware"
TIME_RANGE_PANEL = "Time range"
RENDER_PANEL = "Rendering"
LABEL_PANEL = "Labels of the source"

Checkpoint = Annotated[Path, Argument("Checkpoint that `train` wrote, or its run folder.", "CKPT")]
DatasetSplit = Annotated[
    Literal["all", "train", "val"], Option("Frames of a dataset. val: the frames that are not used for training.")
]
OutputPath = Annotated[Path | None, Option("Output path.", ("--out", "-o"), "PATH", OUTPUT_PANEL)]
Overwrite = Annotated[
    bool, Option("Replace existing output instead of appending -2 to its name.", ("--overwrite",), panel=OUTPUT_PANEL)
]
Compare = Annotated[
    bool, Option("Also write source, condition and result side by side, and a report.", panel=OUTPUT_PANEL)
]
Provenance = Annotated[
    Path | None,
    Option(
        "Sign the videos as synthetic (C2PA; MP4 and MOV) with the private key in this PEM file, and with its "
        "certificates; if it has none, a self-signed one is made.",
        metavar="KEY.pem",
        panel=RENDER_PANEL,
    ),
]
Device = Annotated[
    str,
    Option(
        "auto: the fastest device that is available.",
        metavar="auto|cpu|cuda|cuda:N|mps",
        panel=HARDWARE_PANEL,
        parse=parsers.device,
    ),
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"],
    Option("auto: bf16, or fp16 on GPUs without bf16, if it is faster on this device.", panel=HARDWARE_PANEL),
]
Backend = Annotated[
    Literal["auto", "torch", "onnxruntime"],
    Option("auto: torch for a .ckpt, onnxruntime for a file written by `vid2vid export`.", panel=HARDWARE_PANEL),
]
Provider = Annotated[
    Literal["auto", "cpu", "cuda", "tensorrt", "directml", "coreml", "openvino"],
    Option("Execution provider of onnxruntime. auto: a GPU that --device allows, or cpu.", panel=HARDWARE_PANEL),
]
Compile = Annotated[
    bool,
    Option(
        "Compile the generator with torch.compile, for long videos: minutes at the first time. Needs a C++ compiler.",
        ("--compile",),
        panel=HARDWARE_PANEL,
    ),
]
Start = Annotated[
    float,
    Option(
        "Start of the part to process: 12.5, 1:30 or 1:02:03.", (), "TIME", TIME_RANGE_PANEL, parse=parsers.timestamp
    ),
]
End = Annotated[
    float | None, Option("End of the part to process.", (), "TIME", TIME_RANGE_PANEL, parse=parsers.timestamp)
]
MaxFrames = Annotated[int | None, Option("Maximum number of frames.", (), "N", TIME_RANGE_PANEL, min=1)]
Person = Annotated[
    str | None,
    Option(
        "Person to track if there are several. N is the position from the left in the first frame that shows at least "
        "N people.",
        metavar="largest|centre|N",
        panel=LABEL_PANEL,
    ),
]
ConditionerOptions = Annotated[
    Mapping[str, Mapping[str, str]],
    Option(
        "Option of a conditioner; `vid2vid plugins show NAME` lists them. May be repeated.",
        ("--conditioner-option", "-O"),
        "NAME.KEY=VALUE",
        LABEL_PANEL,
        collect=parsers.conditioner_options,
    ),
]
"""{conditioner: {option: value}}"""
