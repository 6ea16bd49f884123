"""The help of every command, without heavy imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.cli_runner import CliRunner

from vid2vid_cli import __version__

# Not pydantic: Typer imports it.
HEAVY_MODULES = ("torch", "torchvision", "cv2", "numpy", "av", "mediapipe", "dlib", "safetensors")
MAIN_COMMANDS = (
    "prepare",
    "train",
    "synthesize",
    "transfer",
    "live",
    "evaluate",
    "predict",
    "adapt",
    "demo",
    "doctor",
    "inspect",
    "bench",
    "push",
    "pull",
)
COMMANDS = [
    [],
    *([name] for name in MAIN_COMMANDS),
    *(["presets", *more] for more in ([], ["list"], ["show"], ["copy"], ["validate"])),
    *(["import", *more] for more in ([], ["nvidia"])),
    *(["styles", *more] for more in ([], ["show"])),
    *(["plugins", *more] for more in ([], ["list"], ["show"], ["new"], ["test"])),
]


def test_help_and_lists_import_no_heavy_module(tmp_path: Path) -> None:
    command_lines = [
        *([*words, "--help"] for words in COMMANDS),
        ["presets", "list"],
        ["plugins", "list"],
        ["--version"],
    ]
    script = (
        "import sys, json\n"
        "from vid2vid_cli.cli import run_command_line\n"
        f"for words in {command_lines!r}:\n"
        "    code = run_command_line(words)\n"
        f"    heavy = [name for name in {HEAVY_MODULES!r} if name in sys.modules]\n"
        "    print(json.dumps([words, code, heavy]), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", script]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True, cwd=tmp_path)
    records = [json.loads(line) for line in completed.stderr.splitlines() if line.startswith("[")]
    assert records == [[words, 0, []] for words in command_lines]
    assert completed.stdout.count("Usage: vid2vid") == len(COMMANDS)


@pytest.mark.parametrize(
    ("command", "common_options"),
    [
        ("train", ["--preset", "--data", "--set", "--from", "--steps", "--max-time", "--resume", "--out"]),
        ("transfer", ["--target", "--out", "--device", "--overwrite", "--dry-run"]),
        ("synthesize", ["--split", "--out", "--device", "--overwrite", "--dry-run"]),
    ],
)
def test_help_common_options_are_on_first_screen(
    run_cli: CliRunner, monkeypatch: pytest.MonkeyPatch, command: str, common_options: list[str]
) -> None:
    result = run_cli(command, "-h", env={"COLUMNS": "100"})
    screen = "\n".join(result.stdout.splitlines()[:42]).replace(",", " ")
    assert [option for option in common_options if f" {option} " not in screen] == []
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_help_lists_no_options_without_effect(run_cli: CliRunner) -> None:
    assert {"--device", "--seed"} & set(run_cli("prepare", "-h").stdout.split()) == set()
    for command in ("transfer", "synthesize"):
        assert "--seed" not in run_cli(command, "-h").stdout.split()


def test_help_short_option_and_version(run_cli: CliRunner) -> None:
    assert run_cli("-h").stdout == run_cli("--help").stdout
    assert run_cli("--version").stdout == f"vid2vid {__version__}\n"


def test_cli_suggests_command_for_typo(run_cli: CliRunner) -> None:
    result = run_cli("prepaer")
    assert result.exit_code == 2
    assert "Did you mean prepare?" in result.stderr
