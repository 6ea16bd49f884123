"""Request that renders the frames of a camera as they arrive: live."""

from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Annotated

from vid2vid_cli.core.paths import PathCheckedRequest
from vid2vid_cli.requests import parsers
from vid2vid_cli.requests.option import Option
from vid2vid_cli.requests.render import Direction, InitialFrame, Retarget
from vid2vid_cli.requests.shared import (
    OUTPUT_PANEL,
    Backend,
    Compile,
    ConditionerOptions,
    Device,
    Overwrite,
    Person,
    Precision,
    Provider,
)

PAGE_PANEL = "Page"
PAGE = "http"
LOCAL_HOST = "127.0.0.1"


@dataclass(frozen=True)
class LiveRequest(PathCheckedRequest):
    """Options of `live`."""

    target: Annotated[Path, Option("Checkpoint (or run folder) of the target.", ("--target", "-t"), "CKPT")]
    source: Annotated[
        str,
        Option(
            "Number of a camera; a video file, which is played at its own rate; or a URL (http, rtsp, rtmp, srt, udp).",
            ("--source", "-s"),
            "N|FILE|URL",
        ),
    ] = "0"
    _: KW_ONLY
    to: Annotated[
        str,
        Option("http: a page that shows the newest frame. A video file: without sound.", ("--to",), "http|FILE"),
    ] = PAGE
    loop: Annotated[bool, Option("Play a file again and again.", ("--loop",))] = False
    max_seconds: Annotated[
        float | None, Option("Stop after this time: 90s, 5m or 1h30m.", ("--max-time",), "TIME", parse=parsers.duration)
    ] = None
    compare: Annotated[
        bool, Option("Show source, condition and result side by side.", ("--compare",), panel=OUTPUT_PANEL)
    ] = False
    overwrite: Overwrite = False
    host: Annotated[
        str,
        Option(
            "Address of the page. Any but 127.0.0.1 is reachable from other machines, with a token in the URL.",
            ("--host",),
            "ADDRESS",
            PAGE_PANEL,
        ),
    ] = LOCAL_HOST
    port: Annotated[
        int | None,
        Option("Port of the page. Default: 8600, or a free one.", ("--port",), "N", PAGE_PANEL, min=1, max=65535),
    ] = None
    token: Annotated[
        str | None, Option("Token of the page's URL. Default: a random one.", ("--token",), "TEXT", PAGE_PANEL)
    ] = None
    person: Person = None
    options: ConditionerOptions = field(default_factory=dict)
    retarget: Retarget = True
    initial_frame: InitialFrame = None
    direction: Direction = None
    device: Device = "auto"
    precision: Precision = "auto"
    backend: Backend = "auto"
    provider: Provider = "auto"
    compile: Compile = False
