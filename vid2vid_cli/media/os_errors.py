"""What the operating system said, as one of our errors with one sentence and what to do."""

from __future__ import annotations

import errno
from pathlib import Path

from vid2vid_cli.core.errors import (
    DiskFullError,
    MissingFileError,
    PermissionDeniedError,
    Vid2VidError,
)

FULL = (errno.ENOSPC, errno.EDQUOT)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


def writing_failed(path: Path, error: OSError) -> Vid2VidError:
    """The error to raise for an OSError met while writing `path`."""
    if error.errno in FULL:
        return DiskFullError(
            f"No space left on the device while writing {path}.",
            "Free some space, or write to another place; nothing unfinished was left behind.",
        )
    if error.errno in DENIED:
        return PermissionDeniedError(
            f"{path} cannot be written: {error.strerror}.", "Choose a folder you may write to."
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return MissingFileError(f"{path} cannot be written: its folder does not exist.", "Make the folder first.")
    return Vid2VidError(f"{path} could not be written: {error.strerror or error}.", "Try another place to write to.")


def reading_failed(path: Path, error: OSError) -> Vid2VidError:
    """The error to raise for an OSError met while opening or reading `path`."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return MissingFileError(f"{path} does not exist.", "Check the name and the folder.")
    if error.errno in DENIED:
        return PermissionDeniedError(
            f"{path} cannot be read: {error.strerror}.",
            "Change its permissions (chmod +r) or copy it to a place you can read.",
        )
    return Vid2VidError(
        f"{path} could not be read: {error.strerror or error}.", "Check the disk or copy the file again."
    )
