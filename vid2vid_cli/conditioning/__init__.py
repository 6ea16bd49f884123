"""The plugin API: all names that a conditioner plugin may import. Heavy modules are imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vid2vid_cli.conditioning.spec import (
    API_VERSION,
    FRAME_CONDITIONER,
    ConditionerSpec,
    Requirement,
    WeightFile,
)

if TYPE_CHECKING:
    from vid2vid_cli.conditioning.align_images import align_to_frames, view_to_frames
    from vid2vid_cli.conditioning.boxes import bounding_box, iou, square_around
    from vid2vid_cli.conditioning.conditioner import (
        Annotation,
        ConditionArray,
        Conditioner,
        LabelClass,
        Statistics,
        SubjectImage,
    )
    from vid2vid_cli.conditioning.frame_condition import frame_annotation
    from vid2vid_cli.conditioning.frame_pairing import FramePairing, pair_with_frames
    from vid2vid_cli.conditioning.identifier import Identifier
    from vid2vid_cli.conditioning.onnx import create_onnx_session
    from vid2vid_cli.conditioning.options import Options, input_path_option, render_option
    from vid2vid_cli.conditioning.person import PersonOption
    from vid2vid_cli.conditioning.requirements import load_bundled_weights
    from vid2vid_cli.conditioning.stderr_filter import suppress_stderr
    from vid2vid_cli.conditioning.subsampling import empty_annotation, subsample
    from vid2vid_cli.conditioning.tflite import create_tflite_interpreter
    from vid2vid_cli.conditioning.tracking import Tracker
    from vid2vid_cli.conditioning.video_context import VideoContext
    from vid2vid_cli.conditioning.video_frame import VideoFrame, detect_cuts
    from vid2vid_cli.core.errors import (
        InputFileMismatchError,
        LabelFileError,
        MissingFileError,
        MissingPackageError,
        MissingWeightsError,
    )
    from vid2vid_cli.core.geometry import FloatArray, UInt8Array, View
    from vid2vid_cli.core.parsing import parse_json, parse_yaml
    from vid2vid_cli.core.paths import expand_home
    from vid2vid_cli.media.files import sha256_of_files
    from vid2vid_cli.media.images import view_image
    from vid2vid_cli.media.label_images import LabelImage, list_label_files, load_label_image, palette
    from vid2vid_cli.media.published_weights import (
        check_weight_file,
        fetch_weight_file,
        torch_cache_dir,
        weight_file_sha256,
    )
    from vid2vid_cli.media.reader import VideoReader

_LAZY_IMPORTS = {
    "Annotation": "vid2vid_cli.conditioning.conditioner",
    "ConditionArray": "vid2vid_cli.conditioning.conditioner",
    "Conditioner": "vid2vid_cli.conditioning.conditioner",
    "FloatArray": "vid2vid_cli.core.geometry",
    "FramePairing": "vid2vid_cli.conditioning.frame_pairing",
    "InputFileMismatchError": "vid2vid_cli.core.errors",
    "Identifier": "vid2vid_cli.conditioning.identifier",
    "LabelClass": "vid2vid_cli.conditioning.conditioner",
    "LabelFileError": "vid2vid_cli.core.errors",
    "LabelImage": "vid2vid_cli.media.label_images",
    "MissingFileError": "vid2vid_cli.core.errors",
    "MissingPackageError": "vid2vid_cli.core.errors",
    "MissingWeightsError": "vid2vid_cli.core.errors",
    "Options": "vid2vid_cli.conditioning.options",
    "PersonOption": "vid2vid_cli.conditioning.person",
    "Statistics": "vid2vid_cli.conditioning.conditioner",
    "SubjectImage": "vid2vid_cli.conditioning.conditioner",
    "Tracker": "vid2vid_cli.conditioning.tracking",
    "UInt8Array": "vid2vid_cli.core.geometry",
    "VideoContext": "vid2vid_cli.conditioning.video_context",
    "VideoFrame": "vid2vid_cli.conditioning.video_frame",
    "VideoReader": "vid2vid_cli.media.reader",
    "View": "vid2vid_cli.core.geometry",
    "align_to_frames": "vid2vid_cli.conditioning.align_images",
    "bounding_box": "vid2vid_cli.conditioning.boxes",
    "check_weight_file": "vid2vid_cli.media.published_weights",
    "detect_cuts": "vid2vid_cli.conditioning.video_frame",
    "empty_annotation": "vid2vid_cli.conditioning.subsampling",
    "expand_home": "vid2vid_cli.core.paths",
    "fetch_weight_file": "vid2vid_cli.media.published_weights",
    "frame_annotation": "vid2vid_cli.conditioning.frame_condition",
    "input_path_option": "vid2vid_cli.conditioning.options",
    "iou": "vid2vid_cli.conditioning.boxes",
    "list_label_files": "vid2vid_cli.media.label_images",
    "load_bundled_weights": "vid2vid_cli.conditioning.requirements",
    "load_label_image": "vid2vid_cli.media.label_images",
    "pair_with_frames": "vid2vid_cli.conditioning.frame_pairing",
    "palette": "vid2vid_cli.media.label_images",
    "parse_json": "vid2vid_cli.core.parsing",
    "parse_yaml": "vid2vid_cli.core.parsing",
    "render_option": "vid2vid_cli.conditioning.options",
    "sha256_of_files": "vid2vid_cli.media.files",
    "square_around": "vid2vid_cli.conditioning.boxes",
    "subsample": "vid2vid_cli.conditioning.subsampling",
    "suppress_stderr": "vid2vid_cli.conditioning.stderr_filter",
    "torch_cache_dir": "vid2vid_cli.media.published_weights",
    "create_onnx_session": "vid2vid_cli.conditioning.onnx",
    "create_tflite_interpreter": "vid2vid_cli.conditioning.tflite",
    "view_image": "vid2vid_cli.media.images",
    "view_to_frames": "vid2vid_cli.conditioning.align_images",
    "weight_file_sha256": "vid2vid_cli.media.published_weights",
}

__all__ = [
    "API_VERSION",
    "FRAME_CONDITIONER",
    "Annotation",
    "ConditionArray",
    "Conditioner",
    "ConditionerSpec",
    "FloatArray",
    "FramePairing",
    "Identifier",
    "InputFileMismatchError",
    "LabelClass",
    "LabelFileError",
    "LabelImage",
    "MissingFileError",
    "MissingPackageError",
    "MissingWeightsError",
    "Options",
    "PersonOption",
    "Requirement",
    "Statistics",
    "SubjectImage",
    "Tracker",
    "UInt8Array",
    "VideoContext",
    "VideoFrame",
    "VideoReader",
    "View",
    "WeightFile",
    "align_to_frames",
    "bounding_box",
    "check_weight_file",
    "create_onnx_session",
    "create_tflite_interpreter",
    "detect_cuts",
    "empty_annotation",
    "expand_home",
    "fetch_weight_file",
    "frame_annotation",
    "input_path_option",
    "iou",
    "list_label_files",
    "load_bundled_weights",
    "load_label_image",
    "pair_with_frames",
    "palette",
    "parse_json",
    "parse_yaml",
    "render_option",
    "sha256_of_files",
    "square_around",
    "subsample",
    "suppress_stderr",
    "torch_cache_dir",
    "view_image",
    "view_to_frames",
    "weight_file_sha256",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY_IMPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY_IMPORTS[name]), name)
