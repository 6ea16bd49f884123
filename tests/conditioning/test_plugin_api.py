"""The names that `vid2vid_cli.conditioning` exports to plugins."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vid2vid_cli import conditioning


@pytest.mark.parametrize("name", conditioning.__all__)
def test_plugin_api_exports_every_name(name: str) -> None:
    assert getattr(conditioning, name) is not None


def test_plugin_api_lazy_imports_match_all() -> None:
    light_names = {"API_VERSION", "FRAME_CONDITIONER", "ConditionerSpec", "Requirement", "WeightFile"}
    assert light_names | set(conditioning._LAZY_IMPORTS) == set(conditioning.__all__)
    assert len(set(conditioning.__all__)) == len(conditioning.__all__)


def test_plugin_api_rejects_unknown_names() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = conditioning.no_such_name


def test_plugin_api_imports_no_heavy_library() -> None:
    code = "import sys, vid2vid_cli.conditioning; print([m for m in ('numpy', 'cv2', 'pydantic') if m in sys.modules])"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "[]"
