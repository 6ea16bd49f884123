"""From settings to networks: the only place that knows both."""

from __future__ import annotations

import torch
from torch import nn

from vid2vid_cli.config.model import Config, GeneratorConfig, PatchConfig
from vid2vid_cli.engine.device import Machine
from vid2vid_cli.engine.state import TrainState
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.patch import MultiScaleDiscriminator


def build_generator(config: GeneratorConfig, channels: int) -> CompositeGenerator:
    """The generator for `channels` condition channels."""
    match config.kind:
        case "composite":
            return CompositeGenerator(
                channels,
                past=config.past,
                flow=config.flow,
                flow_unit=config.flow_unit,
                width=config.width,
                downsamples=config.downsamples,
                blocks=config.blocks,
                kernel=config.kernel,
                norm=config.norm,
                upsample=config.upsample,
            )


def build_state(config: Config, channels: int, machine: Machine) -> TrainState:
    """Fresh networks and optimisers, from the seed; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.engine.seed)
        generator = build_generator(config.generator, channels)
        discriminator = build_discriminator(config.discriminator, channels + 3, config.data.size)
        group = 3 * config.temporal.frames + 2 * (config.temporal.frames - 1)
        temporal = nn.ModuleDict(
            {str(rate): build_discriminator(config.temporal, group, config.data.size) for rate in config.temporal.rates}
        )
    for network in (generator, discriminator, temporal):
        machine.place(network)
    betas = (config.optimizer.beta1, config.optimizer.beta2)
    judges = [*discriminator.parameters(), *temporal.parameters()]
    return TrainState(
        generator,
        discriminator,
        temporal,
        torch.optim.Adam(generator.parameters(), config.optimizer.rate, betas, fused=True),
        torch.optim.Adam(judges, config.optimizer.discriminator_rate, betas, fused=True),
    )


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
