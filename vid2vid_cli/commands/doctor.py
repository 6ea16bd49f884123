"""`vid2vid doctor`: does everything work on this machine."""

from __future__ import annotations

import typer

from vid2vid_cli.commands import options

MARKS = {"ok": "ok", "absent": "-", "warning": "!", "failed": "FAILED"}


def doctor(json: options.Json = False) -> None:
    """Check Python, torch, codecs, plugins, presets, disk and memory, each with its remedy.

    Exit code 0 if the core works; plugins whose library is absent are only listed.

    Example: vid2vid doctor
    """
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.doctor import diagnose

    with Terminal("doctor", as_json=json) as terminal:
        checks = diagnose()
        failed = [check for check in checks if check.status == "failed"]
        rows = [(MARKS[check.status], check.name, check.detail, check.remedy) for check in checks]
        terminal.rows(rows, {"ok": not failed, "checks": [check.to_json() for check in checks]})
        if failed:
            raise typer.Exit(1)
        terminal.next("vid2vid demo")
