"""Settings with which training goes on from an imported network, and the dataset that fits it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.engine.checkpoint import ConditionerUse
from vid2vid_cli.nvidia_import.release import Network


def training_settings(network: Network, name: str) -> str:
    """YAML over a preset of that kind: what the network is, how it is judged, and what it sees.

    The preset, or whoever trains, decides the rest: how long, how fast, and what the losses weigh.
    """
    height, width = network.size
    judges, made = network.judges, network.material
    generator = network.config().model_dump(mode="json", exclude={"kind", "draws", "dropout"})
    # Datasets of that many ids know no names: their classes are called by their numbers.
    generator["foreground"] = [str(channel) for channel in made.foreground_channels if generator["foreground"]]
    found: dict[str, Any] = {
        "conditioners": [use.name for use in made.uses],
        "conditioner_options": {use.name: drawn for use in made.uses if (drawn := _options(use, drawing=True))},
        "data": {"size": height, "aspect": width / height, "crop": made.crop},
        "generator": generator,
        "schedule": {"first": network.first},
    }
    kinds = {"discriminator": judges.image, "temporal": judges.temporal, "region": judges.region}
    for kind, config in kinds.items():
        if config is not None:
            found[kind] = config.model_dump(mode="json", exclude_unset=True)
    said = [
        f"# {name} trains on, from footage prepared with",
        f"#   {preparing(network)}",
        f"#   vid2vid train --preset {network.preset} --config {name}.yaml --from {name}.ckpt",
    ]
    return "\n".join(said) + "\n" + yaml.safe_dump(found, sort_keys=False)


def preparing(network: Network) -> str:
    """The command that makes a dataset of the conditions that the network sees."""
    line = ["vid2vid", "prepare"]
    for use in network.material.uses:
        line += ["--conditioner", use.name]
        for option, value in _options(use, drawing=False).items():
            line += ["--option", f"{use.name}.{_typed(option, value)}"]
    return shlex.join(line) + (" FOLDER" if network.preset == "street" else " VIDEO")


def _typed(option: str, value: Any) -> str:
    """An option as `prepare` is told it: classes by their number, outlines by the pictures that they come from."""
    match option:
        case "classes":
            return f"classes={len(value)}"
        case "edges":
            return "instances=INSTANCES"
    return f"{option}={json.dumps(value) if isinstance(value, bool) else value}"


def _options(use: ConditionerUse, *, drawing: bool) -> Mapping[str, Any]:
    """The options that differ from what they are unless somebody says otherwise: those of `train`, or of `prepare`."""
    usual = load_conditioner(use.name).options
    return {
        option: value
        for option, value in use.options.items()
        if value != usual.lasting().get(option) and (option in usual.names("drawing")) is drawing
    }
