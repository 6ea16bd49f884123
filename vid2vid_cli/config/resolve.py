"""Merges the layers of a configuration and records the origin of every value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.model_variants import variant_overrides
from vid2vid_cli.config.other_names import FORMER_NAMES, find_by_other_name
from vid2vid_cli.config.presets import preset_names, preset_path, presets_dir, read_value, read_yaml
from vid2vid_cli.config.unused_settings import unused_settings
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.parsing import shorten

__all__ = [
    "ResolvedConfig",
    "check_overrides",
    "config_from_mapping",
    "dump_yaml",
    "preset_names",
    "preset_path",
    "presets_dir",
    "resolve_config",
    "setting_keys",
    "suggest_settings",
]

LIST_SETTINGS_HINT = "`vid2vid presets show tiny` lists every setting with its value."
OPTIONS_SECTION = "conditioner_options"
"""The section of conditioner_options.NAME.OPTION, whose keys are defined by the plugins."""


@dataclass(frozen=True)
class ResolvedConfig:
    """A configuration and, for every dotted key, the layer that its value came from."""

    config: Config
    origins: Mapping[str, str]

    @property
    def chosen_settings(self) -> frozenset[str]:
        """The keys that the command line or a --config file has set."""
        return frozenset(key for key, origin in self.origins.items() if origin.startswith("--"))

    def iter_rows(self) -> Iterator[tuple[str, Any, str]]:
        """(dotted key, value as plain data, origin) in the order of the config classes; conditioner options last."""
        values = dict(flatten_settings(self.config.model_dump(mode="json")))
        for key, origin in self.origins.items():
            yield key, values[key], origin


def resolve_config(
    preset: str | None,
    config_path: Path | None,
    overrides: Sequence[str] = (),
    flag_values: Mapping[str, tuple[str, Any]] = MappingProxyType({}),
) -> ResolvedConfig:
    """Layers, each over the one before: defaults, preset, model family, --config file, --set, other options.

    `flag_values` are {flag: (dotted key, value)}; a value of None is skipped.

    Raises: UnknownPresetError, MissingFileError, ConfigError (names the key, its origin and similar keys).
    """
    layers: list[tuple[str, dict[str, Any]]] = []
    if preset is not None:
        origin = f"preset {preset}"
        layers.append((origin, dict(flatten_settings(read_yaml(preset_path(preset), origin)))))
    if config_path is not None:
        origin = f"--config {config_path}"
        layers.append((origin, dict(flatten_settings(read_yaml(config_path, origin)))))
    layers.append(("--set", dict(_parse_set_option(text) for text in overrides)))
    layers += [(flag, {key: value}) for flag, (key, value) in flag_values.items() if value is not None]
    all_settings = {key: value for _, leaves in layers for key, value in leaves.items()}
    layers.insert(preset is not None, (f"model={all_settings.get('model')}", variant_overrides(all_settings)))
    resolved = _merge_layers(layers)
    for key, reason in unused_settings(resolved.config).items():
        if resolved.origins[key] == "--set":
            raise ConfigError(f"{key}: {reason} (from --set).", "Leave it out.")
    return resolved


def check_overrides(overrides: Sequence[str]) -> None:
    """Raise ConfigError for KEY=VALUE whose key is not a setting, before anything else is read."""
    for text in overrides:
        _check_key(_parse_set_option(text)[0], "--set")


def config_from_mapping(data: Mapping[str, Any], origin: str) -> Config:
    """The configuration from nested plain data, as written by `dump_yaml`.

    Raises: ConfigError.
    """
    return _merge_layers([(origin, dict(flatten_settings(data)))]).config


def dump_yaml(config: Config) -> str:
    """All settings as YAML; `--config` reads the same configuration from it."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def setting_keys(section_class: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """The dotted keys of all settings in the order of the classes, without the options of conditioners."""
    keys: list[str] = []
    for name, field in section_class.model_fields.items():
        if name == OPTIONS_SECTION:
            continue
        field_type = field.annotation
        if isinstance(field_type, type) and issubclass(field_type, BaseModel):
            keys += setting_keys(field_type, f"{prefix}{name}.")
        else:
            keys.append(f"{prefix}{name}")
    return keys


def _merge_layers(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> ResolvedConfig:
    settings: dict[str, Any] = {}
    origins = dict.fromkeys(setting_keys(), "default")
    for origin, leaves in layers:
        _check_schema_version(leaves, origin)
        for key, value in leaves.items():
            if value is None and key in _section_names(origins):
                continue  # every line of the section is commented out
            _check_key(key, origin)
            settings[key] = value
            origins[key] = origin
    try:
        config = Config.model_validate(_unflatten(settings))
    except ValidationError as error:
        messages = [_describe_problem(problem, origins) for problem in error.errors()]
        raise ConfigError("\n".join(messages), LIST_SETTINGS_HINT) from error
    return ResolvedConfig(config, origins)


def _check_schema_version(leaves: Mapping[str, Any], origin: str) -> None:
    """Raise ConfigError for another schema version, before its other keys are reported as unknown."""
    version, expected = leaves.get("schema_version"), Config.model_fields["schema_version"].default
    if version not in (None, expected):
        raise ConfigError(
            f"schema_version={version}: this version of vid2vid reads version {expected} (from {origin}).",
            "For a run, train again with `vid2vid train`; for a file of settings, remove schema_version and rename the "
            "keys that are reported as unknown.",
        )


def _section_names(keys: Iterable[str]) -> set[str]:
    """The sections and subsections of dotted keys: data, generator, discriminators, discriminators.image, ..."""
    names = {OPTIONS_SECTION}
    for key in keys:
        *sections, _ = key.split(".")
        names |= {".".join(sections[:length]) for length in range(1, len(sections) + 1)}
    return names


def _check_key(key: str, origin: str) -> None:
    """Raise ConfigError with suggestions if the key is not a setting."""
    keys = setting_keys()
    section, *option_path = key.split(".")
    if key in keys or (section == OPTIONS_SECTION and len(option_path) == 2 and all(option_path)):
        return
    if section == OPTIONS_SECTION:
        hint = f"Write {OPTIONS_SECTION}.NAME.OPTION=VALUE, such as {OPTIONS_SECTION}.pose.joint_dropout=0.1."
        raise ConfigError(f"{key}: not a conditioner option (from {origin}).", hint)
    section_keys = [name for name in keys if name.startswith(f"{key}.")]
    if section_keys:
        raise ConfigError(
            f"{key}: a section, not a setting (from {origin}).", f"Its settings: {', '.join(section_keys)}."
        )
    suggestions = suggest_settings(key)
    suggestion_text = f" Did you mean {' or '.join(suggestions)}?" if suggestions else ""
    raise ConfigError(f"{key}: not a setting (from {origin}).{suggestion_text}", LIST_SETTINGS_HINT)


def suggest_settings(key: str) -> list[str]:
    """Up to three similar settings: by another name of a setting, by the last part of the key, or by spelling."""
    keys = setting_keys()
    if other_names := find_by_other_name(key):
        return other_names[:3]
    last_part = key.rpartition(".")[2]
    same_name_keys = [name for name in keys if name.rpartition(".")[2] == last_part]
    if same_name_keys:
        return same_name_keys[:3]
    close_keys = get_close_matches(key, [*keys, *FORMER_NAMES], n=1, cutoff=0.75)
    if close_keys:
        return [FORMER_NAMES.get(close_keys[0], close_keys[0])]
    close_names = get_close_matches(last_part, {name.rpartition(".")[2] for name in keys}, n=1, cutoff=0.7)
    return [name for name in keys if close_names and name.rpartition(".")[2] == close_names[0]][:3]


def _describe_problem(problem: Any, origins: Mapping[str, str]) -> str:
    """One line on one validation error of pydantic."""
    setting_key = _setting_key(problem["loc"], origins)
    message = str(problem["msg"]).removeprefix("Value error, ")
    if setting_key not in origins:  # a rule between settings: name the layers of all settings in its message
        layers = sorted({origin for name, origin in origins.items() if name in message} - {"default"})
        return f"{message} (from {', '.join(layers)})." if layers else f"{message}."
    value = problem["input"]
    message = message.removeprefix("Input ").removeprefix("input ")
    value_text = "null" if value is None else value if isinstance(value, str) and len(value) < 80 else shorten(value)
    return f"{setting_key}={value_text}: {message} (from {origins[setting_key]})."


def _setting_key(location: Sequence[str | int], origins: Mapping[str, str]) -> str:
    """The setting of a pydantic location: ("data", "random_resize", 0) -> data.random_resize."""
    for length in range(len(location), 0, -1):
        key = ".".join(str(part) for part in location[:length])
        if key in origins:
            return key
    return ""


def _parse_set_option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ConfigError(f"--set {text}: no value.", f"Write --set {key or 'data.height'}=VALUE.")
    return key, read_value(value, f"--set {text}")


def flatten_settings(data: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested sections as dotted keys; empty sections give none. Values of conditioner options are not flattened."""
    for name, value in data.items():
        is_option = prefix.startswith(f"{OPTIONS_SECTION}.") and prefix.count(".") == 2
        if isinstance(value, Mapping) and not is_option:
            yield from flatten_settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _unflatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten_settings`."""
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        *section_names, name = key.split(".")
        branch = tree
        for section in section_names:
            branch = branch.setdefault(section, {})
        branch[name] = value
    return tree
