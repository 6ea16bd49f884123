"""Description of a conditioner's options: defaults, allowed values, roles."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vid2vid_cli.conditioning.options import Options, option_role

OPTION_HEADER = ("option", "default", "values", "role", "description")
TYPE_NAMES = {"integer": "integer", "number": "number", "boolean": "true | false", "null": "null"}


@dataclass(frozen=True, kw_only=True)
class OptionInfo:
    """One option of a conditioner."""

    name: str
    default: Any
    """Plain JSON data."""
    allowed_values: str
    """Text such as `a | b` or `number, 0 to 1`."""
    role: str
    """detection, rendering or input."""
    description: str

    def table_row(self, conditioner_name: str) -> tuple[str, ...]:
        """The columns of OPTION_HEADER."""
        argument = f"--conditioner-option {conditioner_name}.{self.name}"
        return argument, format_option_value(self.default), self.allowed_values, self.role, self.description


def describe_options(options_class: type[Options]) -> Iterator[OptionInfo]:
    """Describe every option of a conditioner."""
    schema = options_class.model_json_schema()["properties"]
    for name, field in options_class.model_fields.items():
        default = json.loads(json.dumps(field.get_default(call_default_factory=True), default=str))
        yield OptionInfo(
            name=name,
            default=default,
            allowed_values=_describe_schema(schema[name]),
            role=option_role(field),
            description=field.description or "",
        )


def format_option_value(value: Any) -> str:
    """A value as it is typed on the command line."""
    return value if isinstance(value, str) and value else json.dumps(value)


def _describe_schema(schema: Mapping[str, Any]) -> str:
    """The values that a JSON schema allows, as text."""
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_describe_schema(part) for part in schema["anyOf"]))
    schema_type = schema.get("type", "")
    if schema_type == "array":
        items = schema.get("items")
        return f"list of {_describe_schema(items)}" if items else "list"
    if schema_type == "string":
        return "path" if schema.get("format") == "path" else "text"
    return ", ".join(filter(None, (TYPE_NAMES.get(schema_type, "mapping"), _describe_limits(schema))))


def _describe_limits(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    limit_names = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    return " and ".join(f"{text} {schema[key]}" for key, text in limit_names.items() if schema.get(key) is not None)
