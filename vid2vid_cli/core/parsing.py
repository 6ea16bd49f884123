"""Parsers of text from files and options that may be damaged or hostile. Every function raises ValueError only.

Depth, size of numbers and time are bounded: deep nesting, YAML anchors and 1e9999999 are refused before they cost
anything.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable, Mapping
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

MAX_DEPTH = 50
"""Maximum nesting of lists and mappings."""
MAX_INTEGER = 2**63
"""Limit of the magnitude of integers, that of most libraries."""
MAX_YAML_CHARACTERS = 200_000
"""Limit of YAML texts, which take seconds to parse at that length."""
MAX_FPS = 100_000
_NUMBER_PATTERN = re.compile(r"([0-9]{1,12})(?:/([0-9]{1,12})|\.([0-9]{1,12}))?")
_MAX_INTEGER_DIGITS = 70
"""Characters of an integer in the longest notation, binary."""
_TOO_DEEP = f"it is nested more than {MAX_DEPTH} levels deep"
_TOO_LARGE = "it contains an integer of more than 64 bits"
_SURROGATE_PATTERN = re.compile("[\ud800-\udfff]")
_PLAIN_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")
_EXPONENT_PATTERN = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError: not JSON, nested too deeply, a huge integer, or invalid Unicode."""
    try:
        data = json.loads(text, parse_int=_parse_int)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check_plain_data(data)
    return data


def parse_yaml(text: str) -> Any:
    """The value of a YAML text of plain scalars, lists and mappings; 1e-4 is a number, and dates are text.

    Raises ValueError: not YAML, a duplicate key, an anchor, an alias or a tag, too deep, a huge integer, or too long.
    """
    import yaml

    if len(text) > MAX_YAML_CHARACTERS:
        raise ValueError(f"it has more than {MAX_YAML_CHARACTERS} characters")
    try:
        data = yaml.load(text, Loader=_strict_loader())
    except yaml.YAMLError as error:
        raise ValueError(_describe_yaml_error(error)) from None
    _check_plain_data(data)
    return data


def parse_fraction(text: str) -> Fraction:
    """`25`, `29.97` or `30000/1001` as an exact number >= 0. Raises ValueError.

    `Fraction` itself accepts exponents: Fraction("1e9999999") computes for minutes.
    """
    match = _NUMBER_PATTERN.fullmatch(text.strip())
    if match is None or (match[2] and not int(match[2])):
        raise ValueError(f"{shorten(text)} is not a number such as 25, 29.97 or 30000/1001")
    return Fraction(match[0])


def check_frame_rate(text: str) -> str:
    """`text` if it is the frame rate of a file, such as 30000/1001. Raises ValueError."""
    if not 0 < parse_fraction(text) <= MAX_FPS:
        raise ValueError(f"{shorten(text)} is not a frame rate between 0 and {MAX_FPS}")
    return text


def check_file_name(name: str) -> str:
    """`name` if it is one component of a path. Raises ValueError for `..`, absolute paths, separators and so on."""
    is_plain = name.isprintable() and not re.search(r"[/\\]|^[A-Za-z]:|^\.{0,2}$", name) and len(name.encode()) <= 255
    if not is_plain:
        raise ValueError(f"{shorten(name)} is not the name of a file or folder")
    return name


def check_statistics(statistics: dict[str, Any]) -> dict[str, Any]:
    """`statistics` of a conditioner if its numbers are finite and `subject_box` is a box. Raises ValueError."""
    level: list[Any] = [statistics]
    while level:
        for value in level:
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError("a number is not finite")
        children = (value.values() if isinstance(value, Mapping) else value for value in level if _is_container(value))
        level = [child for values in children for child in values]
    box = statistics.get("subject_box")
    if box and not (_is_container(box) and len(box) == 4 and all(isinstance(side, (int, float)) for side in box)):
        raise ValueError("subject_box is not four numbers")
    if box and not (box[0] <= box[2] and box[1] <= box[3]):
        raise ValueError("subject_box ends before it starts")
    shares = statistics.get("class_shares")
    if shares and not (isinstance(shares, Mapping) and all(isinstance(v, (int, float)) for v in shares.values())):
        raise ValueError("class_shares is not a number for each class")
    return statistics


def _is_container(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple))


def shorten(value: object, max_length: int = 80) -> str:
    """`value` as text in one line for error messages; nested and long values are cut."""
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."


def _check_plain_data(data: Any) -> None:
    """Raise ValueError for deep nesting, and for text that cannot be written as UTF-8."""
    level = [data]
    for _ in range(MAX_DEPTH):
        next_level: list[Any] = []
        for value in level:
            if isinstance(value, str):
                if _SURROGATE_PATTERN.search(value):
                    raise ValueError("it contains half of a surrogate pair, which is not a character")
            elif isinstance(value, Mapping):
                next_level.extend(value)
                next_level.extend(value.values())
            elif isinstance(value, list):
                next_level.extend(value)
        if not next_level:
            return
        level = next_level
    raise ValueError(_TOO_DEEP)


def _parse_int(text: str) -> int:
    """An integer of at most 64 bits; int() of a million digits would take seconds, or fail with advice on Python."""
    value = int(text) if len(text) <= _MAX_INTEGER_DIGITS else MAX_INTEGER + 1
    if abs(value) > MAX_INTEGER:
        raise ValueError(_TOO_LARGE)
    return value


@cache
def _strict_loader() -> type[yaml.SafeLoader]:
    """A SafeLoader of plain data without anchors and tags. Made on first use, because importing yaml takes time."""
    import yaml

    class StrictLoader(yaml.SafeLoader):
        """Refuses duplicate keys, tags, deep nesting, and anchors, which make cycles and exponential growth."""

        _depth = 0

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                message = "anchors (&) and aliases (*) are not supported"
                raise yaml.composer.ComposerError(None, None, message, event.start_mark)
            if getattr(event, "tag", None):
                raise yaml.composer.ComposerError(None, None, "tags (!) are not supported", event.start_mark)
            if self._depth >= MAX_DEPTH:
                raise yaml.composer.ComposerError(None, None, _TOO_DEEP, event.start_mark)
            self._depth += 1
            try:
                return super().compose_node(parent, index)
            finally:
                self._depth -= 1

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            seen_keys: set[str] = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(None, None, "a key is not plain text", key.start_mark)
                if key.value in seen_keys:
                    message = f"duplicate key {key.value}"
                    raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
                seen_keys.add(key.value)
            return super().construct_mapping(node, deep=deep)

        def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
            value = super().construct_yaml_int(node) if len(node.value) <= _MAX_INTEGER_DIGITS else MAX_INTEGER + 1
            if abs(value) > MAX_INTEGER:
                raise yaml.constructor.ConstructorError(None, None, _TOO_LARGE, node.start_mark)
            return int(value)

    StrictLoader.add_constructor("tag:yaml.org,2002:int", StrictLoader.construct_yaml_int)
    plain_tags = {f"tag:yaml.org,2002:{name}" for name in _PLAIN_TAGS}
    StrictLoader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag in plain_tags]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    StrictLoader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT_PATTERN, list("-+.0123456789"))
    return StrictLoader


def _describe_yaml_error(error: yaml.YAMLError) -> str:
    """The problem and its line number, in one line."""
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    mark = getattr(error, "problem_mark", None)
    return f"{problem} (line {mark.line + 1})" if mark is not None else str(problem)
