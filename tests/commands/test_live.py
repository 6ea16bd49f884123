"""`vid2vid live` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.cli_runner import CliRunner


def test_live_command_reports_a_missing_camera_and_transfer_names_live(
    run_cli: CliRunner, run_folder: Path, blob_video: Path
) -> None:
    result = run_cli("live", "--target", str(run_folder), "--source", "97", "--device", "cpu")
    assert result.exit_code == 19
    assert len([line for line in result.stderr.splitlines() if line.startswith("Error:")]) == 1
    result = run_cli("transfer", "0", "--target", str(run_folder))
    assert result.exit_code == 10
    assert "vid2vid live --source 0" in result.stderr
    options = ("--source", str(blob_video), "--loop", "--max-time", "1", "--json", "--device", "cpu")
    result = run_cli("live", "--target", str(run_folder), *options)
    record = json.loads(result.stdout.splitlines()[-1])
    assert record["path"].startswith("http://127.0.0.1:")
    assert record["num_shown"] > 0
    assert record["median_latency_ms"] > 0
