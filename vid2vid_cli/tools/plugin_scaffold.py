"""A new plugin package: a small conditioner that works, its test and its packaging, written from `plugin_template/`.

Every file of the template ends in .txt and holds `$names` of string.Template; NAME in a path is the plugin's name.
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
from vid2vid_cli.core.errors import ConfigError, ExistsError, PluginError
from vid2vid_cli.media.os_errors import writing_failed

TEMPLATE = Path(__file__).parent / "plugin_template"
LONGEST = 24
"""Letters of a name; lines of the template then stay short."""
RESERVED = ("frames",)
"""Names of other things beside an annotation's folder."""


@dataclass(frozen=True)
class NewPlugin:
    """A package that was written."""

    path: Path
    """Its folder."""
    files: tuple[Path, ...]
    """Relative to it."""


def new_plugin(name: str, out: Path) -> NewPlugin:
    """Write the package of a conditioner called `name` to the folder `out`/vid2vid-`name`, whole or not at all.

    Raises: ConfigError (not a name), PluginError (a conditioner or module of that name is there), ExistsError (the
    folder is), PermissionDeniedError, DiskFullError.
    """
    check_name(name)
    folder = out / f"vid2vid-{name.replace('_', '-')}"
    if folder.exists() or folder.is_symlink():
        raise ExistsError(f"{folder} is already there.", "Choose another name, or another place with --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        unfinished = Path(mkdtemp(prefix=f".{folder.name}-", dir=out))
    except OSError as error:
        raise writing_failed(folder, error) from error
    try:
        files = tuple(_fill(unfinished, name))
        unfinished.chmod(0o755)  # mkdtemp makes it private
        unfinished.rename(folder)
    except OSError as error:
        raise writing_failed(folder, error) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return NewPlugin(folder, files)


def check_name(name: str) -> None:
    """Whether a new conditioner may have this name. Raises ConfigError, PluginError."""
    if not re.fullmatch(f"[a-z][a-z0-9_]{{0,{LONGEST - 1}}}", name) or keyword.iskeyword(name) or name in RESERVED:
        better = _better(name)
        rule = f"up to {LONGEST} lower-case letters, digits and _, a letter first; such as depth"
        hint = f"Did you mean {better}?" if better else f"Choose another: {rule}."
        reason = "means something else" if name in RESERVED or keyword.iskeyword(name) else f"a name is {rule}"
        raise ConfigError(f"{name!r} cannot be the name of a conditioner: {reason}.", hint)
    for found in find_conditioners():
        if found.name == name:
            raise PluginError(
                f"There is a conditioner called {name!r} already ({found.origin}).",
                f"Choose another name; vid2vid plugins show {name} says what that one does.",
            )
    if find_spec(f"vid2vid_{name}") is not None:
        raise PluginError(f"There is a Python package called vid2vid_{name} already.", "Choose another name.")


def _better(name: str) -> str:
    """A name like it that would do; "" where there is none."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower()
    better = re.sub("[^a-z0-9]+", "_", words).strip("_").removeprefix("vid2vid_").lstrip("0123456789_")
    allowed = 0 < len(better) <= LONGEST and not keyword.iskeyword(better) and better not in RESERVED
    return better if allowed and better != name else ""


def _fill(folder: Path, name: str) -> list[Path]:
    """Write every file of the template under `folder`; their paths within it."""
    stem = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    words = {
        "name": name,
        "package": f"vid2vid_{name}",
        "distribution": f"vid2vid-{name.replace('_', '-')}",
        "stem": stem,
        "kind": f"{stem}Conditioner",
        "version": __version__,
    }
    written = []
    for source in sorted(TEMPLATE.rglob("*.txt")):
        place = Path(str(source.relative_to(TEMPLATE).with_suffix("")).replace("NAME", name))
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        text = Template(source.read_text(encoding="utf-8")).substitute(words)
        (folder / place).write_text(text, encoding="utf-8")
        written.append(place)
    return written
