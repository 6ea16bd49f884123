"""Results as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def format_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    """A title, a table with a left-aligned first column and right-aligned others, and a note."""
    alignment = ["---", *["---:"] * (len(header) - 1)]
    lines = [f"| {' | '.join(row)} |" for row in (header, alignment, *rows)]
    return "\n".join([f"**{title}**", "", *lines, *(["", note] if note else [])])


def format_number(value: float | None) -> str:
    """Three significant digits; a dash for None."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def format_spread(values: Sequence[float]) -> str:
    """`±3 %`: half the range of the values relative to the middle of the range."""
    middle = (max(values) + min(values)) / 2
    return f"±{100 * (max(values) - min(values)) / 2 / middle:.0f} %" if middle else ""


def describe_machine(machine: Mapping[str, object]) -> str:
    """The machine in one sentence."""
    gpu = f", {machine['gpu']}" if machine.get("gpu") else ""
    return (
        f"Measured on {machine['processor']}, {machine['cores']} cores{gpu}; "
        f"{machine['runtime']}; torch {machine['torch']}, Python {machine['python']}."
    )
