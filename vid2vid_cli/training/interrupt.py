"""Deferred Ctrl-C: the first signal finishes the step and saves, the second one aborts at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

INTERRUPT_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupt:
    """A context in which the first SIGINT, SIGTERM or SIGHUP only sets a flag. No effect outside the main thread.

    `on_request` is called then in a thread of its own, because the main thread may hold a lock that it needs.
    """

    def __init__(self, on_request: Callable[[], None] = lambda: None) -> None:
        self.is_requested = False
        self._on_request = on_request
        self._previous_handlers: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in INTERRUPT_SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # `nohup` ignores SIGHUP
                    self._previous_handlers[number] = signal.signal(number, self._handle_signal)
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def raise_if_requested(self) -> None:
        """Raise the deferred KeyboardInterrupt, if any."""
        if self.is_requested:
            raise KeyboardInterrupt

    def _handle_signal(self, signal_number: int, frame: FrameType | None) -> None:
        if self.is_requested:
            raise KeyboardInterrupt
        self.is_requested = True
        threading.Thread(target=self._on_request, name="interrupt", daemon=True).start()
