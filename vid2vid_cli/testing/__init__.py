"""The conditioner contract for authors of plugins: a class of tests to inherit.

    from vid2vid_cli.testing import ConditionerContract

    class TestDepth(ConditionerContract):
        name = "depth"
        alternative_options = {"smoothing": "0"}

Run it with pytest. Tests that annotate are skipped if packages or weights of the plugin are missing.
"""

from __future__ import annotations

from contextlib import suppress

_TEST_MODULES = ("checks", "option_tests", "annotate_tests", "input_file_tests", "render_tests", "flip_tests")

with suppress(ImportError):
    import pytest

    # Failed assertions then show their values.
    pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _TEST_MODULES))

from vid2vid_cli.testing.contract import ConditionerContract  # noqa: E402

__all__ = ["ConditionerContract"]
