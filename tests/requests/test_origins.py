from __future__ import annotations

from pathlib import Path

from vid2vid_cli.requests.origins import option_rows
from vid2vid_cli.requests.render import StyleOptions, TransferRequest


def test_option_rows_name_what_was_chosen() -> None:
    request = TransferRequest(
        Path("a.mp4"), Path("b.ckpt"), style_options=StyleOptions(seed=3), options={"pose": {"x": "1"}}, command="c"
    )
    rows = {name: (value, origin) for name, value, origin in option_rows(request)}
    assert rows["source"] == ("a.mp4", "command line")
    assert rows["seed"] == ("3", "command line")
    assert rows["options"] == ("pose={'x': '1'}", "command line")
    assert rows["max frames"] == ("none", "default")
    assert rows["save"] == ("none", "default")
    assert "command" not in rows
