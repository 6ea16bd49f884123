"""The project folder of the page, and the paths in it. Nothing outside it is read, written or passed to a command."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.core.paths import printable

_PART_SEPARATORS = re.compile(r"""[=,@:'"\[\]{}\s]""")
"""Separators of a path within the word of an option, such as labels.input_dir=FOLDER, published:CKPT and ["FILE"]."""
MAX_PART_SEPARATORS = 100
"""Limit of a word: every part between two separators is looked up as a path."""
_GLUED_FLAG = re.compile(r"-[A-Za-z](?=.)")


class OutsideProjectError(ValueError):
    """A path leads out of the project folder, or to a hidden file. The text of the exception is for the user."""


class Project:
    """A folder with videos, datasets, runs and rendered videos.

    Raises MissingFileError, ConfigError: not a folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.exists():
            raise MissingFileError(f"{printable(folder)} does not exist.", "Create it, or name another folder.")
        if not folder.is_dir():
            raise ConfigError(f"{printable(folder)} is not a folder.", "Name the folder of your videos.")
        self.root = Path(os.path.realpath(folder))

    def resolve(self, text: str) -> Path:
        """A path, with links followed, that lies in the project. `text` is relative to it, or absolute.

        The path need not exist. Raises OutsideProjectError.
        """
        if "\0" in text or text.startswith("~"):
            raise OutsideProjectError(f"{printable(text)!r} is not a path in the project folder.")
        real_path = Path(os.path.realpath(self.root / text))
        if not real_path.is_relative_to(self.root):
            raise OutsideProjectError(
                f"{printable(text)} leads out of the project folder {self.root}. Copy it there, or start vid2vid ui in "
                "a folder that contains it."
            )
        names = [*(() if Path(text).is_absolute() else Path(text).parts), *real_path.relative_to(self.root).parts]
        if any(name.startswith(".") for name in names):
            raise OutsideProjectError(f"{printable(text)} contains a hidden file or `..`.")
        return real_path

    def relative(self, text: str) -> str:
        """A path in the project as the word of a command that runs there; the path itself may be a link.

        Raises OutsideProjectError.
        """
        self.resolve(text)
        path = Path(os.path.normpath(self.root / text))
        relative = path.relative_to(self.root) if path.is_relative_to(self.root) else self.resolve(text)
        return f"./{relative}" if str(relative).startswith("-") else str(relative)

    def check_words(self, words: Sequence[str]) -> None:
        """Raise OutsideProjectError if a word of a command line contains a path that leads out of the project."""
        for word in words:
            if '"' in word and "\\" in word:  # escapes of YAML, which may stand for any character
                raise OutsideProjectError(f"{printable(word)}: a backslash between quotation marks is not accepted.")
            for candidate in _path_candidates(word):
                if candidate.startswith("~") or not self._contains(candidate):
                    raise OutsideProjectError(f"{printable(word)}: a path leads out of the project folder {self.root}.")

    def _contains(self, text: str) -> bool:
        return "\0" not in text and Path(os.path.realpath(self.root / text)).is_relative_to(self.root)


def _path_candidates(word: str) -> Iterator[str]:
    """A word of a command line and its parts that may be paths, which may contain separators themselves.

    Raises OutsideProjectError: more than MAX_PART_SEPARATORS.
    """
    separators = list(_PART_SEPARATORS.finditer(word))
    if len(separators) > MAX_PART_SEPARATORS:
        raise OutsideProjectError(
            f"{printable(word[:40])}...: it has more than {MAX_PART_SEPARATORS} separators, too many to check them. "
            "Write the setting into a file, and give its path."
        )
    flag = _GLUED_FLAG.match(word)
    starts = [0, *([flag.end()] if flag else []), *(match.end() for match in separators)]
    stops = [*(match.start() for match in separators), len(word)]
    for start in starts:
        yield from (word[start:stop] for stop in stops if start < stop)
