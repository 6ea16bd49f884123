"""What a verb would do, said before it does anything: the answer to `--dry-run`. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Rows of (what, value) for people, in the order in which they matter. Making one touches nothing."""

    rows: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, object]:
        """The rows as a mapping, for `--json`."""
        return grouped(self.rows)


def grouped(rows: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Rows as a mapping; a name that occurs several times holds a list."""
    values: dict[str, list[str]] = {}
    for name, value in rows:
        values.setdefault(name, []).append(value)
    return {name: held[0] if len(held) == 1 else held for name, held in values.items()}
