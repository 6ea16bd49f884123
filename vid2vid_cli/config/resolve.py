"""The settings of a run, put together from layers, with where every value came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.model_variants import recipe, unused
from vid2vid_cli.config.presets import preset_names, preset_path, presets_dir, read_value, read_yaml
from vid2vid_cli.core.errors import ConfigError

__all__ = [
    "Resolved",
    "config_from_mapping",
    "dump_yaml",
    "load_layers",
    "preset_for",
    "preset_names",
    "preset_path",
    "presets_dir",
    "setting_keys",
]

SHOW_KEYS = "`vid2vid presets show` lists every setting with its value."
OPEN = "conditioner_options"
"""The one section whose settings the model does not know: OPEN.NAME.OPTION, each a layer's own."""


@dataclass(frozen=True)
class Resolved:
    """A whole configuration and, for every dotted key, the layer that its value came from."""

    config: Config
    origins: Mapping[str, str]

    def rows(self) -> Iterator[tuple[str, Any, str]]:
        """(dotted key, value as plain data, origin), in the order of the model, options of conditioners last."""
        values = dict(_leaves(self.config.model_dump(mode="json")))
        for key, origin in self.origins.items():
            yield key, values[key], origin


def load_layers(preset: str | None, config: Path | None, sets: Sequence[str], flags: Mapping[str, Any]) -> Resolved:
    """Model defaults < preset < what `model` sets < --config file < --set < flags (dotted key -> value; None: none).

    Raises: UnknownPresetError, MissingFileError, ConfigError with the field, its origin and the nearest name.
    """
    layers: list[tuple[str, dict[str, Any]]] = []
    if preset is not None:
        origin = f"preset {preset}"
        layers.append((origin, dict(_leaves(read_yaml(preset_path(preset), origin)))))
    if config is not None:
        origin = f"--config {config}"
        layers.append((origin, dict(_leaves(read_yaml(config, origin)))))
    layers.append(("--set", dict(_split_set(text) for text in sets)))
    for key, value in flags.items():
        if value is not None:
            layers.append((f"--{key.rpartition('.')[2]}", {key: value}))
    said = {key: value for _, leaves in layers for key, value in leaves.items()}
    layers.insert(preset is not None, (f"model={said.get('model')}", recipe(said)))
    resolved = _resolve(layers)
    for key, why in unused(resolved.config).items():
        if resolved.origins[key] == "--set":
            raise ConfigError(f"{key}: {why} (from --set).", "Leave it out.")
    return resolved


def config_from_mapping(data: Mapping[str, Any], origin: str) -> Config:
    """The configuration in nested plain data, as written by `dump_yaml`.

    Raises: ConfigError.
    """
    return _resolve([(origin, dict(_leaves(data)))]).config


def dump_yaml(config: Config) -> str:
    """Every setting as YAML; reading it back with `--config` gives the same configuration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def preset_for(conditioners: Sequence[str], otherwise: str = "tiny") -> str:
    """The preset for a dataset with these conditioners: of those made for them the one with the plainest name."""
    made_for = [name for name in preset_names() if read_yaml(preset_path(name), f"preset {name}").get("conditioners")]
    fitting = [name for name in made_for if load_layers(name, None, (), {}).config.takes(conditioners)]
    return min(fitting, key=len, default=otherwise)


def setting_keys(model: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """The dotted names of all settings, in the order of the model; conditioners' own options are not among them."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        if name == OPEN:
            continue
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += setting_keys(kind, f"{prefix}{name}.")
        else:
            keys.append(f"{prefix}{name}")
    return keys


def _resolve(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> Resolved:
    given: dict[str, Any] = {}
    origins = dict.fromkeys(setting_keys(), "default")
    for origin, leaves in layers:
        for key, value in leaves.items():
            if value is None and key in _sections(origins):
                continue  # a section in which every line is commented out
            _check_key(key, origin)
            given[key] = value
            origins[key] = origin
    try:
        config = Config.model_validate(_nest(given))
    except ValidationError as error:
        lines = [_say(problem, origins) for problem in error.errors()]
        raise ConfigError("\n".join(lines), SHOW_KEYS) from error
    return Resolved(config, origins)


def _sections(keys: Iterable[str]) -> set[str]:
    """The first words of dotted names: data, generator, ..."""
    return {OPEN, *(key.partition(".")[0] for key in keys if "." in key)}


def _check_key(key: str, origin: str) -> None:
    """Refuse a key that is no setting, with the nearest one that is."""
    keys = setting_keys()
    first, *words = key.split(".")
    if key in keys or (first == OPEN and len(words) == 2 and all(words)):
        return
    if first == OPEN:
        hint = f"Write {OPEN}.NAME.OPTION=VALUE, such as {OPEN}.pose.drop=0.1."
        raise ConfigError(f"{key}: not an option of a conditioner (from {origin}).", hint)
    inside = [name for name in keys if name.startswith(f"{key}.")]
    if inside:
        raise ConfigError(f"{key}: a section, not a setting (from {origin}).", f"It holds {', '.join(inside)}.")
    near = _nearest(key, keys)
    question = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ConfigError(f"{key}: not a setting (from {origin}).{question}", SHOW_KEYS)


def _nearest(key: str, keys: Sequence[str]) -> list[str]:
    """Up to three settings that may have been meant: same last word, then same spelling but for a slip."""
    last = key.rpartition(".")[2]
    same = [name for name in keys if name.rpartition(".")[2] == last]
    if same:
        return same[:3]
    near = get_close_matches(key, keys, n=1, cutoff=0.75)
    if near:
        return near
    words = get_close_matches(last, {name.rpartition(".")[2] for name in keys}, n=1, cutoff=0.7)
    return [name for name in keys if words and name.rpartition(".")[2] == words[0]][:3]


def _say(problem: Any, origins: Mapping[str, str]) -> str:
    """One line about one thing that pydantic refused."""
    key = _setting_of(problem["loc"], origins)
    message = str(problem["msg"]).removeprefix("Value error, ")
    if key not in origins:  # a rule between settings: name the layers of those it speaks of
        layers = sorted({origin for name, origin in origins.items() if name in message} - {"default"})
        return f"{message} (from {', '.join(layers)})." if layers else f"{message}."
    value = problem["input"]
    if key == "schema_version":
        return f"schema_version={value}: this vid2vid reads version 1 (from {origins[key]})."
    message = message.removeprefix("Input ").removeprefix("input ")
    return f"{key}={'null' if value is None else value}: {message} (from {origins[key]})."


def _setting_of(loc: Sequence[str | int], origins: Mapping[str, str]) -> str:
    """The setting a pydantic location lies in: ("temporal", "rates", 0) is inside temporal.rates."""
    for length in range(len(loc), 0, -1):
        key = ".".join(str(part) for part in loc[:length])
        if key in origins:
            return key
    return ""


def _split_set(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ConfigError(f"--set {text}: no value.", f"Write --set {key or 'data.size'}=VALUE.")
    return key, read_value(value, f"--set {text}")


def _leaves(data: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested sections as dotted keys; an empty section says nothing. What an option holds is its own affair."""
    for name, value in data.items():
        option = prefix.startswith(f"{OPEN}.") and prefix.count(".") == 2
        if isinstance(value, Mapping) and not option:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _nest(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `_leaves`."""
    tree: dict[str, Any] = {}
    for key, value in leaves.items():
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[name] = value
    return tree
