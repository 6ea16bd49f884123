"""The family and the first frame on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.cli_runner import Vid2Vid


def test_a_recipe_over_a_preset_is_planned(vid2vid: Vid2Vid, dataset: Path) -> None:
    words = ("train", "--data", str(dataset), "--device", "cpu", "--dry-run", "--json")
    for model, kind in (("pix2pix", "unet"), ("pix2pixhd", "composite")):
        done = vid2vid(*words, "--preset", "tiny", "--set", f"model={model}", "--set", "data.size=32")
        assert done.code == 0, done.err
        assert json.loads(done.out)["plan"]["generator"].startswith(f"{kind}, ")
    done = vid2vid(*words, "--preset", "fast", "--set", "data.size=32")
    assert json.loads(done.out)["plan"]["generator"].startswith("fast, ")
    done = vid2vid(*words, "--set", "model=pix2pix", "--set", "generator.blocks=9")
    assert (done.code, "generator.blocks: a unet generator has no such thing (from --set)." in done.err) == (21, True)
    assert "pix2pix" not in vid2vid("presets", "list").out


def test_what_is_begun_with_is_said(vid2vid: Vid2Vid, run_folder: Path, dataset: Path) -> None:
    words = ("synthesize", str(run_folder), str(dataset))
    done = vid2vid(*words, "--first", "real", "--dry-run", "--json")
    assert json.loads(done.out)["plan"]["begins with"] == "the first real frame"
    done = vid2vid("evaluate", str(run_folder), str(dataset), "--first", "none.png", "--device", "cpu")
    assert (done.code, "--first none.png: there is no such file." in done.err) == (10, True)
    done = vid2vid(*words, "--first", str(run_folder), "--dry-run")
    assert "sees frames before, so it cannot draw the first" in done.err
