"""Shell completion of values."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY_MODULES = ("torch", "numpy", "av", "cv2", "mediapipe")
SCRIPT = f"""
import sys
from vid2vid_cli.__main__ import main
try:
    main()
finally:
    loaded = [name for name in {HEAVY_MODULES} if name in sys.modules]
    sys.stderr.write(f"heavy: {{loaded}}")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two datasets, an unfinished one, and a run."""
    for name in ("datasets/ann/dataset.json", "datasets/bob/dataset.json", "datasets/c.part/x", "runs/ann/config.yaml"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("vid2vid train --preset fac", ["face", "face_512"]),
        ("vid2vid presets show tin", ["tiny"]),
        ("vid2vid prepare -c land", ["landmarks"]),
        ("vid2vid plugins show ed", ["edges"]),
        ("vid2vid train --data ", ["datasets/ann", "datasets/bob"]),
        ("vid2vid train --resume ", ["runs/ann"]),
        ("vid2vid transfer a.mp4 --target r", ["runs/ann"]),
        ("vid2vid evaluate runs/ann datasets/b", ["datasets/bob"]),
        ("vid2vid inspect ", ["datasets/ann", "datasets/bob", "runs/ann"]),
        ("vid2vid train --preset zzz", []),
    ],
)
def test_completion_lists_values_and_imports_nothing_heavy(project: Path, line: str, values: list[str]) -> None:
    env = os.environ | {
        "_VID2VID_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=project, env=env, capture_output=True, text=True, check=False
    )
    assert result.stdout.split() == values
    assert result.stderr.endswith("heavy: []")
