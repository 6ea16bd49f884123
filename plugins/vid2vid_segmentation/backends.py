"""The options, which network they mean, and its classes; decided without importing any library."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from vid2vid_cli.conditioning import LabelClass, MissingWeightsError, Options, drawing_option
from vid2vid_segmentation.backend import Segmenter
from vid2vid_segmentation.classes import VOC, chosen, numbered_classes, person_classes, voc_classes
from vid2vid_segmentation.deeplab import Model
from vid2vid_segmentation.weights import given

Kind = Literal["torchvision", "litert", "person"]
SUFFIXES: dict[str, Kind] = {".tflite": "litert", ".lite": "litert", ".pth": "torchvision", ".pt": "torchvision"}


class SegmentationOptions(Options):
    """What can be set with `--option segmentation.…`."""

    backend: Literal["auto", "torchvision", "litert", "person"] = Field(
        "auto",
        description="torchvision: DeepLabV3; litert: a TFLite file; person: a mask for close-ups, without download; "
        "auto: as the ending of weights says, otherwise torchvision.",
    )
    weights: Path | None = Field(
        None,
        description="A .tflite file, or a .pth of torchvision's layout; without it torchvision's own, downloaded once.",
    )
    model: Model = Field(
        "mobilenet", description="Which of torchvision's DeepLabV3 to download; a file says by itself."
    )
    classes: int = Field(len(VOC), ge=2, le=256, description="How many classes your weights know; 21: Pascal VOC.")
    size: int = Field(520, ge=32, le=2160, description="Shorter side in pixels at which torchvision's networks look.")
    tiles: int = Field(
        1, ge=0, le=8, description="Windows of a TFLite network along the shorter side; 0: one squeezed view, fastest."
    )
    threshold: float = Field(0.5, gt=0, lt=1, description="Above this the mask of backend=person counts as person.")
    smooth: float = Field(
        0.0,
        ge=0,
        le=0.95,
        description="Share of the past, carried along the motion, in each frame, such as 0.5; 0: none.",
    )
    batch: int | None = Field(
        None,
        ge=1,
        le=32,
        description="Frames that torchvision's networks take at a time; null: 8 on a GPU, 1 on a CPU, where more is no "
        "faster.",
    )
    keep: tuple[str, ...] = drawing_option(
        (), "Classes that get a channel, such as person,car; all else is background. Empty: every class."
    )

    @field_validator("weights")
    @classmethod
    def _weights_fit(cls, weights: Path | None, info: ValidationInfo) -> Path | None:
        backend = info.data.get("backend", "auto")
        if weights is None:
            return None
        kind = SUFFIXES.get(weights.suffix.lower())
        if backend == "person":
            raise ValueError("backend=person brings its own model; leave weights out")
        if kind is None and backend == "auto":
            raise ValueError(f"a file of weights ends in {', '.join(SUFFIXES)}; or say which backend reads it")
        if kind is not None and backend not in ("auto", kind):
            raise ValueError(f"backend={backend} does not read {weights.suffix} files; leave backend out")
        return weights

    @field_validator("keep", mode="before")
    @classmethod
    def _listed(cls, keep: Any) -> Any:
        return tuple(word.strip() for word in keep.split(",") if word.strip()) if isinstance(keep, str) else keep

    @field_validator("keep")
    @classmethod
    def _known(cls, keep: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        chosen(_classes(info.data.get("backend", "auto"), info.data.get("classes", len(VOC))), keep)
        return keep


def kind_of(options: SegmentationOptions) -> Kind:
    """The network that is used."""
    if options.backend != "auto":
        return options.backend
    return SUFFIXES[options.weights.suffix.lower()] if options.weights is not None else "torchvision"


def classes_of(options: SegmentationOptions) -> tuple[LabelClass, ...]:
    """The classes of its label maps."""
    return _classes(options.backend, options.classes)


def _classes(backend: str, count: int) -> tuple[LabelClass, ...]:
    if backend == "person":
        return person_classes()
    return voc_classes() if count == len(VOC) else numbered_classes(count)


def open_segmenter(options: SegmentationOptions) -> Segmenter:
    """The network, ready. Raises: MissingPackageError, MissingWeightsError."""
    kind = kind_of(options)
    if kind == "person":
        from vid2vid_segmentation.selfie import SelfieSegmenter

        return SelfieSegmenter(options.threshold)
    if kind == "litert":
        from vid2vid_segmentation.tflite import LiteSegmenter

        return LiteSegmenter(_lite_file(options.weights), options.classes, options.tiles)
    from vid2vid_segmentation.deeplab import DeepLabSegmenter

    return DeepLabSegmenter(options.model, options.weights, options.classes, options.size, options.batch)


def _lite_file(weights: Path | None) -> Path:
    if weights is None:
        raise MissingWeightsError(
            "segmentation.backend=litert needs a TFLite file, and none is named.",
            "--option segmentation.weights=FILE.tflite, such as TensorFlow's deeplabv3_257_mv_gpu.tflite.",
        )
    return given(weights)


def version(kind: Kind) -> str:
    """The version of a backend's library, without importing it; "" if it is not installed."""
    try:
        return metadata.version({"torchvision": "torchvision", "litert": "ai-edge-litert", "person": "mediapipe"}[kind])
    except metadata.PackageNotFoundError:
        return ""
