"""Plain text in columns. Standard library only."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

MAX_CELL_WIDTH, MIN_TEXT_WIDTH = 24, 30
"""Width of `wrap_rows`: the longest second cell that the texts stand beside, and the least width of texts."""


def align_columns(rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart, without wrapping or truncation, for pipes."""
    num_columns = max((len(row) for row in rows), default=0)
    widths = [max(len(row[index]) for row in rows if index < len(row)) for index in range(num_columns)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def wrap_rows(rows: Sequence[Sequence[str]], width: int) -> str:
    """Rows with two aligned cells; the texts of the other cells stand beside them, each from a line of its own.

    No line has more than `width` characters, except for single words, such as paths.
    """
    first_width = max((len(row[0]) for row in rows), default=0)
    second_width = max((len(row[1]) for row in rows if len(row[1]) <= MAX_CELL_WIDTH), default=0)
    indent = first_width + second_width + 4
    lines = []
    for first, second, *texts in rows:
        heading = f"{first:<{first_width}}  {second:<{second_width}}  "
        if len(heading) > indent:
            lines.append(heading.rstrip())
            heading = " " * indent
        for text in filter(None, texts):
            lines += textwrap.wrap(
                text,
                max(width, indent + MIN_TEXT_WIDTH),
                initial_indent=heading,
                subsequent_indent=" " * indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
            heading = " " * indent
        if heading.strip():
            lines.append(heading.rstrip())
    return "\n".join(lines)


def fold_columns(rows: Sequence[Sequence[str]], width: int) -> list[list[list[str]]]:
    """Tables with all rows and as many columns as fit into `width`, each with the first column; at least one other."""
    first, *columns = zip(*rows, strict=True)
    tables: list[list[tuple[str, ...]]] = []
    used_width = width + 1
    for column in columns:
        column_width = 2 + max(map(len, column))
        if used_width + column_width > width or not tables:
            tables.append([first])
            used_width = max(map(len, first))
        tables[-1].append(column)
        used_width += column_width
    return [[list(row) for row in zip(*table, strict=True)] for table in tables]
