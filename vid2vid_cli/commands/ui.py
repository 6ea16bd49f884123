"""`vid2vid ui`: a page that shows a project folder and starts commands in it."""

from __future__ import annotations

from vid2vid_cli.commands import options
from vid2vid_cli.commands.request_options import expand_request
from vid2vid_cli.requests.ui import UiRequest


@expand_request
def ui(request: UiRequest, json: options.Json = False) -> None:
    """Show a project folder on a page of this machine, and prepare, train and transfer from there, until Ctrl-C.

    The page shows every command line that it runs. Only this machine can open it, with the token in the printed URL.

    Examples:
      vid2vid ui
      vid2vid ui --no-open --port 8700 project/
    """
    from vid2vid_cli.pipelines import ui as pipeline
    from vid2vid_cli.terminal import Terminal

    with Terminal("ui", as_json=json) as terminal:
        result = pipeline.ui(request, terminal.emit)
        terminal.print_result(
            result.url, f"Commands started: {result.num_commands}", "", {"num_commands": result.num_commands}
        )
