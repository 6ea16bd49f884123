"""Options of `transfer` on what surrounds the subject of generated frames."""

from dataclasses import dataclass
from typing import Annotated

from vid2vid_cli.requests.option import Option

BACKGROUND_PANEL = "Background"


@dataclass(frozen=True)
class BackgroundOptions:
    """What surrounds the subject of generated frames, for targets with landmarks or poses."""

    background: Annotated[
        str | None,
        Option(
            "What surrounds the face or the person: the generated background, the source's frame, a picture, a colour, "
            "or an alpha channel. Default: target, or source with --keep-size.",
            ("--background",),
            "target|source|PICTURE|#00ff00|alpha",
            BACKGROUND_PANEL,
        ),
    ] = None
    keep_size: Annotated[
        bool,
        Option(
            "Write frames of the source's full size, with the subject at its place there.",
            ("--keep-size",),
            panel=BACKGROUND_PANEL,
        ),
    ] = False
    match_colours: Annotated[
        bool,
        Option("Give a face on the source's frame the colours of the face that it covers.", panel=BACKGROUND_PANEL),
    ] = True
