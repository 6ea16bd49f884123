"""What a verb would do, said before it does anything: the answer to `--dry-run`. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Rows of (what, value) for people, in the order in which they matter. Making one touches nothing."""

    rows: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, str]:
        """The rows as a mapping, for `--json`."""
        return dict(self.rows)
