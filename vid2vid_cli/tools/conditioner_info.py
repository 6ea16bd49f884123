"""What a conditioner yields, takes and needs, and what of that is on this machine. Needs no torch and none of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning.conditioner import Conditioner, LabelClass, Options, role_of
from vid2vid_cli.conditioning.registry import Found, find_conditioners, is_installed, load_conditioner
from vid2vid_cli.conditioning.spec import ConditionerSpec, WeightFile
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.data.manifest import ClassRecord
from vid2vid_cli.engine.dry_run import grouped
from vid2vid_cli.media.files import digest_of

Rows = tuple[tuple[str, str], ...]
OPTION_HEADER = ("option", "default", "values", "role", "what it does")
NAMES = 12
"""Classes that are named before the rest is only counted."""


@dataclass(frozen=True)
class Option:
    """One option, in words."""

    name: str
    default: Any
    """Plain JSON data."""
    values: str
    """What it may be: `a | b`, `number, 0 to 1`."""
    role: str
    """finding, drawing or files."""
    description: str


@dataclass(frozen=True)
class Need:
    """A package, and whether it is here."""

    module: str
    installed: bool
    install: str
    optional: bool
    note: str


@dataclass(frozen=True)
class Weights:
    """A file of weights, and where it lies."""

    name: str
    size: int
    sha256: str
    licence: str
    source: str
    path: str
    """"" where it is not on this machine."""

    def is_published(self) -> bool:
        """Whether the file is the one the spec means; reads all of it."""
        try:
            return digest_of(Path(self.path)).startswith(self.sha256)
        except OSError:
            return False


@dataclass(frozen=True)
class Described:
    """A conditioner in rows for people, and as data."""

    rows: Rows
    options: tuple[Option, ...]
    needs: tuple[Need, ...]
    weights: tuple[Weights, ...]

    def option_rows(self, name: str) -> list[tuple[str, ...]]:
        """A line for each option, as OPTION_HEADER has it."""
        return [(f"--option {name}.{o.name}", _typed(o.default), o.values, o.role, o.description) for o in self.options]

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        options, needs = [asdict(one) for one in self.options], [asdict(one) for one in self.needs]
        weights = [asdict(one) for one in self.weights]
        return {**grouped(self.rows), "kind": "conditioner", "options": options, "needs": needs, "weights": weights}


def describe_conditioner(name: str) -> Described:
    """Everything `plugins show` says.

    Raises: PluginError for one that does not exist or cannot be imported.
    """
    conditioner = load_conditioner(name)
    found = next(one for one in find_conditioners() if one.name == name)
    spec = found.spec
    assert spec is not None
    needs, weights = needs_of(spec), weights_of(spec)
    rows = (*_yields(found, spec, conditioner), *_needed(needs, weights))
    return Described(rows, tuple(options_of(type(conditioner.options))), needs, weights)


def needs_of(spec: ConditionerSpec) -> tuple[Need, ...]:
    """The packages it can make use of; none is imported."""
    return tuple(Need(r.module, is_installed(r.module), r.install, r.optional, r.note) for r in spec.requires)


def weights_of(spec: ConditionerSpec) -> tuple[Weights, ...]:
    """The weights it can make use of: beside the plugin, or in torch's cache."""
    found = ((file, _place(spec, file)) for file in spec.weights)
    return tuple(
        Weights(file.name, file.size, file.sha256, file.licence, file.source, "" if path is None else str(path))
        for file, path in found
    )


def options_of(kind: type[Options]) -> Iterator[Option]:
    """Every option of a conditioner."""
    schema = kind.model_json_schema()["properties"]
    for name, field in kind.model_fields.items():
        default = json.loads(json.dumps(field.get_default(call_default_factory=True), default=str))
        yield Option(name, default, _values(schema[name]), role_of(field), field.description or "")


def _typed(value: Any) -> str:
    """A value as it would be typed."""
    return value if isinstance(value, str) and value else json.dumps(value)


def _yields(found: Found, spec: ConditionerSpec, conditioner: Conditioner) -> Iterator[tuple[str, str]]:
    yield "name", spec.name
    yield "summary", spec.summary
    yield "status", f"{found.status} {found.problem}".strip()
    if found.remedy:
        yield "remedy", found.remedy
    try:
        count, classes = conditioner.channels, conditioner.classes()
        channels = f"{count} channel" + ("s" if count != 1 else "")
    except Vid2VidError:  # one that reads files knows when it has seen them
        channels, classes = "channels as its files have classes", ()
    yield "yields", f"{spec.output}, {channels}"
    if classes:
        yield "classes", named_classes(classes, NAMES)
    if conditioner.reads:
        yield "reads", f"labels that exist already: --option {spec.name}.{conditioner.reads}=PATH"
    yield "transfer", "fits a source to the target" if conditioner.retargets else "takes a source as it is"
    yield "origin", f"{found.origin}, {spec.implementation}"
    yield "licence", spec.licence


def _needed(needs: tuple[Need, ...], weights: tuple[Weights, ...]) -> Iterator[tuple[str, str]]:
    for need in needs:
        state = "installed" if need.installed else f"not installed: {need.install}"
        yield "needs", "; ".join(filter(None, (need.module, "optional" if need.optional else "", state, need.note)))
    for file in weights:
        parts = (
            file.name,
            size(file.size),
            file.licence,
            f"sha256 {file.sha256}",
            file.path or "not here",
            file.source,
        )
        yield "weights", "; ".join(parts)


def _place(spec: ConditionerSpec, weights: WeightFile) -> Path | None:
    """Where a file of weights lies: within the plugin's package, or in torch's cache, as torch.hub documents it."""
    try:
        found = find_spec(spec.implementation.partition(".")[0])
    except (ImportError, ValueError):
        found = None
    for folder in (found.submodule_search_locations or []) if found is not None else []:
        for path in sorted(Path(folder).rglob(weights.name)):
            return path
    base = os.environ.get("TORCH_HOME") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/torch"
    path = Path(base).expanduser() / "hub" / "checkpoints" / weights.name
    return path if path.is_file() else None


def _values(schema: Mapping[str, Any]) -> str:
    """What a JSON schema allows, in words."""
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_values(part) for part in schema["anyOf"]))
    kind = schema.get("type", "")
    if kind == "array":
        items = schema.get("items")
        return f"list of {_values(items)}" if items else "list"
    if kind == "string":
        return "path" if schema.get("format") == "path" else "text"
    words = {"integer": "whole number", "number": "number", "boolean": "true | false", "null": "null"}
    return ", ".join(filter(None, (words.get(kind, "mapping"), _limits(schema))))


def _limits(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{low} to {high}"
    first = f"at least {low}" if low is not None else f"above {above}" if above is not None else ""
    last = f"at most {high}" if high is not None else f"below {below}" if below is not None else ""
    return " and ".join(filter(None, (first, last)))


def named_classes(classes: Sequence[LabelClass | ClassRecord], most: int) -> str:
    """Classes for people, the first `most` by name."""
    names = [f"{one.id} {one.name}" for one in classes[:most]]
    more = f" and {len(classes) - most} more" if len(classes) > most else ""
    return ", ".join(names) + more


def size(count: int) -> str:
    """Bytes for people."""
    amount, units = float(count), ["B", "kB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.3g} {units[0]}"
