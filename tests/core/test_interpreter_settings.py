"""The garbage collector is paused, and then as it was."""

from __future__ import annotations

import gc
from contextlib import suppress

import pytest

from vid2vid_cli.core.interpreter_settings import paused_garbage_collection


@pytest.mark.parametrize("is_enabled", [True, False])
def test_garbage_collection_is_as_before_after_the_context(is_enabled: bool) -> None:
    if not is_enabled:
        gc.disable()
    try:
        with suppress(ZeroDivisionError), paused_garbage_collection():
            assert not gc.isenabled()
            raise ZeroDivisionError
        assert gc.isenabled() == is_enabled
    finally:
        gc.enable()
