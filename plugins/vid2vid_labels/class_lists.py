"""Class lists from user files: JSON, YAML, or text with one class per line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning import parse_json, parse_yaml

FORMAT_HELP = (
    'a line "road 128 64 128" for each class, or JSON or YAML such as [{"id": 7, "name": "road", "colour": [..]}]'
)
MAX_FILE_BYTES = 1_000_000
"""Maximum size of a class list in bytes."""


def read_classes(path: Path) -> list[dict[str, Any]]:
    """Return the classes of a file, each as {id, name, colour}. Raises: ValueError (unreadable or invalid)."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file; use {FORMAT_HELP}") from error
    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            return normalise_classes(parse_json(text))
        if suffix in (".yaml", ".yml"):
            return normalise_classes(parse_yaml(text))
        return normalise_classes(_parse_lines(text))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def normalise_classes(data: Any) -> list[dict[str, Any]]:
    """Return the classes as {id, name, colour}, from names, records, name -> colour, or id -> name or record.

    Raises: ValueError.
    """
    if isinstance(data, Mapping):
        entries = [_entry_from_item(key, value) for key, value in data.items()]
    elif isinstance(data, Sequence) and not isinstance(data, str):
        entries = [dict(item) if isinstance(item, Mapping) else {"name": item} for item in data]
    else:
        entries = []
    if not entries:
        raise ValueError(f"the list has no classes; use {FORMAT_HELP}")
    records = [_class_record(index, entry) for index, entry in enumerate(entries)]
    id_counts = Counter(row["id"] for row in records)
    duplicate_ids = sorted(label for label, count in id_counts.items() if count > 1)
    if duplicate_ids:
        raise ValueError(f"duplicate id {duplicate_ids[0]}")
    return records


def _entry_from_item(key: Any, value: Any) -> dict[str, Any]:
    is_number = re.fullmatch(r"\s*\d+\s*", str(key)) is not None
    if isinstance(value, Mapping):
        return {"id": int(key), **value} if is_number else {"name": key, **value}
    if is_number:
        return {"id": int(key), "name": value}
    return {"name": key, "id": value} if isinstance(value, int) else {"name": key, "colour": value}


def _class_record(index: int, entry: dict[str, Any]) -> dict[str, Any]:
    colour = entry.get("colour", entry.get("color"))
    name = str(entry.get("name", "")).strip()
    class_id = entry.get("id", index)
    if not name:
        raise ValueError(f"class {class_id} has no name")
    if isinstance(class_id, bool) or not isinstance(class_id, int) or class_id < 0:
        raise ValueError(f"the id of {name} must be an integer >= 0, not {class_id!r}")
    return {"id": class_id, "name": name, "colour": None if colour is None else _parse_colour(name, colour)}


def _parse_colour(name: str, value: Any) -> tuple[int, int, int]:
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value.strip()):
        code = value.strip()
        return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)
    if isinstance(value, Sequence) and not isinstance(value, str):
        values = [channel for channel in value if isinstance(channel, int) and 0 <= channel <= 255]
        if len(values) == len(value) == 3:
            return values[0], values[1], values[2]
    raise ValueError(f"the colour of {name} must be three numbers from 0 to 255 or #rrggbb, not {value!r}")


def _parse_lines(text: str) -> list[dict[str, Any]]:
    """Parse lines `[id] name [r g b]` or `[id] r g b name`, separated by spaces, tabs or commas; # starts a comment."""
    entries: list[dict[str, Any]] = []
    for line_number, line in enumerate(text.splitlines(), start=1):
        stripped = re.sub(r"(^|\s)#(?![0-9a-fA-F]{6}\b).*", "", line).strip()
        words = [word.strip("\"' ") for word in re.split(r"[,;\t]|\s+", stripped) if word.strip("\"' ")]
        if not words:
            continue
        if not entries and "name" in (word.lower() for word in words):
            continue
        entries.append(_parse_line(line_number, words))
    return entries


def _parse_line(line_number: int, words: list[str]) -> dict[str, Any]:
    number_indices = [index for index, word in enumerate(words) if word.isdecimal()]
    first_word = next((index for index in range(len(words)) if index not in number_indices), len(words))
    last_word = next((index for index in range(len(words) - 1, -1, -1) if index not in number_indices), -1)
    leading_numbers, name_words, trailing_numbers = (
        words[:first_word],
        words[first_word : last_word + 1],
        words[last_word + 1 :],
    )
    entry: dict[str, Any] = {"name": " ".join(name_words)}
    if len(name_words) > 1 and re.fullmatch("#[0-9a-fA-F]{6}", name_words[-1]):
        entry = {"name": " ".join(name_words[:-1]), "colour": name_words[-1]}
    if not name_words or len(leading_numbers) not in (0, 1, 3, 4) or len(trailing_numbers) not in (0, 3):
        raise ValueError(f"line {line_number} ({' '.join(words)!r}) is not a class; use {FORMAT_HELP}")
    if len(leading_numbers) in (1, 4):
        entry["id"] = int(leading_numbers[0])
    if len(leading_numbers) in (3, 4):
        entry["colour"] = [int(word) for word in leading_numbers[-3:]]
    if trailing_numbers:
        entry["colour"] = [int(word) for word in trailing_numbers]
    return entry
