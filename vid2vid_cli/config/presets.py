"""Preset files: their folder and names, and strict YAML. Does not import pydantic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vid2vid_cli.core.errors import (
    ConfigError,
    MissingFileError,
    OutputExistsError,
    PermissionDeniedError,
    UnknownPresetError,
)
from vid2vid_cli.core.parsing import parse_yaml
from vid2vid_cli.core.suggest import suggest_names

YAML_SUFFIXES = (".yaml", ".yml")


def presets_dir() -> Path:
    """The folder of the bundled presets: in the package if installed, beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    packaged_folder = package / "presets"
    return packaged_folder if packaged_folder.is_dir() else package.parent / "presets"


def preset_names() -> list[str]:
    """The names of the bundled presets, sorted."""
    return sorted(path.stem for path in presets_dir().glob("*.yaml"))


def preset_path(name: str) -> Path:
    """The file of a preset; names that end in .yaml or contain / are paths.

    Raises: UnknownPresetError (names the most similar preset), MissingFileError (a path).
    """
    if name.endswith(YAML_SUFFIXES) or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise MissingFileError(f"{name}: no such preset file.", _presets_hint())
        return path
    names = preset_names()
    if name in names:
        return presets_dir() / f"{name}.yaml"
    suggestion = suggest_names(name, names, max_suggestions=1, min_similarity=0.5)
    raise UnknownPresetError(f"{name}: not a preset. {suggestion}".rstrip(), _presets_hint())


def preset_summary(name: str) -> str:
    """The `summary` of a preset."""
    return str(read_yaml(preset_path(name), f"preset {name}").get("summary", ""))


def copy_preset(name: str, destination: Path | None, *, overwrite: bool = False) -> Path:
    """Copy a preset with its comments to `destination` (default: my-NAME.yaml) and return the path.

    Raises: UnknownPresetError, OutputExistsError, PermissionDeniedError.
    """
    source = preset_path(name)
    target = destination if destination is not None else Path(f"my-{source.stem}.yaml")
    if target.is_dir():
        target = target / source.name
    if target.exists() and not overwrite:
        raise OutputExistsError(f"{target} exists already.", "Name another file, or add --overwrite.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    except PermissionError as error:
        raise PermissionDeniedError(
            f"{target} cannot be written: permission denied.", "Choose another folder."
        ) from error
    return target


def read_yaml(path: Path, origin: str) -> dict[str, Any]:
    """The mapping in a YAML file; {} for an empty file.

    Raises: ConfigError (not YAML, not a mapping, a duplicate key), MissingFileError, PermissionDeniedError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise MissingFileError(f"{path}: no such file.", "Check the path.") from error
    except PermissionError as error:
        raise PermissionDeniedError(
            f"{path} cannot be read: permission denied.", "Check the permissions of the file."
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file.", "Settings are YAML, such as `data: {height: 128}`.") from error
    try:
        data = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}.", f"Fix {origin}.") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path}: contains {_describe_document(data)}, not settings.",
            "Write `section:` and below it, indented, `name: value`.",
        )
    return data


def read_value(text: str, origin: str) -> Any:
    """One YAML value: 3, 1e-4, true, null, [1, 3], instance.

    Raises: ConfigError.
    """
    try:
        return parse_yaml(text)
    except ValueError as error:
        hint = "Write a number, a word, or a list such as [1, 3], and quote it for the shell."
        raise ConfigError(f"{origin}: not a value: {error}.", hint) from error


def _describe_document(data: object) -> str:
    """The type of a YAML document, for error messages."""
    return "a list" if isinstance(data, list) else "a single value"


def _presets_hint() -> str:
    return f"Presets: {', '.join(preset_names())}; `vid2vid presets list` describes them."
