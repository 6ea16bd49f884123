"""From settings to networks: the only place that knows both."""

from __future__ import annotations

import torch
from torch import nn

from vid2vid_cli.config.config import Adam, Config
from vid2vid_cli.config.discriminators import PatchConfig
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.core.types import ConditionLayout
from vid2vid_cli.engine.runtime import Machine
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.discriminator import MultiScaleDiscriminator
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.networks.generators import Generator
from vid2vid_cli.networks.style_encoder import StyleEncoder
from vid2vid_cli.networks.unet import UNetGenerator


def build_generator(config: GeneratorConfig, layout: ConditionLayout) -> Generator:
    """The generator for conditions of that layout; where there are styles, with their encoder as its `style`."""
    generator = _of_kind(config, layout)
    if layout.style is not None:
        # Its frames come by clips in training and one by one from photos: what one is must not depend on the others.
        norm = "instance" if config.norm == "batch" else config.norm
        generator.add_module("style", StyleEncoder(layout.style, norm=norm, upsample=config.upsample))
    return generator


def drawn(config: GeneratorConfig, layout: ConditionLayout) -> tuple[int, int]:
    """Channels of the conditions, and of what is drawn from them: a frame; or the conditions themselves, from none."""
    return (0, layout.channels) if config.draws == "labels" else (layout.channels, 3)


def _of_kind(config: GeneratorConfig, layout: ConditionLayout) -> Generator:
    match config.kind:
        case "composite":
            conditions, picture = drawn(config, layout)
            return CompositeGenerator(
                layout.shown if conditions else 0,
                picture=picture,
                scales=config.scales,
                past=config.past,
                flow=config.flow,
                flow_unit=config.flow_unit,
                width=config.width,
                downsamples=config.downsamples,
                blocks=config.blocks,
                blocks_local=config.blocks_local,
                kernel=config.kernel,
                norm=config.norm,
                upsample=config.upsample,
                foreground=layout.foreground,
                foreground_over=config.foreground_over,
                unit_conditions=config.unit_conditions,
            )
        case "fast":
            return FastGenerator(
                layout.shown,
                past=config.past,
                flow=config.flow,
                flow_unit=config.flow_unit,
                patch=config.patch,
                width=config.width,
                downsamples=config.downsamples,
                blocks=config.blocks,
                norm=config.norm,
            )
        case "unet":
            return UNetGenerator(
                layout.shown,
                width=config.width,
                downsamples=config.downsamples,
                norm=config.norm,
                upsample=config.upsample,
                dropout=config.dropout,
            )


def build_state(config: Config, layout: ConditionLayout, machine: Machine) -> TrainState:
    """Fresh networks and optimisers, from the seed; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.engine.seed)
        generator = build_generator(config.generator, layout)
        generator.keep_less(config.engine.recompute)
        conditions, picture = drawn(config.generator, layout)
        judged = conditions + picture
        discriminator = build_discriminator(config.discriminator, judged, config.data.size)
        group = picture * config.temporal.frames + 2 * (config.temporal.frames - 1)
        temporal = nn.ModuleDict(
            {str(rate): build_discriminator(config.temporal, group, config.data.size) for rate in config.temporal.rates}
        )
        side = config.region.side(config.data.size)
        region = nn.ModuleDict({name: build_discriminator(config.region, judged, side) for name in config.region.names})
    for network in (generator, discriminator, temporal, region):
        machine.place(network)
    return TrainState(
        generator,
        discriminator,
        temporal,
        region,
        build_optimizer(config.optimizer.generator, generator),
        build_optimizer(config.optimizer.discriminators, discriminator, temporal, region),
    )


def build_optimizer(config: Adam, *networks: nn.Module) -> torch.optim.Adam:
    """One optimiser for all weights of some networks."""
    weights = [weight for network in networks for weight in network.parameters()]
    return torch.optim.Adam(weights, config.rate, config.betas, fused=True)


def build_discriminator(config: PatchConfig, channels: int, height: int) -> MultiScaleDiscriminator:
    """A discriminator of `channels` channels for pictures of that height."""
    return MultiScaleDiscriminator(
        channels,
        height=height,
        scales=config.scales,
        width=config.width,
        layers=config.layers,
        widest=config.widest,
    )


def parameter_count(network: nn.Module) -> int:
    """How many numbers it learns."""
    return sum(parameter.numel() for parameter in network.parameters())
