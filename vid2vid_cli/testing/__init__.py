"""For authors of conditioner plugins: the contract as a class of tests to inherit.

    from vid2vid_cli.testing import ConditionerContract

    class TestDepth(ConditionerContract):
        name = "depth"
        other_options = {"smooth": "0"}

Run with pytest. Tests that annotate are skipped where the packages or weights that the plugin needs are absent.
"""

from __future__ import annotations

from contextlib import suppress

_DUTIES = ("checks", "options", "finding", "reading", "showing", "mirroring")

with suppress(ImportError):
    import pytest

    # A failed assertion then says which values it met.
    pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _DUTIES))

from vid2vid_cli.testing.contract import ConditionerContract  # noqa: E402

__all__ = ["ConditionerContract"]
