"""`vid2vid import nvidia` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.cli_runner import CliRunner
from helpers.nvidia_reference import ScaleGenerator, write_network


def test_import_nvidia_and_dry_run(run_cli: CliRunner, tmp_path: Path) -> None:
    folder, out = tmp_path / "pose_g1", tmp_path / "dancer.ckpt"
    write_network(ScaleGenerator(6), folder / "latest_net_G0.pth")
    args = ("import", "nvidia", str(folder), "--preset", "pose", "--out", str(out), "--size", "96x128")
    plan = run_cli(*args, "--dry-run")
    assert plan.exit_code == 0
    assert "96x128" in plan.stdout
    assert not out.exists()
    result = run_cli(*args, "--json")
    assert result.exit_code == 0
    payload = json.loads(result.stdout.splitlines()[-1])
    assert payload["path"] == str(out)
    assert payload["parameter_counts"] == {"latest_net_G0.pth": sum(p.numel() for p in ScaleGenerator(6).parameters())}
    inspect_result = run_cli("inspect", str(out))
    assert "CC BY-NC-SA" in inspect_result.stdout
    assert "densepose: 3 channels" in inspect_result.stdout


def test_import_nvidia_rejects_bad_arguments(run_cli: CliRunner, tmp_path: Path) -> None:
    assert run_cli("import", "nvidia", str(tmp_path), "--preset", "pose").exit_code == 10
    assert "1024x512" in run_cli("import", "nvidia", str(tmp_path), "--preset", "pose", "--size", "large").stderr
    assert run_cli("import", "nvidia", str(tmp_path)).exit_code == 2
