"""The requests of `push` and `pull`."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from vid2vid_cli.core.paths import PathCheckedRequest
from vid2vid_cli.requests.option import Argument, Option
from vid2vid_cli.requests.shared import Checkpoint, OutputPath, Overwrite


@dataclass(frozen=True)
class PushRequest(PathCheckedRequest):
    """Options of `push`."""

    checkpoint: Checkpoint
    repository: Annotated[str, Argument("Repository on the hub; it is created if it does not exist.", "ORG/NAME")]
    _: KW_ONLY
    consent: Annotated[
        bool,
        Option(
            "State, also in the model card, that everyone who can be recognised in the footage has agreed to the "
            "publication. Required.",
            ("--consent",),
        ),
    ] = False
    private: Annotated[bool, Option("Create a private repository.", ("--private",))] = False
    licence: Annotated[
        str, Option("Licence of the weights in the hub's spelling, such as cc-by-nc-4.0. Default: none.", (), "ID")
    ] = ""
    preview: Annotated[
        Path | None,
        Option("PNG image for the model card. Default: the newest sample sheet of the run.", (), "IMAGE"),
    ] = None


@dataclass(frozen=True)
class PullRequest(PathCheckedRequest):
    """Options of `pull`."""

    repository: Annotated[str, Argument("Repository on the hub, with a branch, tag or commit.", "ORG/NAME[@REVISION]")]
    out: OutputPath = None
    """None: the name of the file on the hub, in the working directory."""
    _: KW_ONLY
    overwrite: Overwrite = False
