"""Creates the package of a new plugin from `plugin_template/`: a working conditioner, its tests and its packaging.

Every file of the template ends in .txt and contains `$names` of string.Template; NAME in a path is replaced by the
name of the plugin.
"""

from __future__ import annotations

import keyword
import re
import shutil
import unicodedata
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from string import Template
from tempfile import mkdtemp

from vid2vid_cli import __version__
from vid2vid_cli.conditioning.registry import find_conditioners
from vid2vid_cli.core.errors import ConfigError, OutputExistsError, PluginError
from vid2vid_cli.media.os_errors import write_error

TEMPLATE_FOLDER = Path(__file__).parent / "plugin_template"
MAX_NAME_LENGTH = 24
"""Maximum length of a name; keeps the lines of the template short enough."""
RESERVED_NAMES = ("frames",)
"""Names of other folders of a dataset clip."""


@dataclass(frozen=True)
class PluginScaffold:
    """A plugin package that was created."""

    path: Path
    """The folder of the package."""
    files: tuple[Path, ...]
    """Its files, relative to `path`."""


def create_plugin(name: str, out: Path) -> PluginScaffold:
    """Create the package of a conditioner `name` in the folder `out`/vid2vid-`name`, atomically.

    Raises: ConfigError (invalid name), PluginError (a conditioner or module of this name exists), OutputExistsError
    (the folder exists), PermissionDeniedError, DiskFullError.
    """
    check_plugin_name(name)
    folder = out / f"vid2vid-{name.replace('_', '-')}"
    if folder.exists() or folder.is_symlink():
        raise OutputExistsError(f"{folder} already exists.", "Choose another name, or another folder with --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        temporary_folder = Path(mkdtemp(prefix=f".{folder.name}-", dir=out))
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        files = tuple(_write_template(temporary_folder, name))
        temporary_folder.chmod(0o755)  # mkdtemp uses 0o700
        temporary_folder.rename(folder)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(temporary_folder, ignore_errors=True)
    return PluginScaffold(folder, files)


def check_plugin_name(name: str) -> None:
    """Check that a new conditioner may have this name. Raises: ConfigError, PluginError."""
    if (
        not re.fullmatch(f"[a-z][a-z0-9_]{{0,{MAX_NAME_LENGTH - 1}}}", name)
        or keyword.iskeyword(name)
        or name in RESERVED_NAMES
    ):
        suggestion = _suggest_name(name)
        rule = f"up to {MAX_NAME_LENGTH} lower-case letters, digits and _, starting with a letter, such as depth"
        hint = f"Did you mean {suggestion}?" if suggestion else f"Choose another name: {rule}."
        is_reserved = name in RESERVED_NAMES or keyword.iskeyword(name)
        reason = "the name is reserved" if is_reserved else f"a name has {rule}"
        raise ConfigError(f"{name!r} is not a valid name of a conditioner: {reason}.", hint)
    for plugin in find_conditioners():
        if plugin.name == name:
            raise PluginError(
                f"A conditioner named {name!r} already exists ({plugin.origin}).",
                f"Choose another name; vid2vid plugins show {name} describes the existing conditioner.",
            )
    if find_spec(f"vid2vid_{name}") is not None:
        raise PluginError(f"A Python package named vid2vid_{name} already exists.", "Choose another name.")


def _suggest_name(name: str) -> str:
    """Return a similar valid name; "" if there is none."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    snake_case_name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", ascii_name).lower()
    suggestion = re.sub("[^a-z0-9]+", "_", snake_case_name).strip("_").removeprefix("vid2vid_").lstrip("0123456789_")
    is_allowed = (
        0 < len(suggestion) <= MAX_NAME_LENGTH
        and not keyword.iskeyword(suggestion)
        and suggestion not in RESERVED_NAMES
    )
    return suggestion if is_allowed and suggestion != name else ""


def _write_template(folder: Path, name: str) -> list[Path]:
    """Write all files of the template to `folder`; return their relative paths."""
    class_prefix = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    substitutions = {
        "name": name,
        "package": f"vid2vid_{name}",
        "distribution": f"vid2vid-{name.replace('_', '-')}",
        "class_prefix": class_prefix,
        "conditioner_class": f"{class_prefix}Conditioner",
        "version": __version__,
    }
    written_paths = []
    for source in sorted(TEMPLATE_FOLDER.rglob("*.txt")):
        relative_path = Path(str(source.relative_to(TEMPLATE_FOLDER).with_suffix("")).replace("NAME", name))
        (folder / relative_path).parent.mkdir(parents=True, exist_ok=True)
        text = Template(source.read_text(encoding="utf-8")).substitute(substitutions)
        (folder / relative_path).write_text(text, encoding="utf-8")
        written_paths.append(relative_path)
    return written_paths
