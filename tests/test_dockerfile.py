"""The Dockerfile: what it copies suffices for the wheel, and it installs what the README says. Docker is not needed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
DOCKERFILE = REPO / "docs" / "docker" / "Dockerfile"
INSTRUCTIONS = {"FROM", "ARG", "RUN", "WORKDIR", "COPY", "ENV", "ENTRYPOINT", "CMD"}


def read_instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) of the file, with the defaults of its ARGs in place of their names."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    instructions = [(name, arguments) for name, _, arguments in (line.partition(" ") for line in lines)]
    defaults = dict(arguments.split("=", 1) for name, arguments in instructions if name == "ARG")
    return [
        (name, re.sub(r"\$\{(\w+)\}", lambda match: defaults[match[1]], arguments)) for name, arguments in instructions
    ]


def copied_sources() -> list[str]:
    return [source for name, arguments in read_instructions() if name == "COPY" for source in arguments.split()[:-1]]


def test_dockerfile_has_only_known_instructions_and_one_base() -> None:
    names = [name for name, _ in read_instructions()]
    assert set(names) <= INSTRUCTIONS
    assert names.count("FROM") == names.count("ENTRYPOINT") == 1
    assert names[0] == "FROM"
    base = dict(read_instructions())["FROM"]
    minor = int(re.fullmatch(r"python:3\.(\d+)-slim", base)[1])  # type: ignore[index]
    assert 10 <= minor < 14


def test_dockerfile_has_no_warnings_of_hadolint() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    completed = subprocess.run([hadolint, "--no-color", str(DOCKERFILE)], capture_output=True, text=True, timeout=60)
    assert (completed.returncode, completed.stdout) == (0, "")


def test_dockerfile_installs_as_the_readme_does() -> None:
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    (argument,) = set(re.findall(r'pip install ("\.\[[a-z]+\]") &&', readme))
    commands = [arguments for name, arguments in read_instructions() if name == "RUN"]
    assert sum(f"pip install --no-cache-dir {argument}" in command for command in commands) == 1
    assert all(shlex.split(command) for command in commands)
    assert any("download.pytorch.org/whl/cpu" in command for command in commands)


def test_dockerfile_copies_what_the_wheel_needs(tmp_path: Path) -> None:
    builders = pytest.importorskip("hatchling.builders.wheel")
    ignored = (DOCKERFILE.with_name("Dockerfile.dockerignore")).read_text(encoding="utf-8").splitlines()
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == set(copied_sources())
    for source in copied_sources():
        if (REPO / source).is_dir():
            shutil.copytree(REPO / source, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(REPO / source, tmp_path / source)
    wheel = next(iter(builders.WheelBuilder(str(tmp_path)).build(directory=str(tmp_path / "wheel"))))
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder, prefix in (("vid2vid_cli", "vid2vid_cli/"), ("plugins", ""), ("presets", "vid2vid_cli/presets/")):
        files = {path for path in (REPO / folder).rglob("*") if path.is_file() and path.suffix not in (".pyc", ".md")}
        assert {f"{prefix}{path.relative_to(REPO / folder).as_posix()}" for path in files} <= names
