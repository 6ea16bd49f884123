"""Conversion of OSError to the error classes of the package."""

from __future__ import annotations

import errno
from pathlib import Path

from vid2vid_cli.core.errors import (
    DiskFullError,
    MissingFileError,
    PermissionDeniedError,
    Vid2VidError,
)

DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
PERMISSION_ERRNOS = (errno.EACCES, errno.EPERM, errno.EROFS)


def write_error(path: Path, error: OSError) -> Vid2VidError:
    """The error to raise for an OSError while writing `path`."""
    if error.errno in DISK_FULL_ERRNOS:
        return DiskFullError(
            f"No space left on the device while writing {path}.",
            "Free some space or choose another disk; no partial file was left.",
        )
    if error.errno in PERMISSION_ERRNOS:
        return PermissionDeniedError(
            f"{path} cannot be written: {error.strerror}.", "Choose a folder with write permission."
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return MissingFileError(f"{path} cannot be written: its folder does not exist.", "Create the folder first.")
    return Vid2VidError(f"{path} cannot be written: {error.strerror or error}.", "Choose another folder.")


def read_error(path: Path, error: OSError) -> Vid2VidError:
    """The error to raise for an OSError while opening or reading `path`."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return MissingFileError(f"{path} does not exist.", "Check the path.")
    if error.errno in PERMISSION_ERRNOS:
        return PermissionDeniedError(
            f"{path} cannot be read: {error.strerror}.",
            "Change its permissions (chmod +r).",
        )
    return Vid2VidError(f"{path} cannot be read: {error.strerror or error}.", "Check the disk or copy the file again.")
