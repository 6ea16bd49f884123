"""Model variants and initial frames on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.cli_runner import CliRunner


def test_train_plans_model_variant_over_preset(run_cli: CliRunner, dataset: Path) -> None:
    args = ("train", "--data", str(dataset), "--device", "cpu", "--dry-run", "--json")
    for model, kind in (("pix2pix", "unet"), ("pix2pixhd", "composite")):
        result = run_cli(*args, "--preset", "tiny", "--set", f"model={model}", "--set", "data.height=48")
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["plan"]["generator"].startswith(f"{kind}, ")
    result = run_cli(*args, "--preset", "fast", "--set", "data.height=48")
    assert json.loads(result.stdout)["plan"]["generator"].startswith("fast, ")
    result = run_cli(*args, "--set", "model=pix2pix", "--set", "generator.num_res_blocks=9")
    assert result.exit_code == 21
    assert "generator.num_res_blocks" in result.stderr
    assert "pix2pix" not in run_cli("presets", "list").stdout


def test_synthesize_plan_shows_initial_frame(run_cli: CliRunner, run_folder: Path, dataset: Path) -> None:
    args = ("synthesize", str(run_folder), str(dataset))
    result = run_cli(*args, "--initial-frame", "real", "--dry-run", "--json")
    assert json.loads(result.stdout)["plan"]["initial frame"] == "real"
    result = run_cli("evaluate", str(run_folder), str(dataset), "--initial-frame", "none.png", "--device", "cpu")
    assert (result.exit_code, "none.png" in result.stderr) == (10, True)
    result = run_cli(*args, "--initial-frame", str(run_folder), "--dry-run")
    assert "past_frames" in result.stderr
