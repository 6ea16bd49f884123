"""The request of `ui`."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from vid2vid_cli.core.paths import PathCheckedRequest
from vid2vid_cli.requests.option import Argument, Option


@dataclass(frozen=True)
class UiRequest(PathCheckedRequest):
    """Options of `ui`."""

    folder: Annotated[
        Path, Argument("Project folder, with videos, datasets/ and runs/. Default: the working folder.", "FOLDER")
    ] = Path()
    _: KW_ONLY
    port: Annotated[int | None, Option("Port. Default: 8610, or a free one.", metavar="N", min=1, max=65535)] = None
    open_browser: Annotated[bool, Option("Open the page in the browser.", ("--open/--no-open",))] = True
