"""Classes from a file of one's own: JSON, YAML, or text with a class on each line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FORMS = 'a line "road 128 64 128" for each class, or JSON or YAML such as [{"id": 7, "name": "road", "colour": [..]}]'
LARGEST = 1_000_000
"""Bytes; a list of classes is never that long."""


def read_classes(path: Path) -> list[dict[str, Any]]:
    """The classes in a file, each as {id, name, colour}. Raises: ValueError, which says what is wrong with it."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path} is too long for a list of classes")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file; write {FORMS}") from error
    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            return tidy(json.loads(text))
        if suffix in (".yaml", ".yml"):
            return tidy(_yaml(text))
        return tidy(_lines(text))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def tidy(data: Any) -> list[dict[str, Any]]:
    """Classes as {id, name, colour} from a list of names, a list of records, name -> colour, or id -> name or record.

    Raises: ValueError.
    """
    if isinstance(data, Mapping):
        entries = [_named(key, value) for key, value in data.items()]
    elif isinstance(data, Sequence) and not isinstance(data, str):
        entries = [dict(item) if isinstance(item, Mapping) else {"name": item} for item in data]
    else:
        entries = []
    if not entries:
        raise ValueError(f"it lists no classes; write {FORMS}")
    rows = [_row(index, entry) for index, entry in enumerate(entries)]
    ids = [row["id"] for row in rows]
    twice = sorted({label for label in ids if ids.count(label) > 1})
    if twice:
        raise ValueError(f"the id {twice[0]} stands twice")
    return rows


def _named(key: Any, value: Any) -> dict[str, Any]:
    number = re.fullmatch(r"\s*\d+\s*", str(key)) is not None
    if isinstance(value, Mapping):
        return {"id": int(key), **value} if number else {"name": key, **value}
    if number:
        return {"id": int(key), "name": value}
    return {"name": key, "id": value} if isinstance(value, int) else {"name": key, "colour": value}


def _row(index: int, entry: dict[str, Any]) -> dict[str, Any]:
    colour = entry.get("colour", entry.get("color"))
    name = str(entry.get("name", "")).strip()
    label = entry.get("id", index)
    if not name:
        raise ValueError(f"class {label} has no name")
    if isinstance(label, bool) or not isinstance(label, int) or label < 0:
        raise ValueError(f"the id of {name} is {label!r}, not a number from 0")
    return {"id": label, "name": name, "colour": None if colour is None else _colour(name, colour)}


def _colour(name: str, value: Any) -> tuple[int, int, int]:
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value.strip()):
        code = value.strip()
        return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)
    if isinstance(value, Sequence) and not isinstance(value, str):
        parts = [part for part in value if isinstance(part, int) and 0 <= part <= 255]
        if len(parts) == len(value) == 3:
            return parts[0], parts[1], parts[2]
    raise ValueError(f"the colour of {name} is {value!r}, not three numbers from 0 to 255 or #rrggbb")


def _lines(text: str) -> list[dict[str, Any]]:
    """`[id] name [r g b]` or `r g b name`, apart by blanks, tabs or commas; # begins a remark."""
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = re.sub(r"(^|\s)#(?![0-9a-fA-F]{6}\b).*", "", line).strip()
        words = [word.strip("\"' ") for word in re.split(r"[,;\t]|\s+", stripped) if word.strip("\"' ")]
        if not words:
            continue
        if not entries and "name" in (word.lower() for word in words):
            continue
        entries.append(_line(number, words))
    return entries


def _line(number: int, words: list[str]) -> dict[str, Any]:
    figures = [index for index, word in enumerate(words) if word.isdecimal()]
    first = next((index for index in range(len(words)) if index not in figures), len(words))
    last = next((index for index in range(len(words) - 1, -1, -1) if index not in figures), -1)
    before, name, after = words[:first], words[first : last + 1], words[last + 1 :]
    entry: dict[str, Any] = {"name": " ".join(name)}
    if len(name) > 1 and re.fullmatch("#[0-9a-fA-F]{6}", name[-1]):
        entry = {"name": " ".join(name[:-1]), "colour": name[-1]}
    if not name or len(before) not in (0, 1, 3, 4) or len(after) not in (0, 3):
        raise ValueError(f"line {number} ({' '.join(words)!r}) is not a class; write {FORMS}")
    if len(before) in (1, 4):
        entry["id"] = int(before[0])
    if len(before) in (3, 4):
        entry["colour"] = [int(word) for word in before[-3:]]
    if after:
        entry["colour"] = [int(word) for word in after]
    return entry


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"it is not valid YAML ({str(error).splitlines()[0]})") from error
