"""Words for people that several rooms need."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`Did you mean car or cart?`, whatever the case of the names; "" where none is near."""
    shown = {one.casefold(): one for one in known}
    near = get_close_matches(name.casefold(), shown, 3)
    return f"Did you mean {' or '.join(shown[one] for one in near)}?" if near else ""
