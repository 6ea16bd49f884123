"""The plugin door: everything a conditioner plugin may import. Heavy names are resolved on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vid2vid_cli.conditioning.spec import API, ConditionerSpec, Requirement, WeightFile

if TYPE_CHECKING:
    from vid2vid_cli.conditioning.align_images import check_count, placed
    from vid2vid_cli.conditioning.boxes import around, bounds, overlap
    from vid2vid_cli.conditioning.conditioner import (
        Annotation,
        Channels,
        Conditioner,
        LabelClass,
        Options,
        Statistics,
        drawing_option,
        files_option,
        nothing,
    )
    from vid2vid_cli.conditioning.person import Person
    from vid2vid_cli.conditioning.stderr_filter import quietly
    from vid2vid_cli.conditioning.subsample import spread
    from vid2vid_cli.conditioning.tracking import Tracker
    from vid2vid_cli.conditioning.video_context import Footage
    from vid2vid_cli.conditioning.weights import own_weights
    from vid2vid_cli.core.errors import (
        FilesMismatchError,
        LabelFilesError,
        MissingFileError,
        MissingPackageError,
        MissingWeightsError,
    )
    from vid2vid_cli.core.geometry import Bytes, Floats, View
    from vid2vid_cli.media.files import digest_of
    from vid2vid_cli.media.images import view_image
    from vid2vid_cli.media.label_png import label_files, palette, read_labels
    from vid2vid_cli.media.reader import VideoReader
    from vid2vid_cli.media.shot_detection import CutDetector

_CONDITIONER = "vid2vid_cli.conditioning.conditioner"
_ERRORS = "vid2vid_cli.core.errors"
_GEOMETRY = "vid2vid_cli.core.geometry"
_LATE = {
    "Annotation": _CONDITIONER,
    "Bytes": _GEOMETRY,
    "Channels": _CONDITIONER,
    "Conditioner": _CONDITIONER,
    "CutDetector": "vid2vid_cli.media.shot_detection",
    "FilesMismatchError": _ERRORS,
    "Floats": _GEOMETRY,
    "Footage": "vid2vid_cli.conditioning.video_context",
    "LabelClass": _CONDITIONER,
    "LabelFilesError": _ERRORS,
    "MissingFileError": _ERRORS,
    "MissingPackageError": _ERRORS,
    "MissingWeightsError": _ERRORS,
    "Options": _CONDITIONER,
    "Person": "vid2vid_cli.conditioning.person",
    "Statistics": _CONDITIONER,
    "Tracker": "vid2vid_cli.conditioning.tracking",
    "VideoReader": "vid2vid_cli.media.reader",
    "View": _GEOMETRY,
    "around": "vid2vid_cli.conditioning.boxes",
    "bounds": "vid2vid_cli.conditioning.boxes",
    "check_count": "vid2vid_cli.conditioning.align_images",
    "digest_of": "vid2vid_cli.media.files",
    "drawing_option": _CONDITIONER,
    "files_option": _CONDITIONER,
    "label_files": "vid2vid_cli.media.label_png",
    "nothing": _CONDITIONER,
    "overlap": "vid2vid_cli.conditioning.boxes",
    "own_weights": "vid2vid_cli.conditioning.weights",
    "palette": "vid2vid_cli.media.label_png",
    "placed": "vid2vid_cli.conditioning.align_images",
    "quietly": "vid2vid_cli.conditioning.stderr_filter",
    "read_labels": "vid2vid_cli.media.label_png",
    "spread": "vid2vid_cli.conditioning.subsample",
    "view_image": "vid2vid_cli.media.images",
}

__all__ = [
    "API",
    "Annotation",
    "Bytes",
    "Channels",
    "Conditioner",
    "ConditionerSpec",
    "CutDetector",
    "FilesMismatchError",
    "Floats",
    "Footage",
    "LabelClass",
    "LabelFilesError",
    "MissingFileError",
    "MissingPackageError",
    "MissingWeightsError",
    "Options",
    "Person",
    "Requirement",
    "Statistics",
    "Tracker",
    "VideoReader",
    "View",
    "WeightFile",
    "around",
    "bounds",
    "check_count",
    "digest_of",
    "drawing_option",
    "files_option",
    "label_files",
    "nothing",
    "overlap",
    "own_weights",
    "palette",
    "placed",
    "quietly",
    "read_labels",
    "spread",
    "view_image",
]


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
