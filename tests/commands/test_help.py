"""Help is quick, light, and there for every command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from helpers.cli_runner import Vid2Vid

from vid2vid_cli import __version__

# Not pydantic: Typer itself imports it to read the words of a subcommand.
HEAVY = ("torch", "torchvision", "cv2", "numpy", "av", "mediapipe", "dlib", "safetensors")
COMMANDS = [
    [],
    *([name] for name in ("prepare", "train", "synthesize", "transfer", "evaluate", "demo", "doctor", "inspect")),
    *(["presets", *more] for more in ([], ["list"], ["show"], ["copy"], ["validate"])),
    *(["import", *more] for more in ([], ["nvidia"])),
    *(["styles", *more] for more in ([], ["show"])),
    *(["plugins", *more] for more in ([], ["list"], ["show"], ["new"], ["test"])),
]


def test_help_and_lists_import_nothing_heavy(tmp_path: Path) -> None:
    lines = [*([*words, "--help"] for words in COMMANDS), ["presets", "list"], ["plugins", "list"], ["--version"]]
    script = (
        "import sys, json\n"
        "from vid2vid_cli.cli import run\n"
        f"for words in {lines!r}:\n"
        "    code = run(words)\n"
        f"    heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    print(json.dumps([words, code, heavy]), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True, cwd=tmp_path)
    told = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("[")]
    assert told == [[words, 0, []] for words in lines]
    assert done.stdout.count("Usage: vid2vid") == len(COMMANDS)


def test_short_help_and_version(vid2vid: Vid2Vid) -> None:
    assert vid2vid("-h").out == vid2vid("--help").out
    assert vid2vid("--version").out == f"vid2vid {__version__}\n"


def test_a_misspelt_command_is_recognised(vid2vid: Vid2Vid) -> None:
    done = vid2vid("prepaer")
    assert done.code == 2
    assert "Did you mean 'prepare'?" in done.err
