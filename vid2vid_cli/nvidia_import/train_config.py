"""Config for further training of an imported network, and the command that prepares a matching dataset."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.engine.checkpoint_metadata import ConditionerConfig
from vid2vid_cli.nvidia_import.release import PublishedNetwork


def format_train_config(network: PublishedNetwork, name: str) -> str:
    """YAML with the generator, discriminators and conditions of the network.

    All other settings (schedule, optimiser, loss weights) come from the preset that it is combined with.
    """
    height, width = network.image_size
    discriminators, conditions = network.discriminators, network.conditions
    generator = network.generator_config().model_dump(mode="json", exclude={"kind", "target", "dropout"})
    # A dataset that is prepared with a number of classes has no class names; classes are named by their ids.
    generator["foreground_classes"] = [
        str(channel) for channel in conditions.foreground_indices if generator["foreground_classes"]
    ]
    render_options = {
        conditioner.name: _changed_options(conditioner, is_rendering=True) for conditioner in conditions.conditioners
    }
    settings: dict[str, Any] = {
        "conditioners": list(render_options),
        "conditioner_options": {name: dict(options) for name, options in render_options.items() if options},
        "data": {
            "height": height,
            "size_rule": "height",
            "aspect_ratio": width / height,
            "crop": conditions.crop,
        },
        "generator": generator,
        "schedule": {"initial_frames": network.initial_frames},
    }
    discriminator_configs = {
        "image": discriminators.image_config,
        "temporal": discriminators.temporal_config,
        "region": discriminators.region_config,
    }
    for kind, config in discriminator_configs.items():
        if config is not None:
            settings.setdefault("discriminators", {})[kind] = config.model_dump(mode="json", exclude_unset=True)
    header_lines = [
        f"# Further training of {name}.ckpt:",
        f"#   {prepare_command(network)}",
        f"#   vid2vid train --preset {network.preset} --config {name}.yaml --from {name}.ckpt",
    ]
    return "\n".join(header_lines) + "\n" + yaml.safe_dump(settings, sort_keys=False)


def prepare_command(network: PublishedNetwork) -> str:
    """Command that prepares a dataset with the conditions of the network."""
    arguments = ["vid2vid", "prepare"]
    for conditioner in network.conditions.conditioners:
        arguments += ["--conditioner", conditioner.name]
        for option, value in _changed_options(conditioner, is_rendering=False).items():
            arguments += ["--conditioner-option", f"{conditioner.name}.{_format_option(option, value)}"]
    return shlex.join(arguments) + (" FOLDER" if network.preset == "street" else " VIDEO")


def _format_option(option: str, value: Any) -> str:
    """An option as an argument of `prepare`: the number of classes, and for instance edges the instance ids."""
    match option:
        case "classes":
            return f"classes={len(value)}"
        case "instance_edges":
            return "instances=INSTANCES"
    return f"{option}={json.dumps(value) if isinstance(value, bool) else value}"


def _changed_options(conditioner: ConditionerConfig, *, is_rendering: bool) -> Mapping[str, Any]:
    """Options that differ from their defaults: with `is_rendering` those of `train`, otherwise those of `prepare`."""
    default_options = load_conditioner(conditioner.name).options
    return {
        option: value
        for option, value in conditioner.options.items()
        if value != default_options.persistent_values().get(option)
        and (option in default_options.names_with_role("rendering")) is is_rendering
    }
