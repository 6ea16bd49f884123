"""Description of a conditioner: outputs, options, requirements and weight files. Imports neither torch nor these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vid2vid_cli.conditioning.conditioner import Conditioner, LabelClass
from vid2vid_cli.conditioning.registry import DiscoveredPlugin, find_conditioners, is_installed, load_conditioner
from vid2vid_cli.conditioning.spec import ConditionerSpec
from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.data.manifest import ClassRecord
from vid2vid_cli.engine.dry_run import group_rows
from vid2vid_cli.media.files import sha256_of_files
from vid2vid_cli.media.published_weights import find_weight_file
from vid2vid_cli.tools.option_info import OptionInfo, describe_options

TableRows = tuple[tuple[str, str], ...]
MAX_LISTED_CLASSES = 12
"""Number of classes that are listed by name."""


@dataclass(frozen=True, kw_only=True)
class RequirementStatus:
    """A required package, and whether it is installed."""

    module: str
    is_installed: bool
    install_command: str
    is_optional: bool
    note: str


@dataclass(frozen=True, kw_only=True)
class WeightFileStatus:
    """A weight file, and its path if it exists."""

    name: str
    size_bytes: int
    sha256: str
    licence: str
    source: str
    path: str
    """"" if the file does not exist on this machine."""

    def has_expected_hash(self) -> bool:
        """Whether the sha256 of the file is that of the spec."""
        try:
            return sha256_of_files(Path(self.path)).startswith(self.sha256)
        except OSError:
            return False


@dataclass(frozen=True, kw_only=True)
class ConditionerInfo:
    """Description of a conditioner, as table rows and as data."""

    rows: TableRows
    options: tuple[OptionInfo, ...]
    requirements: tuple[RequirementStatus, ...]
    weight_files: tuple[WeightFileStatus, ...]

    def option_rows(self, name: str) -> list[tuple[str, ...]]:
        """One table row per option, with the columns of OPTION_HEADER."""
        return [option.table_row(name) for option in self.options]

    def to_json(self) -> dict[str, object]:
        """Convert to JSON types."""
        return {
            **group_rows(self.rows),
            "kind": "conditioner",
            "options": [asdict(option) for option in self.options],
            "requirements": [asdict(requirement) for requirement in self.requirements],
            "weights": [asdict(weight_file) for weight_file in self.weight_files],
        }


def describe_conditioner(name: str) -> ConditionerInfo:
    """Describe a conditioner for `plugins show`.

    Raises PluginError if it does not exist or cannot be imported.
    """
    conditioner = load_conditioner(name)
    plugin = next(plugin for plugin in find_conditioners() if plugin.name == name)
    spec = plugin.spec
    assert spec is not None
    requirements, weight_files = requirement_statuses(spec), weight_file_statuses(spec)
    rows = (*_conditioner_rows(plugin, spec, conditioner), *_requirement_rows(requirements, weight_files))
    return ConditionerInfo(
        rows=rows,
        options=tuple(describe_options(type(conditioner.options))),
        requirements=requirements,
        weight_files=weight_files,
    )


def requirement_statuses(spec: ConditionerSpec) -> tuple[RequirementStatus, ...]:
    """The packages that a conditioner can use; none is imported."""
    return tuple(
        RequirementStatus(
            module=requirement.module,
            is_installed=is_installed(requirement.module),
            install_command=requirement.install_command,
            is_optional=requirement.is_optional,
            note=requirement.note,
        )
        for requirement in spec.requires
    )


def weight_file_statuses(spec: ConditionerSpec) -> tuple[WeightFileStatus, ...]:
    """The weight files that a conditioner can use, from the plugin's package or torch's cache."""
    package = spec.implementation.partition(".")[0]
    files_and_paths = ((file, find_weight_file(file, package)) for file in spec.weights)
    return tuple(
        WeightFileStatus(
            name=file.name,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            licence=file.licence,
            source=file.source,
            path="" if path is None else str(path),
        )
        for file, path in files_and_paths
    )


def _conditioner_rows(
    plugin: DiscoveredPlugin, spec: ConditionerSpec, conditioner: Conditioner
) -> Iterator[tuple[str, str]]:
    yield "name", spec.name
    yield "summary", spec.summary
    yield "status", f"{plugin.status} {plugin.problem}".strip()
    if plugin.remedy:
        yield "remedy", plugin.remedy
    try:
        num_channels, classes = conditioner.num_channels, conditioner.classes()
        channels_text = f"{num_channels} channel" + ("s" if num_channels != 1 else "")
    except Vid2VidError:  # it reads label files, and their classes are unknown without them
        channels_text, classes = "one channel per class of its input files", ()
    yield "output", f"{spec.output}, {channels_text}"
    if classes:
        yield "classes", format_classes(classes, MAX_LISTED_CLASSES)
    if conditioner.input_option:
        yield "input option", f"--conditioner-option {spec.name}.{conditioner.input_option}=PATH: existing annotations"
    yield "retargeting", "supported" if conditioner.supports_retargeting else "not supported"
    yield "origin", f"{plugin.origin}, {spec.implementation}"
    yield "licence", spec.licence


def _requirement_rows(
    requirements: tuple[RequirementStatus, ...], weight_files: tuple[WeightFileStatus, ...]
) -> Iterator[tuple[str, str]]:
    for requirement in requirements:
        requirement_parts = (
            requirement.module,
            "optional" if requirement.is_optional else "",
            "installed" if requirement.is_installed else f"not installed: {requirement.install_command}",
            requirement.note,
        )
        yield "requires", "; ".join(filter(None, requirement_parts))
    for weight_file in weight_files:
        parts = (
            weight_file.name,
            format_bytes(weight_file.size_bytes),
            weight_file.licence,
            f"sha256 {weight_file.sha256}",
            weight_file.path or "not downloaded",
            weight_file.source,
        )
        yield "weights", "; ".join(parts)


def format_classes(classes: Sequence[LabelClass | ClassRecord], max_names: int) -> str:
    """Classes as text, at most `max_names` of them by id and name."""
    names = [f"{label_class.id} {label_class.name}" for label_class in classes[:max_names]]
    suffix = f" and {len(classes) - max_names} more" if len(classes) > max_names else ""
    return ", ".join(names) + suffix


def format_bytes(num_bytes: int) -> str:
    """Text such as `1.53 GB`."""
    amount, units = float(num_bytes), ["B", "kB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.3g} {units[0]}"
