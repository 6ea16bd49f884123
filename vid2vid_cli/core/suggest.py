"""Words for people that several rooms need."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str], *, most: int = 3, near: float = 0.6) -> str:
    """`Did you mean car or cart?`, at most so many, whatever the case of the names; "" where none is near.

    `near`, 0 to 1: how alike they must be (difflib's ratio).
    """
    shown = {one.casefold(): one for one in known}
    found = get_close_matches(name.casefold(), shown, most, near)
    return f"Did you mean {' or '.join(shown[one] for one in found)}?" if found else ""
