"""The layers of the published networks by the names in their files, beside ours: order, names and no more.

A published file holds groups, each a sequence whose places are counted, activations and padding included. What a group
is made of is written here as a word, a letter for each block:

    S  stem: 7x7 convolution, norm     D  stride-2 convolution, norm     R  residual block
    U  transposed convolution, norm    H  head: 7x7 convolution

Facts of NVIDIA/vid2vid (2e6d137) and NVIDIA/pix2pixHD: names and order of layers; both pad before S and H.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Group = tuple[str, str]
"""The name of a sequence and its word."""

_PUBLISHED = {
    "S": (4, ("{1}", "{2}")),
    "D": (3, ("{0}", "{1}")),
    "R": (1, ("{0}.conv_block.1", "{0}.conv_block.2", "{0}.conv_block.5", "{0}.conv_block.6")),
    "U": (3, ("{0}", "{1}")),
    "H": (3, ("{1}",)),
}
"""Letter -> how many places it takes, and which of them have weights."""
_OURS = {"S": ("0", "1"), "D": ("0", "1"), "R": ("body.0", "body.1", "body.3", "body.4"), "U": ("0", "1")}


@dataclass(frozen=True)
class Depth:
    """What of a sequential network's scale decides which layers it has."""

    downsamples: int
    before: int
    """Residual blocks before the sum; none at a finer scale."""
    after: int
    past: bool
    flow: bool
    foreground: bool
    finer: bool
    """Whether it is one of the finer scales, whose residual blocks and way up are one group."""


def scale_layers(depth: Depth) -> dict[str, str]:
    """Published layer -> ours, of `latest_net_G<scale>.pth` and of `ScaleNetwork`."""
    down, late, up = "S" + "D" * depth.downsamples, "R" * depth.after, "U" * depth.downsamples
    enter, leave = down + "R" * depth.before, late + up

    def way_out(kind: str) -> list[Group]:
        return [(f"model_up_{kind}", leave)] if depth.finer else [(f"model_res_{kind}", late), (f"model_up_{kind}", up)]

    found = _paired([("model_down_seg", enter)], [("condition_encoder", enter)])
    if depth.past:
        found |= _paired([("model_down_img", enter)], [("past_encoder", enter)])
    found |= _paired(way_out("img"), [("image_decoder", leave)])
    heads = {"model_final_img": "image_head"}
    if depth.flow:
        found |= _paired(way_out("flow"), [("flow_decoder", leave)])
        heads |= {"model_final_flow": "flow_head", "model_final_w": "occlusion_head"}
    if depth.foreground:
        through = [("indv_up", leave)]
        if not depth.finer:
            through = [("indv_res", "R" * (depth.before + depth.after)), ("indv_up", up)]
        found |= _paired(
            [("indv_down", down), *through], [("foreground_encoder", enter), ("foreground_decoder", leave)]
        )
        heads["indv_final"] = "foreground_head"
    return found | {f"{published}.1": ours for published, ours in heads.items()}


def _paired(published: Sequence[Group], ours: Sequence[Group]) -> dict[str, str]:
    """Two ways of grouping the same blocks, layer by layer."""
    theirs = [name for group, word in published for name in published_layers(group, word)]
    return dict(zip(theirs, (name for group, word in ours for name in _our_layers(group, word)), strict=True))


def published_layers(group: str, word: str) -> Iterator[str]:
    """The layers of a published sequence that have weights, in order."""
    place = 0
    for letter in word:
        size, inside = _PUBLISHED[letter]
        for name in inside:
            yield f"{group}.{name.format(place, place + 1, place + 2)}"
        place += size


def _our_layers(group: str, word: str) -> Iterator[str]:
    for index, letter in enumerate(word):
        for name in _OURS[letter]:
            yield f"{group}.{index}.{name}"


def image_layers(downsamples: int, before: int, after: int, enhancer: int) -> list[dict[str, str]]:
    """Published layer -> ours at each scale, of a generator of single images: pix2pixHD's, without past and flow.

    `enhancer`: residual blocks of its local enhancer, 0 where it is the global generator alone, which has a head.
    """
    down, late, up = "S" + "D" * downsamples, "R" * after, "U" * downsamples
    through = [("condition_encoder", down + "R" * before), ("image_decoder", late + up)]
    whole = ("model", down + "R" * (before + after) + up)
    place = 4 + 3 * downsamples + before + after + 3 * downsamples
    if not enhancer:
        return [_paired([whole], through) | {f"model.{place + 1}": "image_head"}]
    leave = "R" * enhancer + "U"
    finer = _paired([("model1_1", "SD"), ("model1_2", leave)], [("condition_encoder", "SD"), ("image_decoder", leave)])
    return [_paired([whole], through), finer | {f"model1_2.{enhancer + 3 + 1}": "image_head"}]
