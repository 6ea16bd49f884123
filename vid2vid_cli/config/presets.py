"""Presets as files: where they lie, their names, and YAML read without surprises. No pydantic here."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from vid2vid_cli.core.errors import (
    ConfigError,
    ExistsError,
    MissingFileError,
    PermissionDeniedError,
    UnknownPresetError,
)
from vid2vid_cli.core.suggest import did_you_mean

SUFFIXES = (".yaml", ".yml")


def presets_dir() -> Path:
    """The folder of the presets that come with vid2vid: in the package if installed, beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "presets"
    return inside if inside.is_dir() else package.parent / "presets"


def preset_names() -> list[str]:
    """The names of the presets that come with vid2vid, sorted."""
    return sorted(path.stem for path in presets_dir().glob("*.yaml"))


def preset_path(name: str) -> Path:
    """The file of a preset; a path that ends in .yaml is a preset of the user's own.

    Raises: UnknownPresetError with the nearest name, MissingFileError for a path.
    """
    if name.endswith(SUFFIXES) or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise MissingFileError(f"{name}: no such preset file.", _presets_hint())
        return path
    names = preset_names()
    if name in names:
        return presets_dir() / f"{name}.yaml"
    question = did_you_mean(name, names, most=1, near=0.5)
    raise UnknownPresetError(f"{name}: not a preset. {question}".rstrip(), _presets_hint())


def preset_summary(name: str) -> str:
    """The sentence that a preset says about itself."""
    return str(read_yaml(preset_path(name), f"preset {name}").get("summary", ""))


def copy_preset(name: str, to: Path | None, *, overwrite: bool = False) -> Path:
    """Copy a preset, comments and all, to `to` (default: my-NAME.yaml here), and give its path.

    Raises: UnknownPresetError, ExistsError, PermissionDeniedError.
    """
    source = preset_path(name)
    target = to if to is not None else Path(f"my-{source.stem}.yaml")
    if target.is_dir():
        target = target / source.name
    if target.exists() and not overwrite:
        raise ExistsError(f"{target}: is already there.", "Name another file, or add --overwrite.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    except PermissionError as error:
        raise PermissionDeniedError(f"{target}: may not be written.", "Choose another place.") from error
    return target


def read_yaml(path: Path, origin: str) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty mapping.

    Raises: ConfigError (not YAML, not a mapping, a key twice), MissingFileError, PermissionDeniedError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingFileError(f"{path}: no such file.", "Check the path.") from error
    except PermissionError as error:
        raise PermissionDeniedError(f"{path}: may not be read.", "Check the permissions of the file.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file.", "Settings are YAML, such as `data: {size: 128}`.") from error
    try:
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {_one_line(error)}.", f"Mend {origin}.") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: holds {_kind(data)}, not settings.", "Write `section:` and under it `name: value`.")
    return data


def read_value(text: str, origin: str) -> Any:
    """One value as YAML reads it: 3, 1e-4, true, null, [1, 3], instance.

    Raises: ConfigError.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        hint = "Write a number, a word, or a list such as [1, 3]; quote it in the shell."
        raise ConfigError(f"{origin}: not a value: {_one_line(error)}.", hint) from error


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-4 as a number and refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                twice = f"{key.value} stands there twice"
                raise yaml.constructor.ConstructorError(None, None, twice, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def _one_line(error: yaml.YAMLError) -> str:
    """What YAML complains of, with the line, in one line."""
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    mark = getattr(error, "problem_mark", None)
    return f"{problem} (line {mark.line + 1})" if mark is not None else str(problem)


def _kind(data: object) -> str:
    """What a YAML document is, for people."""
    return "a list" if isinstance(data, list) else "a single value"


def _presets_hint() -> str:
    return f"`vid2vid presets list` shows them: {', '.join(preset_names())}."
