"""The plan that `--dry-run` prints. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class DryRun:
    """Rows of (name, value), the most important first."""

    rows: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, object]:
        """The rows as a JSON object, for `--json`."""
        return group_rows(self.rows)


def group_rows(rows: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Rows as a mapping; a name that occurs several times has a list."""
    values_by_name: dict[str, list[str]] = {}
    for name, value in rows:
        values_by_name.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in values_by_name.items()}
