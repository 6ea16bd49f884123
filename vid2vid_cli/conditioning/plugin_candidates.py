"""The places where plugins are searched: a checkout, entry points, and an environment variable."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

ENTRY_POINT_GROUP = "vid2vid.conditioners"
PLUGINS_VARIABLE = "VID2VID_PLUGINS"
DISTRIBUTION_NAME = "vid2vid-cli"


@dataclass(frozen=True)
class PluginCandidate:
    """A plugin whose spec has not been loaded yet."""

    name: str
    origin: str
    remedy: str
    load: Callable[[], object]


def find_candidates() -> Iterator[PluginCandidate]:
    """Yield all plugins in search order. Imports none of them."""
    yield from _checkout_candidates()
    yield from _entry_point_candidates()
    yield from _environment_candidates()


def _checkout_candidates() -> Iterator[PluginCandidate]:
    """Yield the plugin folders of a checkout, which need no installation."""
    root = Path(__file__).resolve().parents[2] / "plugins"
    folders = sorted(root.glob("vid2vid_*/__init__.py"))
    if folders and str(root) not in sys.path:
        sys.path.append(str(root))
    for folder in folders:
        module = folder.parent.name
        remedy = f"fix plugins/{module}"
        yield PluginCandidate(module.removeprefix("vid2vid_"), "built in", remedy, _make_loader(f"{module}:SPEC"))


def _entry_point_candidates() -> Iterator[PluginCandidate]:
    """Yield the plugins of installed distributions: those of this project, then by name."""
    origins: dict[int, str] = {}  # reading the metadata of a distribution takes milliseconds
    candidates = []
    try:
        for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP):
            distribution = entry_point.dist
            if id(distribution) not in origins:
                origins[id(distribution)] = _describe_origin(distribution)
            origin = origins[id(distribution)]
            candidates.append(PluginCandidate(entry_point.name, origin, reinstall_hint(origin), entry_point.load))
    except Exception:  # a distribution with unreadable metadata
        return
    yield from sorted(candidates, key=lambda item: (item.origin != "built in", item.name, item.origin))


def _describe_origin(distribution: metadata.Distribution | None) -> str:
    if distribution is None:
        return "an entry point"
    try:
        fields = distribution.metadata
        name, version = fields["Name"], fields["Version"]
    except Exception:  # damaged metadata of another package
        return "an entry point"
    return "built in" if name == DISTRIBUTION_NAME else f"{name} {version}"


def _environment_candidates() -> Iterator[PluginCandidate]:
    for item in filter(None, (part.strip() for part in os.environ.get(PLUGINS_VARIABLE, "").split(","))):
        name, _, target = item.partition("=")
        yield PluginCandidate(
            name.strip(),
            f"${PLUGINS_VARIABLE}",
            f"fix {item!r} in ${PLUGINS_VARIABLE}",
            _make_loader(target.strip()),
        )


def _make_loader(target: str) -> Callable[[], object]:
    return lambda: import_attribute(target)


def import_attribute(target: str) -> object:
    """Import `module:NAME`."""
    module, _, attribute_name = target.partition(":")
    if not module or not attribute_name:
        raise ValueError(f"{target!r} is not of the form module:NAME")
    return getattr(import_module(module), attribute_name)


def reinstall_hint(origin: str) -> str:
    """The command that installs a plugin of this origin again."""
    if origin == "built in":
        return f"pip install --force-reinstall {DISTRIBUTION_NAME}"
    name = origin.split()[0]
    return f"update it, or: pip uninstall {name}" if " " in origin else "update or remove its package"
