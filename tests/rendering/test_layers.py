"""Images of flow, mask and weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vid2vid_cli.core.types import FrameOutput
from vid2vid_cli.rendering.layers import FULL_FLOW_SHARE, flow_colours, layer_image

IMAGE = torch.zeros(1, 3, 20, 30)


@pytest.mark.parametrize(
    ("motion", "colour"),
    [((1, 0), (255, 0, 0)), ((0, 0), (255, 255, 255)), ((-1, 0), (0, 255, 255)), ((0.5, 0), (255, 128, 128))],
)
def test_flow_colours_show_direction_and_speed(motion: tuple[float, float], colour: tuple[int, int, int]) -> None:
    """Flow points to the position in the last frame, opposite to the motion."""
    full = FULL_FLOW_SHARE * 20
    flow = np.broadcast_to(-full * np.array(motion, np.float32)[:, None, None], (2, 20, 30))
    image = flow_colours(flow)
    assert image.shape == (20, 30, 3)
    assert image[3, 4].tolist() == pytest.approx(colour, abs=1)


def test_layers_of_a_first_frame_are_white() -> None:
    output = FrameOutput(IMAGE, IMAGE)
    assert layer_image(output, "mask").min() == layer_image(output, "flow").min() == 255
    assert (layer_image(output, "raw") == 128).all()


def test_mask_is_white_where_synthesised() -> None:
    mask = torch.zeros(1, 1, 20, 30)
    mask[..., :10] = 1
    image = layer_image(FrameOutput(IMAGE, IMAGE, flow=IMAGE[:, :2], occlusion=mask), "mask")
    assert (image[:, :10].min(), image[:, 10:].max()) == (255, 0)


def test_reference_weights_are_side_by_side() -> None:
    weights = torch.tensor([0.25, 0.25, 0.1, 0.1, 0.3]).view(1, 5, 1, 1).expand(1, 5, 20, 30)
    image = layer_image(FrameOutput(IMAGE, IMAGE, reference_weights=weights), "references")
    assert image[-1, 15::34, 0].tolist() == pytest.approx([128, 51, 76], abs=1)
