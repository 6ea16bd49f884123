"""Requests of the commands synthesize and transfer, which render one or more videos."""

from dataclasses import KW_ONLY, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

from vid2vid_cli.requests import parsers
from vid2vid_cli.requests.background import BackgroundOptions
from vid2vid_cli.requests.option import Argument, Option
from vid2vid_cli.requests.render import (
    LABEL_SOURCE_HELP,
    RenderRequest,
    SynthesizeRequest,
    TransferRequest,
)
from vid2vid_cli.requests.shared import OUTPUT_PANEL, Checkpoint, DatasetSplit, Person

BATCH_PANEL = "Several videos"
SkipDone = Annotated[
    bool,
    Option(
        "Skip a source whose output exists and was made from the same source with the same checkpoint and options.",
        ("--skip-done",),
        panel=BATCH_PANEL,
    ),
]
KeepGoing = Annotated[
    bool,
    Option("Continue with the next video after an error.", ("--keep-going",), panel=BATCH_PANEL),
]
BatchOutput = Annotated[
    Path | None,
    Option("Output file; for several videos, their folder.", ("--out", "-o"), "PATH", OUTPUT_PANEL),
]


@dataclass(frozen=True)
class SynthesizeBatchRequest(RenderRequest):
    """Options of the command `synthesize`: one checkpoint, and one or more sources."""

    checkpoint: Checkpoint
    sources: Annotated[tuple[Path, ...], Argument(f"{LABEL_SOURCE_HELP} May be repeated.", "SOURCE")]
    out: BatchOutput = None
    """None: <source>_synthesized.mp4 in the working directory."""
    _: KW_ONLY
    split: DatasetSplit = "all"
    skip_done: SkipDone = False
    keep_going: KeepGoing = False

    @property
    def targets(self) -> tuple[Path, ...]:
        """The checkpoint."""
        return (self.checkpoint,)

    def with_pair(self, source: Path, target: Path, out: Path | None) -> SynthesizeRequest:
        """The request for one of the sources."""
        return SynthesizeRequest(target, source, out, split=self.split, **_shared_options(self))


@dataclass(frozen=True)
class TransferBatchRequest(RenderRequest):
    """Options of the command `transfer`: one or more sources and targets; every source is rendered as every target."""

    sources: Annotated[
        tuple[Path, ...], Argument("Driving videos, folders of videos, or patterns such as 'x/*.mp4'.", "SOURCE")
    ]
    targets: Annotated[
        tuple[Path, ...],
        Option(
            "Checkpoint (or run folder) of the target. Repeat to render every source as several targets.",
            ("--target", "-t"),
            "CKPT",
            collect=parsers.paths,
        ),
    ]
    out: BatchOutput = None
    """None: <source>_as_<target>.mp4 in the working directory."""
    _: KW_ONLY
    person: Person = None
    background_options: BackgroundOptions = field(default_factory=BackgroundOptions)
    skip_done: SkipDone = False
    keep_going: KeepGoing = False

    def with_pair(self, source: Path, target: Path, out: Path | None) -> TransferRequest:
        """The request for one of the sources and one of the targets."""
        return TransferRequest(
            source,
            target,
            out,
            person=self.person,
            background_options=self.background_options,
            **_shared_options(self),
        )


BatchRequest = SynthesizeBatchRequest | TransferBatchRequest


def _shared_options(request: RenderRequest) -> dict[str, Any]:
    return {shared.name: getattr(request, shared.name) for shared in fields(RenderRequest)}
