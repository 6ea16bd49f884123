"""Conversion of OSError to the error classes of the package."""

from __future__ import annotations

import errno
from pathlib import Path

from vid2vid_cli.core.errors import (
    ConfigError,
    DiskFullError,
    MissingFileError,
    PermissionDeniedError,
    Vid2VidError,
)
from vid2vid_cli.core.paths import printable

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
    if error.errno == errno.ENAMETOOLONG:
        return ConfigError(f"{printable(path)} cannot be written: its name is too long.", "Choose a shorter --out.")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return MissingFileError(f"{path} cannot be written: its folder does not exist.", "Create the folder first.")
    return Vid2VidError(f"{path} cannot be written: {error.strerror or error}.", "Choose another folder.")


def read_error(path: Path, error: OSError) -> Vid2VidError:
    """The error to raise for an OSError while opening or reading `path`."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return MissingFileError(f"{path} does not exist.", "Check the path.")
    if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
        problem = "it is a loop of symbolic links" if error.errno == errno.ELOOP else "its name is too long"
        return MissingFileError(f"{printable(path)} cannot be opened: {problem}.", "Check the path.")
    if error.errno in PERMISSION_ERRNOS:
        return PermissionDeniedError(
            f"{path} cannot be read: {error.strerror}.",
            "Change its permissions (chmod +r).",
        )
    return Vid2VidError(f"{path} cannot be read: {error.strerror or error}.", "Check the disk or copy the file again.")
