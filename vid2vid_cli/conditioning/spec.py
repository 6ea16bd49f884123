"""The specification of a conditioner plugin, available without heavy imports."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vid2vid_cli.media.published_weights import WeightFile

__all__ = ["API_VERSION", "NAME_PATTERN", "ConditionerSpec", "Requirement", "WeightFile"]

NAME_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
"""Names of conditioners, points and images, which are names of files and folders in a dataset."""
FRAME_CONDITIONER = "none"
"""Name of the conditioner whose annotation is the frame itself; every dataset provides it, and none stores it."""
API_VERSION = 2
"""Version of the conditioner API; raised by incompatible changes."""


@dataclass(frozen=True)
class Requirement:
    """A package that `annotate` needs, and the command that installs it."""

    module: str
    install_command: str
    """The full command, such as `pip install "vid2vid-cli[landmarks]"`."""
    is_optional: bool = False
    """True if only one of several backends needs the package."""
    note: str = ""
    option: str = ""
    """The option that needs the package and can be turned off; "" if annotations need it whatever the options."""


@dataclass(frozen=True)
class ConditionerSpec:
    """Name, requirements and entry point of a conditioner; `implementation` is imported on first use."""

    name: str
    summary: str
    output: str
    """Kind of output: `points`, `labels` or `image`."""
    implementation: str
    """`module:Class` of the `Conditioner`."""
    requires: tuple[Requirement, ...] = ()
    weights: tuple[WeightFile, ...] = ()
    licence: str = "Apache-2.0"
    identifier: str = ""
    """`module:function` that returns an `Identifier`, or the pip command of what it lacks; "": there is none."""
    api_version: int = API_VERSION
