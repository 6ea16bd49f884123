"""Layer names of the published networks and of ours.

A published file contains `nn.Sequential` groups, whose positions include activations and padding. This file writes the
blocks of a group as a string with one letter per block:

    S  stem: 7x7 convolution, norm     D  stride-2 convolution, norm     R  residual block
    U  transposed convolution, norm    H  head: 7x7 convolution

Names and order of layers are from NVIDIA/vid2vid (2e6d137) and NVIDIA/pix2pixHD; both pad before S and H.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LayerGroup = tuple[str, str]
"""The name of a sequence and its block string."""

_PUBLISHED_BLOCKS = {
    "S": (4, ("{1}", "{2}")),
    "D": (3, ("{0}", "{1}")),
    "R": (1, ("{0}.conv_block.1", "{0}.conv_block.2", "{0}.conv_block.5", "{0}.conv_block.6")),
    "U": (3, ("{0}", "{1}")),
    "H": (3, ("{1}",)),
}
"""Block letter -> (number of positions, name formats of the layers with weights)."""
_OUR_BLOCKS = {"S": ("0", "1"), "D": ("0", "1"), "R": ("body.0", "body.1", "body.3", "body.4"), "U": ("0", "1")}


@dataclass(frozen=True, kw_only=True)
class ScaleArchitecture:
    """The settings of one scale of a video generator that determine its layers."""

    num_downsamples: int
    num_encoder_blocks: int
    """Residual blocks of the encoders; 0 at a finer scale."""
    num_decoder_blocks: int
    has_past: bool
    has_flow: bool
    has_foreground: bool
    is_finer: bool
    """Whether this is a finer scale, where residual and upsampling blocks form one published group."""


def map_scale_layers(architecture: ScaleArchitecture) -> dict[str, str]:
    """Layer names in `latest_net_G<scale>.pth` -> layer names in `ScaleNetwork`."""
    down_blocks = "S" + "D" * architecture.num_downsamples
    late_blocks, up_blocks = "R" * architecture.num_decoder_blocks, "U" * architecture.num_downsamples
    encoder_blocks, decoder_blocks = down_blocks + "R" * architecture.num_encoder_blocks, late_blocks + up_blocks

    def branch_groups(branch: str) -> list[LayerGroup]:
        return (
            [(f"model_up_{branch}", decoder_blocks)]
            if architecture.is_finer
            else [(f"model_res_{branch}", late_blocks), (f"model_up_{branch}", up_blocks)]
        )

    layer_map = _pair_layers([("model_down_seg", encoder_blocks)], [("condition_encoder", encoder_blocks)])
    if architecture.has_past:
        layer_map |= _pair_layers([("model_down_img", encoder_blocks)], [("past_encoder", encoder_blocks)])
    layer_map |= _pair_layers(branch_groups("img"), [("image_decoder", decoder_blocks)])
    head_names = {"model_final_img": "image_head"}
    if architecture.has_flow:
        layer_map |= _pair_layers(branch_groups("flow"), [("flow_decoder", decoder_blocks)])
        head_names |= {"model_final_flow": "flow_head", "model_final_w": "occlusion_head"}
    if architecture.has_foreground:
        foreground_groups = [("indv_up", decoder_blocks)]
        if not architecture.is_finer:
            foreground_groups = [
                ("indv_res", "R" * (architecture.num_encoder_blocks + architecture.num_decoder_blocks)),
                ("indv_up", up_blocks),
            ]
        layer_map |= _pair_layers(
            [("indv_down", down_blocks), *foreground_groups],
            [("foreground_encoder", encoder_blocks), ("foreground_decoder", decoder_blocks)],
        )
        head_names["indv_final"] = "foreground_head"
    return layer_map | {f"{published}.1": ours for published, ours in head_names.items()}


def _pair_layers(published_groups: Sequence[LayerGroup], our_groups: Sequence[LayerGroup]) -> dict[str, str]:
    """Map the layers of two groupings of the same blocks."""
    published_names = [name for group, blocks in published_groups for name in _published_layer_names(group, blocks)]
    our_names = [name for group, blocks in our_groups for name in _our_layer_names(group, blocks)]
    return dict(zip(published_names, our_names, strict=True))


def _published_layer_names(group_name: str, blocks: str) -> Iterator[str]:
    """The layers with weights of a published sequence, in order."""
    position = 0
    for block in blocks:
        num_positions, name_formats = _PUBLISHED_BLOCKS[block]
        for name in name_formats:
            yield f"{group_name}.{name.format(position, position + 1, position + 2)}"
        position += num_positions


def _our_layer_names(group_name: str, blocks: str) -> Iterator[str]:
    for index, block in enumerate(blocks):
        for name in _OUR_BLOCKS[block]:
            yield f"{group_name}.{index}.{name}"


def map_image_layers(
    *, num_downsamples: int, num_encoder_blocks: int, num_decoder_blocks: int, num_enhancer_blocks: int
) -> list[dict[str, str]]:
    """Published layer name -> our layer name at each scale of an image generator (pix2pixHD's).

    `num_enhancer_blocks`: residual blocks of the local enhancer; 0: the global generator alone, which has a head.
    """
    down_blocks, late_blocks, up_blocks = "S" + "D" * num_downsamples, "R" * num_decoder_blocks, "U" * num_downsamples
    our_groups = [
        ("condition_encoder", down_blocks + "R" * num_encoder_blocks),
        ("image_decoder", late_blocks + up_blocks),
    ]
    published_group = ("model", down_blocks + "R" * (num_encoder_blocks + num_decoder_blocks) + up_blocks)
    head_position = 4 + 3 * num_downsamples + num_encoder_blocks + num_decoder_blocks + 3 * num_downsamples
    if not num_enhancer_blocks:
        return [_pair_layers([published_group], our_groups) | {f"model.{head_position + 1}": "image_head"}]
    enhancer_blocks = "R" * num_enhancer_blocks + "U"
    enhancer_layers = _pair_layers(
        [("model1_1", "SD"), ("model1_2", enhancer_blocks)],
        [("condition_encoder", "SD"), ("image_decoder", enhancer_blocks)],
    )
    return [
        _pair_layers([published_group], our_groups),
        enhancer_layers | {f"model1_2.{num_enhancer_blocks + 3 + 1}": "image_head"},
    ]
