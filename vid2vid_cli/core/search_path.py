"""The search path of imports without the working folder, whose files must not be executed.

Imports nothing that Python has not loaded at its start: it is used before other imports.
"""

import os
import sys


def remove_working_folder() -> None:
    """Remove the working folder from the search path of this process, and empty entries from PYTHONPATH."""
    sys.path[:] = safe_search_path()
    if os.environ.get("PYTHONPATH"):
        os.environ["PYTHONPATH"] = os.pathsep.join(_named_entries())


def safe_search_path() -> list[str]:
    """`sys.path` without the working folder, unless PYTHONPATH names it or an installation has added it.

    Python itself puts the working folder before the standard library (`-c`, `-m`, an empty entry in PYTHONPATH);
    installations (`.pth` files) add theirs after it, where they replace no other module.
    """
    named_folders = {_real_path(entry) for entry in _named_entries()}
    library_folder, working_folder = _real_path(os.path.dirname(os.__file__)), _real_path(os.curdir)  # noqa: PTH120
    folders = [_real_path(str(entry)) for entry in sys.path]
    library_index = folders.index(library_folder) if library_folder in folders else len(folders)
    return [
        str(entry)
        for index, (entry, folder) in enumerate(zip(sys.path, folders, strict=True))
        if entry and (folder != working_folder or folder in named_folders or index > library_index)
    ]


def _named_entries() -> list[str]:
    return [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]


def _real_path(entry: str) -> str:
    try:
        return os.path.realpath(entry)
    except OSError:  # the working folder has been deleted
        return entry
