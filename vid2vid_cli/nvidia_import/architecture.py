"""What a published network is, read off the names and shapes of its weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.core.errors import ForeignCheckpointError, Vid2VidError
from vid2vid_cli.engine.checkpoint import Weights
from vid2vid_cli.nvidia_import.layer_names import Depth, image_layers, scale_layers

FLOW_UNIT = 20.0
"""Pixels of the published flow heads at the coarsest scale; doubled at each finer one."""
FACE_WITH_FEATURES = "model_upsample_conv.1.weight"
"""What only the single-image generator of faces has."""


@dataclass(frozen=True)
class Architecture:
    """A generator of ours that computes what the published files do."""

    channels: int
    """Of the condition, per frame, as published."""
    past: int
    flow: bool
    foreground: bool
    width: int
    downsamples: int
    blocks: int
    scales: int
    blocks_local: int
    kernel: int
    affine: bool
    """Whether its norms have learned a gain and a bias; where they have not, these are 1 and 0."""
    single: bool = False
    """Whether it makes single images."""

    def config(self, foreground: Sequence[str], *, unit_conditions: bool) -> GeneratorConfig:
        """The settings of ours; `foreground`: the classes of that branch, where there is one. Raises ValueError."""
        return GeneratorConfig(
            past=self.past,
            flow=self.flow,
            flow_unit=FLOW_UNIT,
            scales=self.scales,
            width=self.width,
            downsamples=self.downsamples,
            blocks=self.blocks,
            blocks_local=self.blocks_local,
            kernel=self.kernel,
            norm="batch",
            upsample="transpose",
            foreground=tuple(foreground) if self.foreground else (),
            foreground_over=True,
            unit_conditions=unit_conditions,
        )

    def layers(self) -> list[dict[str, str]]:
        """Published layer -> ours, scale by scale."""
        late = self.blocks // 2
        if self.single:
            return image_layers(self.downsamples, self.blocks - late, late, self.blocks_local if self.scales > 1 else 0)
        shared = (self.past > 0, self.flow, self.foreground)
        coarsest = scale_layers(Depth(self.downsamples, self.blocks - late, late, *shared, finer=False))
        finer = scale_layers(Depth(1, 0, self.blocks_local, *shared, finer=True))
        return [coarsest, *([finer] * (self.scales - 1))]


def of_video(found: Sequence[Weights], files: Sequence[Path]) -> Architecture:
    """That of `latest_net_G0.pth` and its finer scales. Raises ForeignCheckpointError."""
    weights, path = found[0], files[0]
    width, window, kernel, _ = _shape(weights, "model_down_seg.1.weight", path)
    pictures = _shape(weights, "model_down_img.1.weight", path)[1]
    past = pictures // 3
    channels, rest = divmod(window, past + 1)
    if rest or pictures % 3:
        raise ForeignCheckpointError(
            f"{path} sees {window} channels of conditions and {pictures} of frames, which is no whole number of each.",
            "It is not one of vid2vid's generators.",
        )
    return Architecture(
        channels=channels,
        past=past,
        flow=any(name.startswith("model_final_flow.") for name in weights),
        foreground=any(name.startswith("indv_") for name in weights),
        width=width,
        downsamples=_count(weights, r"model_down_seg\.\d+\.weight", 4) - 1,
        blocks=sum(
            _count(weights, rf"{group}\.\d+\.conv_block\.1\.weight") for group in ("model_down_seg", "model_res_img")
        ),
        scales=len(found),
        blocks_local=_count(found[1], r"model_up_img\.\d+\.conv_block\.1\.weight") if len(found) > 1 else 3,
        kernel=kernel,
        affine="model_down_seg.2.weight" in weights,
    )


def of_image(weights: Weights, path: Path) -> Architecture:
    """That of a single-image generator, global or with one local enhancer. Raises ForeignCheckpointError."""
    width, channels, kernel, _ = _shape(weights, "model.1.weight", path)
    local = "model1_1.1.weight" in weights
    strided = [name for name in weights if re.fullmatch(r"model\.\d+\.weight", name) and weights[name].ndim == 4]
    return Architecture(
        channels=channels,
        past=0,
        flow=False,
        foreground=False,
        width=width,
        downsamples=(len(strided) - (1 if local else 2)) // 2,  # as many down as up, a stem, and a head
        blocks=_count(weights, r"model\.\d+\.conv_block\.1\.weight"),
        scales=2 if local else 1,
        blocks_local=_count(weights, r"model1_2\.\d+\.conv_block\.1\.weight") if local else 3,
        kernel=kernel,
        affine="model.2.weight" in weights,
        single=True,
    )


def _shape(weights: Weights, name: str, path: Path) -> tuple[int, int, int, int]:
    value = weights.get(name)
    if value is None or value.ndim != 4:
        groups = ", ".join(dict.fromkeys(one.split(".")[0] for one in weights))
        raise ForeignCheckpointError(
            f"{path} has no convolution {name}, with which vid2vid's generators begin; it has {groups}.",
            "Name the folder of a generator that NVIDIA's vid2vid wrote.",
        )
    a, b, c, d = value.shape
    return a, b, c, d


def _count(weights: Weights, pattern: str, axes: int = 4) -> int:
    return sum(bool(re.fullmatch(pattern, name)) and value.ndim == axes for name, value in weights.items())


class LayersError(ForeignCheckpointError):
    """Layers that are missing, too many, or of another shape than the rest of the file says."""


def check_layers(path: Path, missing: Sequence[str], extra: Sequence[str], other: Sequence[str]) -> None:
    """Raise LayersError naming the first of each; nothing where all are empty."""
    said: list[str] = []
    for words, names in (("lacks", missing), ("has, and should not have,", extra), ("has in another shape", other)):
        if names:
            more = f" and {len(names) - 4} more" if len(names) > 4 else ""
            said.append(f"{words} {', '.join(names[:4])}{more}")
    if said:
        error: Vid2VidError = LayersError(
            f"{path} {'; it '.join(said)}.",
            "It is not whole, of another network, or of a vid2vid that was changed: nothing was written.",
        )
        raise error
