"""Which conditioners there are, and how to get one. Finding them imports their light specs and nothing heavy.

Three places are looked through, in this order; the first to offer a name has it:
the folders of `plugins/` in a checkout, the entry points of the group `vid2vid.conditioners`, and the environment
variable VID2VID_PLUGINS="name=module:ATTRIBUTE,...". VID2VID_LOAD_PLUGINS="a,b" restricts all of them to those names
(empty: none). A plugin that cannot be loaded is listed with its reason and harms nothing else.
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

from vid2vid_cli.conditioning.spec import API, ConditionerSpec, Requirement
from vid2vid_cli.core.errors import PluginError
from vid2vid_cli.core.suggest import did_you_mean

if TYPE_CHECKING:
    from vid2vid_cli.conditioning.conditioner import Conditioner

GROUP = "vid2vid.conditioners"
PLUGINS = "VID2VID_PLUGINS"
LOAD = "VID2VID_LOAD_PLUGINS"
OWN = "vid2vid-cli"

Status = Literal["ready", "needs packages", "broken", "ignored"]


@dataclass(frozen=True)
class Found:
    """One plugin as it was met: usable or not, and what to do if not."""

    name: str
    spec: ConditionerSpec | None
    """None where it is broken."""
    status: Status
    problem: str
    """Empty where it is ready."""
    origin: str
    """For people: `built in`, a distribution and its version, or the environment variable."""
    remedy: str = ""
    """What to type or change; empty where nothing needs to be done."""


@dataclass(frozen=True)
class _Offer:
    """A plugin before it is loaded."""

    name: str
    origin: str
    remedy: str
    load: Callable[[], object]


def find_conditioners() -> list[Found]:
    """Every conditioner on this machine, in the order of the search; never raises."""
    found: dict[str, Found] = {}
    allowed = _allowed()
    for offer in _offers():
        if allowed is not None and offer.name not in allowed:
            continue
        first = found.get(offer.name)
        if first is None:
            found[offer.name] = _open(offer)
        elif offer.origin not in ("built in", first.origin):
            label = f"{offer.name} ({offer.origin})"
            problem = f"the name is taken: {first.origin}"
            found[label] = Found(label, None, "ignored", problem, offer.origin, "give it another name")
    return list(found.values())


def check_requirements(spec: ConditionerSpec) -> list[Requirement]:
    """The packages that `annotate` would miss, found without importing any.

    Where all requirements are optional they are alternatives: if one is there, nothing is missing.
    """
    missing = [requirement for requirement in spec.requires if not is_installed(requirement.module)]
    needed = [requirement for requirement in missing if not requirement.optional]
    alternatives = bool(spec.requires) and all(requirement.optional for requirement in spec.requires)
    if alternatives and len(missing) == len(spec.requires):
        return missing
    return needed


def load_conditioner(name: str, options: Mapping[str, Any] | None = None) -> Conditioner:
    """The conditioner `name` with these options (strings, as typed, or values). Loads no weights.

    Raises: PluginError (unknown or broken), ConfigError (an option that does not exist or does not fit).
    """
    from vid2vid_cli.conditioning.options import parse_options

    found = {entry.name: entry for entry in find_conditioners()}
    if name not in found:
        hint = did_you_mean(name, found, most=1) or f"There are: {', '.join(found) or 'none'}."
        raise PluginError(f"There is no conditioner called {name!r}.", hint)
    entry = found[name]
    if entry.spec is None:
        raise PluginError(f"The conditioner {name!r} ({entry.origin}) is broken: {entry.problem}", entry.remedy)
    kind = _implementation(entry)
    return kind(parse_options(name, kind.Options, options or {}))


def _implementation(entry: Found) -> type[Conditioner]:
    """The class behind a spec; PluginError if it cannot be imported."""
    from vid2vid_cli.conditioning.conditioner import Conditioner

    assert entry.spec is not None
    try:
        kind = _attribute(entry.spec.implementation)
    except (Exception, SystemExit) as error:
        message = f"The conditioner {entry.name!r} ({entry.origin}) is broken: {_reason(error)}"
        raise PluginError(message, _reinstall(entry.origin)) from error
    if not (isinstance(kind, type) and issubclass(kind, Conditioner)):
        message = f"The conditioner {entry.name!r} is broken: {entry.spec.implementation} is not a Conditioner."
        raise PluginError(message, _reinstall(entry.origin))
    return kind


def _open(offer: _Offer) -> Found:
    """Load a spec, whatever may happen."""
    try:
        spec = offer.load()
    except (Exception, SystemExit) as error:
        return Found(offer.name, None, "broken", _reason(error), offer.origin, offer.remedy)
    if not isinstance(spec, ConditionerSpec):
        problem = f"it offers {type(spec).__name__}, not a ConditionerSpec"
        return Found(offer.name, None, "broken", problem, offer.origin, offer.remedy)
    if spec.api != API:
        problem = f"it is written for version {spec.api} of the plugin contract, this is version {API}"
        older = "the plugin" if spec.api < API else OWN
        return Found(offer.name, None, "broken", problem, offer.origin, f"update {older}")
    missing = check_requirements(spec)
    if missing:
        problem = "not installed: " + ", ".join(requirement.module for requirement in missing)
        # Alternatives: the first that is named is the recommended one.
        remedy = missing[0].install if all(r.optional for r in missing) else _commands(missing)
        return Found(offer.name, spec, "needs packages", problem, offer.origin, remedy)
    return Found(offer.name, spec, "ready", "", offer.origin)


def _offers() -> Iterator[_Offer]:
    yield from _folders()
    yield from _entry_points()
    yield from _environment()


def _folders() -> Iterator[_Offer]:
    """Plugin folders of a checkout: seen at once, without installing again."""
    root = Path(__file__).resolve().parents[2] / "plugins"
    folders = sorted(root.glob("vid2vid_*/__init__.py"))
    if folders and str(root) not in sys.path:
        sys.path.append(str(root))
    for folder in folders:
        module = folder.parent.name
        remedy = f"mend plugins/{module}"
        yield _Offer(module.removeprefix("vid2vid_"), "built in", remedy, _loader(f"{module}:SPEC"))


def _entry_points() -> Iterator[_Offer]:
    try:
        points = sorted(metadata.entry_points(group=GROUP), key=_own_first)
    except Exception:  # a distribution with unreadable metadata
        return
    for point in points:
        origin = _origin(point)
        yield _Offer(point.name, origin, _reinstall(origin), point.load)


def _own_first(point: metadata.EntryPoint) -> tuple[bool, str, str]:
    origin = _origin(point)
    return origin != "built in", point.name, origin


def _origin(point: metadata.EntryPoint) -> str:
    try:
        if point.dist is None:
            return "an entry point"
        name, version = point.dist.metadata["Name"], point.dist.version
    except Exception:  # damaged metadata of somebody else's package
        return "an entry point"
    return "built in" if name == OWN else f"{name} {version}"


def _environment() -> Iterator[_Offer]:
    for item in filter(None, (part.strip() for part in os.environ.get(PLUGINS, "").split(","))):
        name, _, target = item.partition("=")
        yield _Offer(name.strip(), f"${PLUGINS}", f"correct {item!r} in ${PLUGINS}", _loader(target.strip()))


def _loader(target: str) -> Callable[[], object]:
    return lambda: _attribute(target)


def _attribute(target: str) -> object:
    """What `module:NAME` names."""
    module, _, name = target.partition(":")
    if not module or not name:
        raise ValueError(f"{target!r} is not of the form module:NAME")
    return getattr(import_module(module), name)


def _allowed() -> set[str] | None:
    value = os.environ.get(LOAD)
    return None if value is None else {part.strip() for part in value.split(",")}


def is_installed(module: str) -> bool:
    """Whether a module could be imported; it is not."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):  # a parent package that is absent or odd
        return False


def _commands(missing: list[Requirement]) -> str:
    return " && ".join(dict.fromkeys(requirement.install for requirement in missing))


def _reinstall(origin: str) -> str:
    if origin == "built in":
        return f"pip install --force-reinstall {OWN}"
    name = origin.split()[0]
    return f"update it, or: pip uninstall {name}" if " " in origin else "update or remove its package"


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
