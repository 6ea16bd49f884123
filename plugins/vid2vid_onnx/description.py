"""What a network expects and returns: from a JSON file beside it, from its sha256, or as usual for its kind."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vid2vid_cli.conditioning import LabelFileError, parse_json
from vid2vid_onnx import DEPTH_ANYTHING_WEIGHTS, MIDAS_WEIGHTS
from vid2vid_onnx.options import MapKind

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Triple = tuple[float, float, float]


class NetworkDescription(BaseModel):
    """Input and output of a network; the keys of the JSON file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float = Field(1 / 255, gt=0)
    """Factor of the pixel values 0 to 255, before `mean` and `std`."""
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    order: Literal["rgb", "bgr"] = "rgb"
    """Order of the input's channels; `mean` and `std` are in this order."""
    size: int = Field(384, ge=16, le=4096)
    """Shorter side of the input, for networks that accept any size."""
    multiple: int = Field(32, ge=1, le=512)
    """Both sides of the input are multiples of it, for networks that accept any size."""
    output: str = ""
    """Name of the output; "": the only one with the shape of the kind."""
    activation: Literal["none", "sigmoid", "softmax"] | None = None
    """Applied to the output; None: sigmoid for edges and line art with negative values, softmax for class scores."""
    range: tuple[float, float] | None = None
    """Values of the output that are -1 and 1 (normal, rgb), or 0 and 1 (line art, edges); None: 0 to 1, -1 to 1 or
    0 to 255, whichever the first frame fits. Not for depth."""


KIND_DESCRIPTIONS: dict[MapKind, NetworkDescription] = {
    "depth": NetworkDescription(mean=IMAGENET_MEAN, std=IMAGENET_STD),
    "normal": NetworkDescription(mean=IMAGENET_MEAN, std=IMAGENET_STD),
    "lineart": NetworkDescription(),
    "edges": NetworkDescription(),
    "labels": NetworkDescription(mean=IMAGENET_MEAN, std=IMAGENET_STD),
    "rgb": NetworkDescription(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
}
"""The usual input of each kind, for networks without a JSON file."""
PUBLISHED_DESCRIPTIONS = {
    DEPTH_ANYTHING_WEIGHTS.sha256: NetworkDescription(mean=IMAGENET_MEAN, std=IMAGENET_STD, size=518, multiple=14),
    MIDAS_WEIGHTS.sha256: NetworkDescription(mean=IMAGENET_MEAN, std=IMAGENET_STD, size=256),
}
"""By the sha256 of the file."""


def describe_network(path: Path, sha256: str, kind: MapKind) -> tuple[NetworkDescription, str]:
    """Return the description of a network, and a sentence on what is assumed, or "". Raises: LabelFileError."""
    json_path = path.with_suffix(".json")
    if json_path.is_file():
        return read_description(json_path), ""
    if sha256 in PUBLISHED_DESCRIPTIONS:
        return PUBLISHED_DESCRIPTIONS[sha256], ""
    return (
        KIND_DESCRIPTIONS[kind],
        f"{path.name} is not a published network, and {json_path.name} is not beside it: its input is assumed to be as "
        f"usual for onnx.kind={kind}.",
    )


def read_description(path: Path) -> NetworkDescription:
    """Read the JSON file of a network. Raises: LabelFileError (not JSON, an unknown key or an invalid value)."""
    try:
        return NetworkDescription.model_validate(parse_json(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        message = f"{path}: {key}: {problem['msg'][:1].lower()}{problem['msg'][1:]}."
    except (ValueError, OSError) as error:
        message = f"{path} is not a JSON file: {error}."
    raise LabelFileError(message, f"The keys are {', '.join(NetworkDescription.model_fields)}.")
