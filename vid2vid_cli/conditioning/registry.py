"""Discovery and loading of conditioner plugins. Discovery imports only the light specs.

Plugins are searched in this order, and the first plugin with a name is used: the folders of `plugins/` in a checkout,
the entry points of the group `vid2vid.conditioners`, and the environment variable
VID2VID_PLUGINS="name=module:ATTRIBUTE,...". VID2VID_LOAD_PLUGINS="a,b" restricts all sources to these names (empty:
none). A plugin that cannot be loaded is listed with the reason; the others are not affected.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, cast

from vid2vid_cli.conditioning.plugin_calls import plugin_call
from vid2vid_cli.conditioning.plugin_candidates import (
    DISTRIBUTION_NAME,
    PLUGINS_VARIABLE,
    PluginCandidate,
    find_candidates,
    import_attribute,
    reinstall_hint,
)
from vid2vid_cli.conditioning.spec import API_VERSION, NAME_PATTERN, ConditionerSpec, Requirement
from vid2vid_cli.core.errors import PluginError
from vid2vid_cli.core.suggest import suggest_names

if TYPE_CHECKING:
    from vid2vid_cli.conditioning.conditioner import Conditioner

ALLOWED_PLUGINS_VARIABLE = "VID2VID_LOAD_PLUGINS"
__all__ = [
    "ALLOWED_PLUGINS_VARIABLE",
    "PLUGINS_VARIABLE",
    "DiscoveredPlugin",
    "find_conditioners",
    "is_installed",
    "load_conditioner",
    "load_unchecked_conditioner",
    "missing_requirements",
]

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


def find_conditioners() -> list[DiscoveredPlugin]:
    """Return all installed conditioners in search order. Never raises."""
    plugins: dict[str, DiscoveredPlugin] = {}
    allowed_names = _allowed_names()
    for candidate in find_candidates():
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

    If all requirements are optional, they are alternatives: one installed package is enough. Those of single options
    are left out.
    """
    requirements = [requirement for requirement in spec.requires if not requirement.option]
    missing = [requirement for requirement in requirements if not is_installed(requirement.module)]
    needed = [requirement for requirement in missing if not requirement.is_optional]
    alternatives = bool(requirements) and all(requirement.is_optional for requirement in requirements)
    if alternatives and len(missing) == len(requirements):
        return missing
    return needed


def load_conditioner(name: str, options: Mapping[str, Any] | None = None) -> Conditioner:
    """Return the conditioner `name` with these options (values, or strings as typed). Loads no weights.

    Its methods raise PluginError for exceptions of the plugin and for invalid results.
    Raises: PluginError (unknown or broken), ConfigError (unknown option or invalid value).
    """
    from vid2vid_cli.conditioning.checked_class import checked_class

    return _create_conditioner(name, checked_class(load_conditioner_class(name)), options)


def load_unchecked_conditioner(name: str, options: Mapping[str, Any] | None = None) -> Conditioner:
    """`load_conditioner` for the contract tests, which report exceptions and results themselves."""
    return _create_conditioner(name, load_conditioner_class(name), options)


def _create_conditioner(
    name: str, conditioner_class: type[Conditioner], options: Mapping[str, Any] | None
) -> Conditioner:
    from vid2vid_cli.conditioning.options import parse_options

    with plugin_call(name, "Options"):
        parsed_options = parse_options(name, conditioner_class.Options, options or {})
    return conditioner_class(parsed_options)


def load_conditioner_class(name: str) -> type[Conditioner]:
    """Return the class of the conditioner `name` as the plugin defines it. Raises: PluginError."""
    plugins = {plugin.name: plugin for plugin in find_conditioners()}
    if name not in plugins:
        hint = suggest_names(name, plugins, max_suggestions=1) or f"Available: {', '.join(plugins) or 'none'}."
        raise PluginError(f"Unknown conditioner {name!r}.", hint)
    plugin = plugins[name]
    if plugin.spec is None:
        raise PluginError(f"The conditioner {name!r} ({plugin.origin}) is broken: {plugin.problem}", plugin.remedy)
    from vid2vid_cli.conditioning.plugin_results import class_problem

    try:
        conditioner_class = import_attribute(plugin.spec.implementation)
    except (Exception, SystemExit) as error:
        message = f"The conditioner {plugin.name!r} ({plugin.origin}) is broken: {_describe_error(error)}"
        raise PluginError(message, reinstall_hint(plugin.origin)) from error
    if problem := class_problem(conditioner_class, plugin.spec.name):
        message = f"The conditioner {plugin.name!r} is broken: {plugin.spec.implementation}: {problem}."
        raise PluginError(message, reinstall_hint(plugin.origin))
    return cast("type[Conditioner]", conditioner_class)


def _load_candidate(candidate: PluginCandidate) -> DiscoveredPlugin:
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
    if not NAME_PATTERN.fullmatch(spec.name):
        problem = f"its name {spec.name!r} is invalid"
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


def _describe_error(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
