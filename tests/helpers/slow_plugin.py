"""A slow conditioner for commands that run in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

SLOW_PLUGIN = """
import time
from vid2vid_edges.conditioner import Edges
from vid2vid_cli.conditioning import ConditionerSpec

SPEC = ConditionerSpec("slow", "edges, slowly", "image", "slow_plugin:Slow")

class Slow(Edges):
    spec = SPEC
    def annotate(self, frames):
        for annotation in super().annotate(frames):
            time.sleep(0.3)
            yield annotation
"""


def add_slow_plugin(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str = SLOW_PLUGIN) -> None:
    """Make `code` the conditioner `slow` of all processes; modules in the working folder are not imported."""
    (folder / "plugins").mkdir()
    (folder / "plugins" / "slow_plugin.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder / "plugins"))
    monkeypatch.setenv("VID2VID_PLUGINS", "slow=slow_plugin:SPEC")
