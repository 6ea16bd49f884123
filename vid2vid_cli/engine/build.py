"""Builds networks, optimisers and plain settings from the configuration."""

from __future__ import annotations

import torch
from torch import nn

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.discriminators import ImageConfig, PatchConfig
from vid2vid_cli.config.generator import GeneratorConfig
from vid2vid_cli.config.losses import LossConfig
from vid2vid_cli.config.optimizer import OptimizerSettings
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.engine.chunk import DiscriminatorInputFormat
from vid2vid_cli.engine.runtime import Runtime
from vid2vid_cli.engine.training_losses import LossSettings
from vid2vid_cli.networks.composite import CompositeGenerator
from vid2vid_cli.networks.discriminator import MultiScaleDiscriminator
from vid2vid_cli.networks.fast import FastGenerator
from vid2vid_cli.networks.generators import Generator
from vid2vid_cli.networks.resnet import ResNetGenerator
from vid2vid_cli.networks.savp import SavpGenerator
from vid2vid_cli.networks.spade import SpadeGenerator
from vid2vid_cli.networks.style_encoder import StyleEncoder
from vid2vid_cli.networks.translation import SingleGenerator
from vid2vid_cli.networks.unet import UNetGenerator


def build_generator(config: GeneratorConfig, condition_spec: ConditionSpec) -> SingleGenerator | SavpGenerator:
    """The generator, with a style encoder if `condition_spec` has one."""
    style_encoder = _build_style_encoder(config, condition_spec)
    match config.kind:
        case "composite":
            return _build_composite_generator(config, condition_spec, style_encoder)
        case "fast":
            return FastGenerator(
                condition_spec.input_channels,
                past_frames=config.past_frames,
                has_flow=config.flow,
                flow_multiplier=config.flow_multiplier,
                patch_size=config.patch_size,
                base_channels=config.base_channels,
                num_downsamples=config.num_downsamples,
                num_res_blocks=config.num_res_blocks,
                norm=config.norm,
                num_references=config.num_references,
                style_encoder=style_encoder,
            )
        case "spade":
            return _build_spade_generator(config, condition_spec, style_encoder)
        case "resnet":
            return ResNetGenerator(
                condition_spec.input_channels,
                base_channels=config.base_channels,
                num_downsamples=config.num_downsamples,
                num_res_blocks=config.num_res_blocks,
                kernel_size=config.kernel_size,
                norm=config.norm,
                upsample=config.upsample,
                style_encoder=style_encoder,
            )
        case "savp":
            return SavpGenerator(
                past_frames=config.past_frames,
                base_channels=config.base_channels,
                num_downsamples=config.num_downsamples,
                latent_channels=config.latent_channels,
                has_encoder=config.latent_encoder,
                transformation=config.transformation,
                num_transformations=config.num_transformations,
                latent_injection="norm" if config.latent_injection == "norm" else "all",
                has_motion_encoder=config.motion_encoder,
            )
        case "unet":
            return UNetGenerator(
                condition_spec.input_channels,
                base_channels=config.base_channels,
                num_downsamples=config.num_downsamples,
                norm=config.norm,
                upsample=config.upsample,
                dropout=config.dropout,
                conv_bias=config.conv_bias,
                skip_connections=config.skip_connections,
                style_encoder=style_encoder,
            )


def _build_spade_generator(
    config: GeneratorConfig, condition_spec: ConditionSpec, style_encoder: StyleEncoder | None
) -> SpadeGenerator:
    return SpadeGenerator(
        condition_spec.input_channels,
        past_frames=config.past_frames,
        has_flow=config.flow,
        flow_multiplier=config.flow_multiplier,
        patch_size=config.patch_size,
        base_channels=config.base_channels,
        num_downsamples=config.num_downsamples,
        num_res_blocks=config.num_res_blocks,
        norm=config.norm,
        blends_references=config.blend_references,
        style_encoder=style_encoder,
    )


def _build_composite_generator(
    config: GeneratorConfig, condition_spec: ConditionSpec, style_encoder: StyleEncoder | None
) -> CompositeGenerator:
    condition_channels, out_channels = condition_and_output_channels(config, condition_spec)
    return CompositeGenerator(
        condition_spec.input_channels if condition_channels else 0,
        out_channels=out_channels,
        num_scales=config.num_scales,
        past_frames=config.past_frames,
        has_flow=config.flow,
        flow_multiplier=config.flow_multiplier,
        base_channels=config.base_channels,
        num_downsamples=config.num_downsamples,
        num_res_blocks=config.num_res_blocks,
        num_local_res_blocks=config.num_local_res_blocks,
        kernel_size=config.kernel_size,
        norm=config.norm,
        upsample=config.upsample,
        foreground_indices=condition_spec.foreground_indices,
        foreground_after_warp=config.foreground_after_warp,
        condition_range=config.condition_range,
        style_encoder=style_encoder,
    )


def _build_style_encoder(config: GeneratorConfig, condition_spec: ConditionSpec) -> StyleEncoder | None:
    if condition_spec.style_encoder is None:
        return None
    # The style of a frame must not depend on the other frames of the batch, so batch norm is not used here.
    norm = "instance" if config.norm == "batch" else config.norm
    return StyleEncoder(condition_spec.style_encoder, norm=norm, upsample=config.upsample)


def condition_and_output_channels(config: GeneratorConfig, condition_spec: ConditionSpec) -> tuple[int, int]:
    """(condition channels, output channels) of the generator, without styles."""
    return (0, condition_spec.channels) if config.target == "labels" else (condition_spec.channels, 3)


def _build_optimizer(config: OptimizerSettings, *networks: nn.Module) -> torch.optim.Optimizer:
    """One optimiser for the weights of all `networks`."""
    weights = [weight for network in networks for weight in network.parameters()]
    if config.algorithm == "rmsprop":
        return torch.optim.RMSprop(weights, config.lr, weight_decay=config.weight_decay)
    return torch.optim.Adam(weights, config.lr, config.betas, weight_decay=config.weight_decay, fused=True)


def prepare_networks(
    config: Config, runtime: Runtime, generator: Generator, *discriminators: nn.Module
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Prepare new networks for training on `runtime`; returns the optimisers of generator and discriminators."""
    generator.set_gradient_checkpointing(config.runtime.gradient_checkpointing)
    for network in (generator, *discriminators):
        runtime.prepare_module(network)
    return (
        _build_optimizer(config.optimizer.generator, generator),
        _build_optimizer(config.optimizer.discriminators, *discriminators),
    )


def build_discriminator(config: PatchConfig, in_channels: int, height: int) -> MultiScaleDiscriminator:
    """A discriminator for images of `in_channels` channels and a height in pixels."""
    return MultiScaleDiscriminator(
        in_channels,
        height=height,
        num_scales=config.num_scales,
        base_channels=config.base_channels,
        num_layers=config.num_layers,
        max_channels=config.max_channels,
    )


def loss_settings(config: LossConfig) -> LossSettings:
    """The adversarial loss and the weights of the loss terms."""
    return LossSettings(config.gan_mode, config.weights())


def discriminator_input_format(config: ImageConfig) -> DiscriminatorInputFormat:
    """The input format of the image and region discriminators."""
    return DiscriminatorInputFormat(config.condition_scale, config.condition_range)


def count_parameters(network: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
