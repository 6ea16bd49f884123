"""What a conditioner says about itself before anything heavy is imported. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

API = 1
"""The version of the conditioner contract; raised when it changes incompatibly."""


@dataclass(frozen=True)
class Requirement:
    """A package that `annotate` needs: what to import, and what to type to install it."""

    module: str
    install: str
    """The exact command, such as `pip install "vid2vid-cli[landmarks]"`."""
    optional: bool = False
    """True where the conditioner has another way, and only one of its backends needs this."""
    note: str = ""


@dataclass(frozen=True)
class WeightFile:
    """A file of weights: where it lies or how to get it, and how to know it is the right one."""

    name: str
    sha256: str
    """64 hex digits; of a file from torch's hub, of which no more is published, those in its name."""
    size: int
    """Bytes, to three digits at least."""
    licence: str
    source: str
    """For people: where it comes from and how to get it by hand."""


@dataclass(frozen=True)
class ConditionerSpec:
    """The light face of a conditioner plugin; `implementation` is imported only when it is used."""

    name: str
    summary: str
    output: str
    """What it yields, for people: `points`, `labels`, `drawing`."""
    implementation: str
    """`module:Class` of the `Conditioner`."""
    requires: tuple[Requirement, ...] = ()
    weights: tuple[WeightFile, ...] = ()
    licence: str = "Apache-2.0"
    api: int = API
