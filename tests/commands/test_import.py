"""`vid2vid import nvidia` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.cli_runner import Vid2Vid
from helpers.nvidia_reference import Scale, written


def test_import_and_its_plan(vid2vid: Vid2Vid, tmp_path: Path) -> None:
    folder, out = tmp_path / "pose_g1", tmp_path / "dancer.ckpt"
    written(Scale(6), folder / "latest_net_G0.pth")
    words = ("import", "nvidia", str(folder), "--preset", "pose", "--out", str(out), "--size", "96x128")
    plan = vid2vid(*words, "--dry-run")
    assert plan.code == 0
    assert "96x128" in plan.out
    assert not out.exists()
    done = vid2vid(*words, "--json")
    assert done.code == 0
    made = json.loads(done.out.splitlines()[-1])
    assert made["path"] == str(out)
    assert made["weights"] == {"latest_net_G0.pth": sum(p.numel() for p in Scale(6).parameters())}
    shown = vid2vid("inspect", str(out))
    assert "CC BY-NC-SA" in shown.out
    assert "densepose: 3 channels" in shown.out


def test_what_is_typed_wrongly(vid2vid: Vid2Vid, tmp_path: Path) -> None:
    assert vid2vid("import", "nvidia", str(tmp_path), "--preset", "pose").code == 10
    assert "1024x512" in vid2vid("import", "nvidia", str(tmp_path), "--preset", "pose", "--size", "large").err
    assert vid2vid("import", "nvidia", str(tmp_path)).code == 2
