"""Published discriminators as ours, for training to go on from; synthesis needs none of them.

latest_net_D.pth          frames below their conditions        discriminator
latest_net_D_T0, _T1 ...  groups of frames 1, 3, 9 apart       temporal.1, temporal.3, temporal.9
latest_net_D_f.pth        the face, of a dancer                region.face

Their norms take the statistics of the pictures that are judged together, ours those of each: of one picture at a time,
which the published settings mean, that is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.config.discriminators import ImageConfig, PatchConfig, RegionConfig, TemporalConfig
from vid2vid_cli.engine.build import build_discriminator
from vid2vid_cli.engine.checkpoint import Weights
from vid2vid_cli.nvidia_import.architecture import check_layers
from vid2vid_cli.nvidia_import.convert import Channels, for_our_channels, other_shape
from vid2vid_cli.nvidia_import.files import Release, read_weights
from vid2vid_cli.nvidia_import.parameter_counts import size_of

FACE = "face"
_FIRST = re.compile(r"scale(\d+)_layer0\.0\.weight")
_FRAME = 3
"""Channels."""


@dataclass(frozen=True)
class Judges:
    """What was found, as ours: settings for networks of these shapes, and their weights as `TrainState` names them."""

    image: ImageConfig | None = None
    temporal: TemporalConfig | None = None
    region: RegionConfig | None = None
    weights: Weights = field(default_factory=dict, repr=False)
    files: Sequence[Path] = ()
    counts: Sequence[int] = ()
    """Weights of each file."""
    configs: Sequence[PatchConfig] = ()
    """Of each file."""
    left_out: Sequence[str] = ()


@dataclass(frozen=True)
class _Published:
    """One file: copies of a patch discriminator, coarse to fine."""

    path: Path
    weights: Weights = field(repr=False)
    scales: int
    layers: int
    width: int
    """Of the finest copy."""
    widest: int
    """Of the coarsest."""
    channels: int

    @property
    def shape(self) -> dict[str, int | None]:
        """As a `PatchConfig` says it."""
        widest = self.widest if self.widest > self.width else None
        return {"scales": self.scales, "layers": self.layers, "width": self.width, "widest": widest}


def read_judges(release: Release, channels: Channels, height: int) -> Judges:
    """The discriminators beside a generator, for pictures of that height and conditions of these channels.

    One that is of another kind is left out, and why is said. Raises what `read_weights` raises, and LayersError.
    """
    found, left_out = _open(release, len(channels.places))
    judges: list[tuple[str, _Published, PatchConfig]] = []
    image = temporal = region = None
    if (one := found.get("D")) is not None:
        image = ImageConfig(**one.shape, conditions=1.0, unit_conditions=channels.zero_to_one)
        judges.append(("discriminator", one, image))
    rates = {f"D_T{index}": 3**index for index in range(3)}
    groups = [(str(rate), found[name]) for name, rate in rates.items() if name in found]
    if groups:
        frames = (groups[0][1].channels + 2) // (_FRAME + 2)
        temporal = TemporalConfig(**groups[0][1].shape, rates=[int(rate) for rate, _ in groups], frames=frames)
        judges += [(f"temporal.{rate}", one, temporal) for rate, one in groups]
    if (one := found.get("D_f")) is not None:
        region = RegionConfig(**one.shape, names=[FACE])
        judges.append((f"region.{FACE}", one, region))
    weights: dict[str, Tensor] = {}
    for name, one, config in judges:
        side = region.side(height) if config is region and region is not None else height
        own = _convert(one, config, None if config is temporal else channels, side)
        weights |= {f"{name}.{key}": value for key, value in own.items()}
    files, counts = [one.path for _, one, _ in judges], [size_of(one.weights) for _, one, _ in judges]
    return Judges(image, temporal, region, weights, files, counts, [config for *_, config in judges], left_out)


def _open(release: Release, conditions: int) -> tuple[dict[str, _Published], list[str]]:
    """The files by the name of their network, and of those left out, why."""
    found: dict[str, _Published] = {}
    left_out = []
    for name, path in sorted(release.files.items()):
        if not name.startswith("D"):
            continue
        one = _shape_of(path, read_weights(path))
        if one is None:
            left_out.append(f"{path.name}: its copies are not those of a vid2vid discriminator that matches features.")
            continue
        of_time = name.startswith("D_T")
        before = next((other for key, other in found.items() if key.startswith("D_T")), None) if of_time else None
        if of_time and ((one.channels + 2) % (_FRAME + 2) or (before and before.shape != one.shape)):
            left_out.append(f"{path.name}: its {one.channels} channels are no group of frames and their flow.")
        elif not of_time and one.channels != conditions + _FRAME:
            known = f"{conditions} of conditions and {_FRAME} of a frame"
            left_out.append(f"{path.name}: it sees {one.channels} channels, and this network has {known}.")
        else:
            found[name] = one
    return found, left_out


def _shape_of(path: Path, weights: Weights) -> _Published | None:
    firsts = {int(match[1]): weights[name] for name in weights if (match := _FIRST.fullmatch(name))}
    if not firsts or sorted(firsts) != list(range(len(firsts))) or any(value.ndim != 4 for value in firsts.values()):
        return None
    finest, coarsest = firsts[len(firsts) - 1], firsts[0]
    layers = len({name.partition(".")[0] for name in weights if name.startswith("scale0_layer")}) - 2
    return _Published(path, weights, len(firsts), layers, len(finest), len(coarsest), finest.shape[1])


def _convert(one: _Published, config: PatchConfig, channels: Channels | None, height: int) -> dict[str, Tensor]:
    """The weights by our names; `channels`: of the conditions that it sees above a frame. Raises LayersError."""
    seen = one.channels if channels is None else channels.ours + _FRAME
    with torch.device("meta"):
        network = build_discriminator(config, seen, height)
    made: dict[str, Tensor] = {}
    missing, other = [], []
    wanted = dict(_names(list(network.copies), network.state_dict()))
    for theirs, ours in wanted.items():
        shape = tuple(network.state_dict()[ours].shape)
        first = theirs.endswith("_layer0.0.weight")
        if first:
            shape = (shape[0], one.channels, *shape[2:])
        value = one.weights.get(theirs)
        if value is None:
            missing.append(theirs)
        elif tuple(value.shape) != shape:
            other.append(other_shape(theirs, value, shape))
        else:
            made[ours] = value.float() if channels is None or not first else _below(value.float(), channels)
    check_layers(one.path, missing, [name for name in one.weights if name not in wanted], other)
    return made


def _names(copies: Sequence[str], ours: Weights) -> Iterator[tuple[str, str]]:
    """Published name -> ours. Our copies begin with the finest, the published are counted from the coarsest."""
    for name in ours:
        _, copy, _, layer, place, kind = name.split(".")
        yield f"scale{len(copies) - 1 - copies.index(copy)}_layer{layer}.{place}.{kind}", name


def _below(weight: Tensor, channels: Channels) -> Tensor:
    """A first convolution that sees our conditions above the frame."""
    conditions, frame = weight[:, :-_FRAME], weight[:, -_FRAME:]
    return torch.cat([for_our_channels(conditions, channels, 1), frame], 1)
