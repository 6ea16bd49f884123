"""Suggestions of similar names for error messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggest_names(
    name: str, candidates: Iterable[str], *, max_suggestions: int = 3, min_similarity: float = 0.6
) -> str:
    """`Did you mean car or cart?` with up to `max_suggestions` candidates; "" if none is similar. Ignores case.

    `min_similarity` is difflib's ratio, from 0 to 1.
    """
    by_casefold = {candidate.casefold(): candidate for candidate in candidates}
    matches = get_close_matches(name.casefold(), by_casefold, max_suggestions, min_similarity)
    return f"Did you mean {' or '.join(by_casefold[match] for match in matches)}?" if matches else ""
