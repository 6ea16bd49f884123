"""Writes docs/configuration.md and docs/commands.md from the source: python docs/generate.py

A test fails if these files differ from what this script writes.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.models import OptionInfo

from vid2vid_cli.cli import app
from vid2vid_cli.config.config import Config

DOCS = Path(__file__).resolve().parent
HEADER = "<!-- Written by docs/generate.py: change the source and run it again. -->"


def configuration_page() -> str:
    """docs/configuration.md: every setting with its default, meaning and NVIDIA's option, grouped by section."""
    lines = [
        "# Configuration",
        "",
        HEADER,
        "",
        "Settings of `vid2vid train`. Layers, each over the one before: the defaults below, the preset (`--preset`),",
        "the model family (`model`), a YAML file (`--config`), and single settings (`--set KEY=VALUE`).",
        "`vid2vid presets show NAME` prints all settings of a preset with the origin of each value.",
        "",
        'The column "NVIDIA" names the corresponding option of vid2vid or pix2pixHD.',
    ]
    for title, section in _iter_sections(Config, ""):
        lines += ["", f"## {title or 'Top level'}", ""]
        if title:
            lines += [_first_sentence(section.__doc__ or ""), ""]
        lines += ["| Setting | Default | Meaning | NVIDIA |", "|---|---|---|---|"]
        lines += [
            _setting_row(f"{title}.{name}" if title else name, field)
            for name, field in section.model_fields.items()
            if not _is_section(field)
        ]
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """docs/commands.md: every command with its description, arguments and options."""
    lines = ["# Commands", "", HEADER, "", "`vid2vid COMMAND -h` prints the same text."]
    for name, command in _iter_commands(app, "vid2vid"):
        lines += ["", f"## {name}", "", *_description(inspect.getdoc(command) or "")]
        rows = list(_parameter_rows(command))
        if rows:
            lines += ["", "| Option | Meaning | Default |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """{path: content} of the generated files."""
    return {DOCS / "configuration.md": configuration_page(), DOCS / "commands.md": commands_page()}


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _iter_sections(section: Any, title: str) -> Iterator[tuple[str, Any]]:
    """(dotted name, class) of a section and of all sections in it; sections without settings are left out."""
    if not all(map(_is_section, section.model_fields.values())):
        yield title, section
    for name, field in section.model_fields.items():
        if _is_section(field):
            yield from _iter_sections(field.annotation, f"{title}.{name}" if title else name)


def _setting_row(key: str, field: FieldInfo) -> str:
    default = "" if field.default is PydanticUndefined else _yaml(field.default)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    description = field.description or ""
    if values := _literal_values(field.annotation):
        description = f"{description} Values: {', '.join(values)}.".strip()
    return _table_row(f"`{key}`", f"`{default}`", description, str(extra.get("nvidia", "")))


def _literal_values(annotation: Any) -> list[str]:
    """The values of a Literal of strings; [] for other types."""
    values = get_args(annotation)
    return [value for value in values if isinstance(value, str)] if str(annotation).startswith("typing.Literal") else []


def _yaml(value: Any) -> str:
    """A default value in YAML syntax."""
    return value if isinstance(value, str) and value else json.dumps(value)


def _iter_commands(group: typer.Typer, name: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """(command line, function) of every command of a group and of the groups in it."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{name} {command.name or command.callback.__name__}", command.callback
    for subgroup in group.registered_groups:
        assert subgroup.typer_instance is not None
        yield from _iter_commands(subgroup.typer_instance, f"{name} {subgroup.name}")


def _description(text: str) -> Iterator[str]:
    """The lines of a help text; the indented lines after a line that ends in a colon become a code block."""
    is_code = False
    for line in text.strip().splitlines():
        is_indented = line.startswith("  ")
        if is_indented and not is_code:
            yield from ("", "```text")
        if is_code and not is_indented:
            yield "```"
        is_code = is_indented
        yield line.strip() if is_indented else _escape_example(line)
    if is_code:
        yield "```"


def _escape_example(line: str) -> str:
    """`Example: COMMAND` with the command as code."""
    return re.sub(r"^Example: (.+)$", r"Example: `\1`", line)


def _parameter_rows(command: Callable[..., Any]) -> Iterator[str]:
    """Table rows of the arguments and options of a command."""
    hints = get_type_hints(command, include_extras=True)
    for parameter in inspect.signature(command).parameters.values():
        value_type, info = get_args(hints[parameter.name])[:2]
        label = info.metavar or ("" if value_type is bool else _placeholder(value_type))
        if isinstance(info, OptionInfo):
            label = f"{', '.join(_flags(parameter.name, value_type, info))} {label}".strip()
        yield _table_row(f"`{label}`", info.help or "", _default_cell(parameter, value_type, info))


def _flags(name: str, value_type: Any, info: OptionInfo) -> list[str]:
    """The flags of an option: those that are declared (Typer keeps the first as the default), or that of its name."""
    declared = [*([info.default] if isinstance(info.default, str) else []), *(info.param_decls or ())]
    name = name.replace("_", "-")
    return declared or [f"--{name}/--no-{name}" if value_type is bool else f"--{name}"]


def _placeholder(value_type: Any) -> str:
    """The placeholder of a value in the help: the choices, or the name of the type."""
    choices = [value for value in _flatten_args(value_type) if isinstance(value, str)]
    names = [value.__name__.upper() for value in _flatten_args(value_type) if isinstance(value, type)]
    return "|".join(choices) if choices else names[0] if names else value_type.__name__.upper()


def _flatten_args(value_type: Any) -> list[Any]:
    values: list[Any] = []
    for value in get_args(value_type):
        values += _flatten_args(value) or [value]
    return [value for value in values if value is not type(None)]


def _default_cell(parameter: inspect.Parameter, value_type: Any, info: Any) -> str:
    if parameter.default is inspect.Parameter.empty:
        return "required"
    if parameter.default is None or (value_type is bool and not parameter.default):
        return ""
    if value_type is bool:
        return "on"
    return f"`{info.show_default if isinstance(info.show_default, str) else parameter.default}`"


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())


def _table_row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def main() -> None:
    """Write the files."""
    for path, content in pages().items():
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
