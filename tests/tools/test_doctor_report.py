"""The text of `doctor --report`."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from vid2vid_cli.conditioning.spec import WeightFile
from vid2vid_cli.tools.doctor import DoctorCheck
from vid2vid_cli.tools.doctor_report import format_report, remove_personal_data
from vid2vid_cli.tools.weights import ListedWeights


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "Ann Example"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(getpass, "getuser", lambda: "annex")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/annex/models/vgg19.pth is damaged", "PATH/vgg19.pth is damaged"),
        ("cannot open (/srv/data/a.mp4): denied", "cannot open (PATH/a.mp4): denied"),
        (r"C:\Users\annex\x.pth", "PATH/x.pth"),
        ("started by annex on it", "started by USER on it"),
        ("annexation of 3/4, 12 MB/s", "annexation of 3/4, 12 MB/s"),
        ("see https://example.com/a/b.pth", "see https://example.com/a/b.pth"),
        ("pip install 'vid2vid-cli[pose]'", "pip install 'vid2vid-cli[pose]'"),
        ("/home/annex", "PATH/USER"),
    ],
)
def test_remove_personal_data(text: str, expected: str) -> None:
    assert remove_personal_data(text) == expected


def test_remove_personal_data_knows_folders_with_spaces() -> None:
    assert remove_personal_data(f"{Path.home()}/models/a.pth and {Path.home()}") == "PATH/a.pth and PATH"
    assert remove_personal_data(f"{Path.cwd()}/a.pth") == "PATH/a.pth"


def test_format_report_contains_versions_checks_and_weights() -> None:
    checks = [
        DoctorCheck("torch", "ok", "2.9; cpu (2 threads)"),
        DoctorCheck("memory", "warning", "/home/annex/swap is small"),
    ]
    file = WeightFile("a.pth", 1000, "0" * 64, "Apache-2.0", "somewhere")
    weights = [ListedWeights(file=file, used_by="pose", path=Path.home() / "a.pth", state="present")]
    lines = format_report(checks, weights).splitlines()
    assert (lines[0], lines[-1]) == ("```text", "```")
    assert lines[1].startswith("vid2vid ")
    assert any(line.startswith("packages: ") and "numpy " in line for line in lines)
    assert "weights: a.pth present" in lines
    assert lines[-3:-1] == ["[ok] torch: 2.9; cpu (2 threads)", "[warning] memory: PATH/swap is small"]
