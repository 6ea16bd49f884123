"""Several videos in one command: results as they are finished, a table at the end, and the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from vid2vid_cli.commands import options
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.requests.batch import BatchRequest

if TYPE_CHECKING:
    from vid2vid_cli.pipelines.batch import PairResult
    from vid2vid_cli.terminal import Terminal

HEADER = ("input", "target", "output", "frames", "seconds", "state")


def print_batch_plan(request: BatchRequest, terminal: Terminal) -> None:
    """Print what would be rendered, for --dry-run. Raises the errors of `plan_pairs`."""
    from vid2vid_cli.engine.dry_run import DryRun
    from vid2vid_cli.pipelines.batch import plan_pairs

    pairs = plan_pairs(request, terminal.emit)
    rows = [("skipped" if pair.is_done else "video", f"{pair.source} as {pair.target}: {pair.path}") for pair in pairs]
    terminal.print_plan(DryRun(tuple(rows)))


def run_batch(request: BatchRequest, terminal: Terminal) -> None:
    """Render all pairs of a request. Raises typer.Exit with the code of the first failure."""
    from vid2vid_cli.pipelines.batch import PairResult, plan_pairs, render_pairs

    terminal.resume_command = options.command_line(add="--skip-done")
    pairs = plan_pairs(request, terminal.emit)
    results: list[PairResult] = []
    is_complete = False
    try:
        for result in render_pairs(pairs, keep_going=request.keep_going, emit=terminal.emit):
            results.append(result)
            terminal.print_batch_result(result.path, _to_json(result), result.error)
        is_complete = True
    finally:  # also after Ctrl-C
        for index, pair in enumerate(pairs[len(results) :]):
            results.append(PairResult(pair, "not started" if is_complete or index else "interrupted"))
        exit_code = next((result.error.exit_code for result in results if result.error is not None), 0)
        summary_fields: dict[str, object] = {"results": [_to_json(result) for result in results]}
        if is_complete:
            summary_fields["exit_code"] = exit_code
        terminal.print_batch_summary(_table(results), summary_fields)
    inspect_command = shell_command("vid2vid", "inspect", results[-1].path)
    reports = [result.report_path for result in results if result.report_path is not None]
    terminal.print_next(terminal.resume_command if exit_code else inspect_command, reports)
    if exit_code:
        raise typer.Exit(exit_code)


def _table(results: Sequence[PairResult]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [HEADER]
    for result in results:
        num_frames = "-" if result.result is None else str(result.result.num_frames)
        seconds = f"{result.elapsed_seconds:.1f}" if result.state in ("done", "failed") else "-"
        output = str(result.path) if result.state in ("done", "skipped") else "-"
        state = result.state if result.error is None else f"failed: {type(result.error).__name__}"
        rows.append((str(result.pair.source), str(result.pair.target), output, num_frames, seconds, state))
    return rows


def _to_json(result: PairResult) -> dict[str, object]:
    record: dict[str, object] = {
        "state": result.state,
        "source": str(result.pair.source),
        "target": str(result.pair.target),
        "path": str(result.path) if result.state in ("done", "skipped") else None,
        "num_frames": None,
        "elapsed_seconds": result.elapsed_seconds,
    }
    if result.result is not None:
        record |= options.render_summary(result.result, [])[2]
    if result.error is not None:
        record["error"] = {
            "error": type(result.error).__name__,
            "message": result.error.message,
            "hint": result.error.hint,
            "exit_code": result.error.exit_code,
        }
    return record
