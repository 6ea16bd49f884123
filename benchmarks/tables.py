"""Results as Markdown, ready for the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    """A title, a table whose first column is words and whose others are numbers, and a sentence below."""
    marks = ["---", *["---:"] * (len(header) - 1)]
    lines = [f"| {' | '.join(row)} |" for row in (header, marks, *rows)]
    return "\n".join([f"**{title}**", "", *lines, *(["", note] if note else [])])


def figures(value: float | None) -> str:
    """Three significant figures, and a dash where nothing was measured."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(values: Sequence[float]) -> str:
    """`±3 %`: half the distance of the extremes, as a part of their middle."""
    middle = (max(values) + min(values)) / 2
    return f"±{100 * (max(values) - min(values)) / 2 / middle:.0f} %" if middle else ""


def surroundings_line(found: Mapping[str, object]) -> str:
    """The machine in one sentence."""
    gpu = f", {found['gpu']}" if found.get("gpu") else ""
    return (
        f"Measured on {found['processor']}, {found['cores']} cores{gpu}; "
        f"{found['machine']}; torch {found['torch']}, Python {found['python']}."
    )
