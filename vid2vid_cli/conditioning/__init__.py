"""The plugin door: everything a conditioner plugin may import. Heavy names are resolved on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vid2vid_cli.conditioning.spec import API, ConditionerSpec, Requirement, WeightFile

if TYPE_CHECKING:
    from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner, Options, Statistics, nothing
    from vid2vid_cli.core.errors import MissingPackageError, MissingWeightsError
    from vid2vid_cli.core.geometry import Bytes, Floats, View
    from vid2vid_cli.media.images import view_image

_LATE = {
    "Annotation": "vid2vid_cli.conditioning.conditioner",
    "Conditioner": "vid2vid_cli.conditioning.conditioner",
    "Options": "vid2vid_cli.conditioning.conditioner",
    "Statistics": "vid2vid_cli.conditioning.conditioner",
    "nothing": "vid2vid_cli.conditioning.conditioner",
    "MissingPackageError": "vid2vid_cli.core.errors",
    "MissingWeightsError": "vid2vid_cli.core.errors",
    "Bytes": "vid2vid_cli.core.geometry",
    "Floats": "vid2vid_cli.core.geometry",
    "View": "vid2vid_cli.core.geometry",
    "view_image": "vid2vid_cli.media.images",
}

__all__ = [
    "API",
    "Annotation",
    "Bytes",
    "Conditioner",
    "ConditionerSpec",
    "Floats",
    "MissingPackageError",
    "MissingWeightsError",
    "Options",
    "Requirement",
    "Statistics",
    "View",
    "WeightFile",
    "nothing",
    "view_image",
]


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
