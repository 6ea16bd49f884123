"""The text of `doctor --report` for an issue: versions, platform, packages, devices and weights, without paths."""

from __future__ import annotations

import getpass
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from vid2vid_cli import __version__
from vid2vid_cli.conditioning.plugin_candidates import DISTRIBUTION_NAME
from vid2vid_cli.tools.doctor import DoctorCheck
from vid2vid_cli.tools.weights import ListedWeights

CORE_PACKAGES = ("torch", "numpy", "av", "opencv-python-headless", "pydantic", "safetensors", "PyYAML", "typer", "rich")
"""Listed if the requirements of the distribution are unknown, as in a checkout that is not installed."""
USER_NAME, PATH = "USER", "PATH"
"""What replaces the user's name and folders."""
MIN_NAME_LENGTH = 3
"""Shorter user names are not searched as words: `av` is also a package."""
_ABSOLUTE_PATH = re.compile(r"(?<![\w:/.~-])(?:[A-Za-z]:[\\/]|\\\\|/)[^\s,;:()'\"]*")


def format_report(checks: Sequence[DoctorCheck], weights: Sequence[ListedWeights]) -> str:
    """A block of text for an issue. It contains no user names and no paths, except for names of files."""
    lines = [
        f"vid2vid {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}",
        f"machine: {platform.machine()}, {os.cpu_count()} cores",
        f"packages: {', '.join(_iter_packages())}",
        f"weights: {', '.join(f'{item.file.name} {item.state}' for item in weights)}",
        "",
        *(
            f"[{check.status}] {check.name}: {check.detail}"
            for check in checks
            if not check.name.startswith("weights ")
        ),
    ]
    return "\n".join(["```text", *map(remove_personal_data, lines), "```"])


def remove_personal_data(text: str) -> str:
    """`text` with absolute paths reduced to PATH and the file's name, and without the name of the user."""
    roots = {Path.home(), Path.cwd(), Path(sys.prefix), Path(tempfile.gettempdir()), Path(__file__).parents[2]}
    for root in sorted(map(str, roots), key=len, reverse=True):
        if len(root) > 1:  # folder names may contain spaces, which the pattern does not know
            text = text.replace(root, "/_")
    text = _ABSOLUTE_PATH.sub(_shorten_path, text)
    for name in filter(None, {_user_name(), Path.home().name, platform.node()}):
        if len(name) >= MIN_NAME_LENGTH:
            text = re.sub(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])", USER_NAME, text)
    return text


def _shorten_path(match: re.Match[str]) -> str:
    name = re.split(r"[\\/]", match[0].rstrip("/\\"))[-1]
    return f"{PATH}/{name}" if name not in ("", "_") else PATH


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container without a name for the user
        return ""


def _iter_packages() -> Iterator[str]:
    """`name version` of each requirement, also of the extras, that is installed."""
    try:
        requirements = metadata.requires(DISTRIBUTION_NAME) or []
    except metadata.PackageNotFoundError:
        requirements = []
    names = [re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in requirements]
    for name in dict.fromkeys(name for name in names or CORE_PACKAGES if name != DISTRIBUTION_NAME):
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
