"""Calls of plugin code: whatever it raises becomes an error that names the plugin and the method."""

from __future__ import annotations

import errno
import threading
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from vid2vid_cli.core.errors import PluginError, Vid2VidError, is_out_of_memory
from vid2vid_cli.media.os_errors import DISK_FULL_ERRNOS, PERMISSION_ERRNOS

PLUGIN_FAULT_HINT = "Report it to the author of the plugin. VID2VID_DEBUG=1 prints the traceback."


class PluginCall(NamedTuple):
    """A method of a plugin that is running."""

    conditioner: str
    method: str


class _ThreadState(threading.local):
    call: PluginCall | None = None


_state = _ThreadState()


def current_plugin_call() -> PluginCall | None:
    """The method of a plugin that this thread runs; None outside of plugins."""
    return _state.call


@contextmanager
def plugin_call(conditioner: str, method: str, source_errors: Collection[BaseException] = ()) -> Iterator[None]:
    """A context for plugin code. Raises PluginError for its exceptions and for SystemExit.

    Errors of this project, a full disk, missing permissions, names that the file system refuses and a lack of memory
    are not faults of the plugin and pass unchanged; so do `source_errors`, which the plugin's input has raised.
    """
    previous_call = _state.call
    _state.call = PluginCall(conditioner, method)
    try:
        yield
    except Vid2VidError:
        raise
    except (Exception, SystemExit) as error:
        if _is_resource_error(error) or any(error is source_error for source_error in source_errors):
            raise
        raise plugin_fault(conditioner, method, _describe_exception(error)) from error
    finally:
        _state.call = previous_call


def _is_resource_error(error: BaseException) -> bool:
    os_limits = (*DISK_FULL_ERRNOS, *PERMISSION_ERRNOS, errno.ENAMETOOLONG)
    is_os_limit = isinstance(error, OSError) and error.errno in os_limits
    is_file_name = isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed"
    return is_os_limit or is_file_name or is_out_of_memory(error)


def plugin_fault(conditioner: str, method: str, problem: str) -> PluginError:
    """The error for a fault of a plugin."""
    return PluginError(f"The conditioner {conditioner} failed in {method}: {problem}.", PLUGIN_FAULT_HINT)


def _describe_exception(error: BaseException) -> str:
    """Class, first line and origin of an exception."""
    lines = str(error).strip().splitlines()
    description = f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    return f"{description} ({frames[-1].filename}:{frames[-1].lineno})" if frames else description
