"""Images of what a generator computes in addition to the frame: `--save raw,flow,mask,references`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.types import FrameOutput
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.inference import mask_image, to_uint8_image
from vid2vid_cli.engine.onnx_files import is_exported
from vid2vid_cli.media.contact_sheet import side_by_side
from vid2vid_cli.requests.render import Layer

FULL_FLOW_SHARE = 0.05
"""Motion per frame, in heights of the image, that has the full colour in the flow's image."""


def check_layers(layers: Sequence[Layer], metadata: CheckpointMetadata, path: Path) -> None:
    """Raise ConfigError for a layer that the model does not compute."""
    if layers and is_exported(path):
        raise ConfigError(f"--save {layers[0]}: {path} is an exported file; it computes frames only.", "Use the .ckpt.")
    generator = metadata.generator
    is_blended = generator.num_references > 0 and (generator.kind != "spade" or generator.blend_references)
    available = {"flow": generator.flow, "mask": generator.flow, "references": is_blended}
    for layer in layers:
        if not available.get(layer, True):
            setting = "generator.flow=false"
            if layer == "references":
                name = "blend_references=false" if generator.num_references else "num_references=0"
                setting = f"generator.{name}"
            names = [name for name in ("raw", *available) if available.get(name, True)]
            raise ConfigError(
                f"--save {layer}: {path} was trained with {setting}, so there is nothing to save.",
                f"It has: --save {','.join(names)}",
            )


def layer_path(video: Path, layer: Layer) -> Path:
    """The video of a layer beside the rendered video: <video>_flow.mp4."""
    return video.with_name(f"{video.stem}_{layer}.mp4")


def layer_image(output: FrameOutput, layer: Layer) -> ImageArray:
    """One layer of a frame, (h, w, 3) uint8 RGB.

    raw: the image before the warped last frame is blended in. mask: white is synthesised, black is warped. flow: the
    colour wheel, hue by direction and saturation by motion, in FULL_FLOW_SHARE heights; white is no motion. references:
    the weight of each reference frame and of the synthesised image side by side, white is 1. A first frame has neither
    flow nor mask: it is synthesised.
    """
    height, width = output.image.shape[-2:]
    if layer == "raw":
        return to_uint8_image(output.raw[0])
    if layer == "mask":
        return mask_image(output)
    if layer == "flow":
        flow = output.flow[0] if output.flow is not None else output.image.new_zeros(2, height, width)
        return flow_colours(flow.float().cpu().numpy())
    weights = output.reference_weights
    assert weights is not None, "a model with reference frames returns their weights"
    num_references = (weights.shape[1] - 1) // 2
    # Each reference is a candidate twice: aligned, and as it is.
    of_references = weights[0, :-1].view(num_references, 2, height, width).sum(1)
    images = [_grey(weight) for weight in (*of_references, weights[0, -1])]
    labels = [f"reference {number + 1}" for number in range(num_references)]
    return side_by_side(images, [*labels, "synthesised"], height)


def flow_colours(flow: np.ndarray) -> ImageArray:
    """Flow (2, h, w) in pixels (dx, dy) -> RGB (h, w, 3): hue is the direction of motion, red to the right.

    The stored flow points backward in time, from a pixel to its position in the last frame; motion is its opposite.
    """
    motion = -flow / (FULL_FLOW_SHARE * flow.shape[1])
    magnitude = np.minimum(np.hypot(motion[0], motion[1]), 1.0)
    hue = np.degrees(np.arctan2(motion[1], motion[0])) % 360
    hsv = np.stack([hue, magnitude, np.ones_like(hue)], -1).astype(np.float32)
    rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return np.asarray((rgb * 255).round(), dtype=np.uint8)


def _grey(weight: torch.Tensor) -> ImageArray:
    """A weight (h, w) in [0, 1] as RGB."""
    return to_uint8_image(weight.expand(3, -1, -1) * 2 - 1)
