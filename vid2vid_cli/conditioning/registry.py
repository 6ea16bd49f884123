"""Discovery and loading of conditioner plugins. Discovery imports only the light specs.

Plugins are searched in this order, and the first plugin with a name is used: the folders of `plugins/` in a checkout,
the entry points of the group `vid2vid.conditioners`, and the environment variable
VID2VID_PLUGINS="name=module:ATTRIBUTE,...". VID2VID_LOAD_PLUGINS="a,b" restricts all sources to these names (empty:
none). A plugin that cannot be loaded is listed with the reason; the others are not affected.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vid2vid_cli.conditioning.spec import API_VERSION, ConditionerSpec, Requirement
from vid2vid_cli.core.errors import PluginError
from vid2vid_cli.core.suggest import suggest_names

if TYPE_CHECKING:
    from vid2vid_cli.conditioning.conditioner import Conditioner

ENTRY_POINT_GROUP = "vid2vid.conditioners"
PLUGINS_VARIABLE = "VID2VID_PLUGINS"
ALLOWED_PLUGINS_VARIABLE = "VID2VID_LOAD_PLUGINS"
DISTRIBUTION_NAME = "vid2vid-cli"

PluginStatus = Literal["ready", "needs packages", "broken", "ignored"]


@dataclass(frozen=True)
class DiscoveredPlugin:
    """A plugin that was found, its status, and the remedy if it cannot be used."""

    name: str
    spec: ConditionerSpec | None
    """None if the plugin is broken."""
    status: PluginStatus
    problem: str
    """Empty if the plugin is ready."""
    origin: str
    """Readable text: `built in`, a distribution and its version, or the environment variable."""
    remedy: str = ""
    """Command or change that makes it usable; empty if none is needed."""


@dataclass(frozen=True)
class _PluginCandidate:
    """A plugin whose spec has not been loaded yet."""

    name: str
    origin: str
    remedy: str
    load: Callable[[], object]


def find_conditioners() -> list[DiscoveredPlugin]:
    """Return all installed conditioners in search order. Never raises."""
    plugins: dict[str, DiscoveredPlugin] = {}
    allowed_names = _allowed_names()
    for candidate in _candidates():
        if allowed_names is not None and candidate.name not in allowed_names:
            continue
        existing = plugins.get(candidate.name)
        if existing is None:
            plugins[candidate.name] = _load_candidate(candidate)
        elif candidate.origin not in ("built in", existing.origin):
            label = f"{candidate.name} ({candidate.origin})"
            problem = f"the name is already used by {existing.origin}"
            plugins[label] = DiscoveredPlugin(label, None, "ignored", problem, candidate.origin, "rename it")
    return list(plugins.values())


def missing_requirements(spec: ConditionerSpec) -> list[Requirement]:
    """Return the packages that `annotate` needs and that are not installed; imports none of them.

    If all requirements are optional, they are alternatives: one installed package is enough.
    """
    missing = [requirement for requirement in spec.requires if not is_installed(requirement.module)]
    needed = [requirement for requirement in missing if not requirement.is_optional]
    alternatives = bool(spec.requires) and all(requirement.is_optional for requirement in spec.requires)
    if alternatives and len(missing) == len(spec.requires):
        return missing
    return needed


def load_conditioner(name: str, options: Mapping[str, Any] | None = None) -> Conditioner:
    """Return the conditioner `name` with these options (values, or strings as typed). Loads no weights.

    Raises: PluginError (unknown or broken), ConfigError (unknown option or invalid value).
    """
    from vid2vid_cli.conditioning.options import parse_options

    plugins = {plugin.name: plugin for plugin in find_conditioners()}
    if name not in plugins:
        hint = suggest_names(name, plugins, max_suggestions=1) or f"Available: {', '.join(plugins) or 'none'}."
        raise PluginError(f"Unknown conditioner {name!r}.", hint)
    plugin = plugins[name]
    if plugin.spec is None:
        raise PluginError(f"The conditioner {name!r} ({plugin.origin}) is broken: {plugin.problem}", plugin.remedy)
    conditioner_class = _import_implementation(plugin)
    return conditioner_class(parse_options(name, conditioner_class.Options, options or {}))


def _import_implementation(plugin: DiscoveredPlugin) -> type[Conditioner]:
    """Import the class that a spec names. Raises: PluginError."""
    from vid2vid_cli.conditioning.conditioner import Conditioner

    assert plugin.spec is not None
    try:
        conditioner_class = _import_attribute(plugin.spec.implementation)
    except (Exception, SystemExit) as error:
        message = f"The conditioner {plugin.name!r} ({plugin.origin}) is broken: {_describe_error(error)}"
        raise PluginError(message, _reinstall_hint(plugin.origin)) from error
    if not (isinstance(conditioner_class, type) and issubclass(conditioner_class, Conditioner)):
        message = f"The conditioner {plugin.name!r} is broken: {plugin.spec.implementation} is not a Conditioner."
        raise PluginError(message, _reinstall_hint(plugin.origin))
    return conditioner_class


def _load_candidate(candidate: _PluginCandidate) -> DiscoveredPlugin:
    """Load a spec; any error gives a plugin with the status `broken`."""
    try:
        spec = candidate.load()
    except (Exception, SystemExit) as error:
        return DiscoveredPlugin(
            candidate.name, None, "broken", _describe_error(error), candidate.origin, candidate.remedy
        )
    if not isinstance(spec, ConditionerSpec):
        problem = f"it provides {type(spec).__name__}, not a ConditionerSpec"
        return DiscoveredPlugin(candidate.name, None, "broken", problem, candidate.origin, candidate.remedy)
    if spec.api_version != API_VERSION:
        problem = f"it uses version {spec.api_version} of the plugin API, but this is version {API_VERSION}"
        outdated_package = "the plugin" if spec.api_version < API_VERSION else DISTRIBUTION_NAME
        return DiscoveredPlugin(candidate.name, None, "broken", problem, candidate.origin, f"update {outdated_package}")
    missing = missing_requirements(spec)
    if missing:
        problem = "not installed: " + ", ".join(requirement.module for requirement in missing)
        # Of alternatives, the first is the recommended one.
        remedy = missing[0].install_command if all(r.is_optional for r in missing) else _join_install_commands(missing)
        return DiscoveredPlugin(candidate.name, spec, "needs packages", problem, candidate.origin, remedy)
    return DiscoveredPlugin(candidate.name, spec, "ready", "", candidate.origin)


def _candidates() -> Iterator[_PluginCandidate]:
    yield from _checkout_candidates()
    yield from _entry_point_candidates()
    yield from _environment_candidates()


def _checkout_candidates() -> Iterator[_PluginCandidate]:
    """Yield the plugin folders of a checkout, which need no installation."""
    root = Path(__file__).resolve().parents[2] / "plugins"
    folders = sorted(root.glob("vid2vid_*/__init__.py"))
    if folders and str(root) not in sys.path:
        sys.path.append(str(root))
    for folder in folders:
        module = folder.parent.name
        remedy = f"fix plugins/{module}"
        yield _PluginCandidate(module.removeprefix("vid2vid_"), "built in", remedy, _make_loader(f"{module}:SPEC"))


def _entry_point_candidates() -> Iterator[_PluginCandidate]:
    try:
        entry_points = sorted(metadata.entry_points(group=ENTRY_POINT_GROUP), key=_sort_key)
    except Exception:  # a distribution with unreadable metadata
        return
    for entry_point in entry_points:
        origin = _describe_origin(entry_point)
        yield _PluginCandidate(entry_point.name, origin, _reinstall_hint(origin), entry_point.load)


def _sort_key(entry_point: metadata.EntryPoint) -> tuple[bool, str, str]:
    origin = _describe_origin(entry_point)
    return origin != "built in", entry_point.name, origin


def _describe_origin(entry_point: metadata.EntryPoint) -> str:
    try:
        if entry_point.dist is None:
            return "an entry point"
        name, version = entry_point.dist.metadata["Name"], entry_point.dist.version
    except Exception:  # damaged metadata of another package
        return "an entry point"
    return "built in" if name == DISTRIBUTION_NAME else f"{name} {version}"


def _environment_candidates() -> Iterator[_PluginCandidate]:
    for item in filter(None, (part.strip() for part in os.environ.get(PLUGINS_VARIABLE, "").split(","))):
        name, _, target = item.partition("=")
        yield _PluginCandidate(
            name.strip(),
            f"${PLUGINS_VARIABLE}",
            f"fix {item!r} in ${PLUGINS_VARIABLE}",
            _make_loader(target.strip()),
        )


def _make_loader(target: str) -> Callable[[], object]:
    return lambda: _import_attribute(target)


def _import_attribute(target: str) -> object:
    """Import `module:NAME`."""
    module, _, attribute_name = target.partition(":")
    if not module or not attribute_name:
        raise ValueError(f"{target!r} is not of the form module:NAME")
    return getattr(import_module(module), attribute_name)


def _allowed_names() -> set[str] | None:
    value = os.environ.get(ALLOWED_PLUGINS_VARIABLE)
    return None if value is None else {part.strip() for part in value.split(",")}


def is_installed(module: str) -> bool:
    """Return whether a module can be found, without importing it."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):  # the parent package is missing or unusual
        return False


def _join_install_commands(missing: list[Requirement]) -> str:
    return " && ".join(dict.fromkeys(requirement.install_command for requirement in missing))


def _reinstall_hint(origin: str) -> str:
    if origin == "built in":
        return f"pip install --force-reinstall {DISTRIBUTION_NAME}"
    name = origin.split()[0]
    return f"update it, or: pip uninstall {name}" if " " in origin else "update or remove its package"


def _describe_error(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
