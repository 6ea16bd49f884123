"""Options, selection of the backend, and its classes; imports no network library."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from vid2vid_cli.conditioning import LabelClass, MissingWeightsError, Options, render_option
from vid2vid_segmentation.backend import Segmenter
from vid2vid_segmentation.classes import VOC_CLASS_NAMES, find_class_ids, numbered_classes, person_classes, voc_classes
from vid2vid_segmentation.deeplab import ModelName
from vid2vid_segmentation.weights import require_weights

BackendName = Literal["torchvision", "litert", "selfie"]
SUFFIX_BACKENDS: dict[str, BackendName] = {
    ".tflite": "litert",
    ".lite": "litert",
    ".pth": "torchvision",
    ".pt": "torchvision",
}


class SegmentationOptions(Options):
    """Options of the conditioner `segmentation`."""

    backend: Literal["auto", "torchvision", "litert", "selfie"] = Field(
        "auto",
        description="torchvision: DeepLabV3; litert: a TFLite file; selfie: a person mask for close-ups, without "
        "download; auto: by the suffix of weights, otherwise torchvision.",
    )
    weights: Path | None = Field(
        None,
        description="A .tflite file, or a .pth state dict of torchvision's DeepLabV3; null: torchvision's weights.",
    )
    model: ModelName = Field(
        "mobilenet", description="DeepLabV3 backbone to download; with weights, the file determines it."
    )
    num_classes: int = Field(
        len(VOC_CLASS_NAMES), ge=2, le=256, description="Number of classes of the weights; 21: Pascal VOC."
    )
    input_size: int = Field(
        520, ge=32, le=2160, description="Shorter side of the input of torchvision's networks, in pixels."
    )
    num_tiles: int = Field(
        1,
        ge=0,
        le=8,
        description="Tiles of a TFLite network along the shorter side; 0: the whole frame resized, fastest.",
    )
    mask_threshold: float = Field(
        0.5, gt=0, lt=1, description="Mask probability above which backend=selfie labels a pixel as person."
    )
    smoothing: float = Field(
        0.0,
        ge=0,
        le=0.95,
        description="Weight of the past frames, warped by optical flow, in each frame, such as 0.5; 0: none.",
    )
    batch_size: int | None = Field(
        None,
        ge=1,
        le=32,
        description="Frames per batch of torchvision's networks; null: 8 on a GPU, 1 on a CPU.",
    )
    classes_used: tuple[str, ...] = render_option(
        (), "Classes with a condition channel, such as person,car; others become background. Empty: all classes."
    )

    @field_validator("weights")
    @classmethod
    def _check_weights(cls, weights: Path | None, info: ValidationInfo) -> Path | None:
        backend = info.data.get("backend", "auto")
        if weights is None:
            return None
        suffix_backend = SUFFIX_BACKENDS.get(weights.suffix.lower())
        if backend == "selfie":
            raise ValueError("backend=selfie has its own model; do not set weights")
        if suffix_backend is None and backend == "auto":
            raise ValueError(f"weight files end in {', '.join(SUFFIX_BACKENDS)}; otherwise set backend")
        if suffix_backend is not None and backend not in ("auto", suffix_backend):
            raise ValueError(f"backend={backend} does not read {weights.suffix} files; use backend=auto")
        return weights

    @field_validator("classes_used", mode="before")
    @classmethod
    def _split_classes(cls, classes_used: Any) -> Any:
        return (
            tuple(name.strip() for name in classes_used.split(",") if name.strip())
            if isinstance(classes_used, str)
            else classes_used
        )

    @field_validator("classes_used")
    @classmethod
    def _check_classes(cls, classes_used: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        find_class_ids(
            _backend_classes(info.data.get("backend", "auto"), info.data.get("num_classes", len(VOC_CLASS_NAMES))),
            classes_used,
        )
        return classes_used


def resolve_backend(options: SegmentationOptions) -> BackendName:
    """Return the backend that the options select."""
    if options.backend != "auto":
        return options.backend
    return SUFFIX_BACKENDS[options.weights.suffix.lower()] if options.weights is not None else "torchvision"


def label_classes(options: SegmentationOptions) -> tuple[LabelClass, ...]:
    """Return the classes of the label maps."""
    return _backend_classes(options.backend, options.num_classes)


def _backend_classes(backend: str, num_classes: int) -> tuple[LabelClass, ...]:
    if backend == "selfie":
        return person_classes()
    return voc_classes() if num_classes == len(VOC_CLASS_NAMES) else numbered_classes(num_classes)


def open_segmenter(options: SegmentationOptions) -> Segmenter:
    """Load the network. Raises: MissingPackageError, MissingWeightsError."""
    backend = resolve_backend(options)
    if backend == "selfie":
        from vid2vid_segmentation.selfie import SelfieSegmenter

        return SelfieSegmenter(options.mask_threshold)
    if backend == "litert":
        from vid2vid_segmentation.tflite import TFLiteSegmenter

        return TFLiteSegmenter(_require_tflite_file(options.weights), options.num_classes, options.num_tiles)
    from vid2vid_segmentation.deeplab import DeepLabSegmenter

    return DeepLabSegmenter(
        options.model,
        options.weights,
        num_classes=options.num_classes,
        input_size=options.input_size,
        batch_size=options.batch_size,
    )


def _require_tflite_file(weights: Path | None) -> Path:
    if weights is None:
        raise MissingWeightsError(
            "segmentation.backend=litert needs a TFLite file, but segmentation.weights is not set.",
            "--conditioner-option segmentation.weights=FILE.tflite, such as TensorFlow's deeplabv3_257_mv_gpu.tflite",
        )
    return require_weights(weights)


def backend_version(backend: BackendName) -> str:
    """Return the version of a backend's library without importing it; "" if it is not installed."""
    try:
        return metadata.version(
            {"torchvision": "torchvision", "litert": "ai-edge-litert", "selfie": "mediapipe"}[backend]
        )
    except metadata.PackageNotFoundError:
        return ""
