"""Pairing of files that belong together by their names or numbers, and gaps in the numbers of a sequence of files.

A name consists of text and numbers; leading zeros do not count. The files of two folders are compared by the first of
these that gives the most pairs: the whole name; the name without the parts up to an underscore, hyphen or dot that all
files of the folder share (`walk_12_keypoints` -> `12`); the numbers that differ within the folder.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from vid2vid_cli.core.errors import InputFileMismatchError
from vid2vid_cli.media.files import natural_sort_key

FileKey = Callable[[Sequence[Path]], Sequence[Hashable] | None]
MAX_LISTED_FILES = 3
"""Number of files that a message names."""


@dataclass(frozen=True)
class FilePairs:
    """The result of `pair_files`."""

    file_indices: tuple[int, ...]
    """The index of the file of each frame."""
    remarks: tuple[str, ...]
    """What was assumed or left out, as sentences for the user."""


def pair_files(frames: Sequence[Path], files: Sequence[Path], *, hint: str = "") -> FilePairs:
    """Pair each frame of a folder with the file that has its name or number; both are in natural order.

    Files without a frame are left out and named in a remark. Folders without a common name or number are paired in
    order. If names of different form have equally many numbers from 0 or 1 and from another number, they are paired
    in order too. `hint`: what to do about frames without a file.

    Raises: InputFileMismatchError (frames without a file).
    """
    if len(frames) == len(files) == 1:
        return FilePairs((0,), ())
    key, index_by_key, frame_keys = _choose_key(frames, files)
    if index_by_key is None or (key is not _whole_names and _is_renumbered(frames, files)):
        if len(frames) != len(files):
            raise _mismatch_error(frames, files, "They have no names or numbers in common.", hint)
        return FilePairs(tuple(range(len(files))), (_describe_order(frames, files),))
    unpaired_frames = [frame for frame, name in zip(frames, frame_keys, strict=True) if index_by_key.get(name) is None]
    indices = [index_by_key[name] for name in frame_keys if name in index_by_key]
    used_indices = set(indices)
    unused_files = [file for index, file in enumerate(files) if index not in used_indices]
    if unpaired_frames:
        problem = f"There is no file for {list_names(unpaired_frames)}"
        problem += f"; {list_names(unused_files)} has no image." if unused_files else "."
        raise _mismatch_error(frames, files, problem, hint)
    remarks: tuple[str, ...] = ()
    if unused_files:
        verb = "has no image" if len(unused_files) == 1 else "have no image"
        remarks = (f"{list_names(unused_files)} of {files[0].parent} {verb} in {frames[0].parent} and are left out.",)
    return FilePairs(tuple(indices), remarks)


def find_gaps(files: Sequence[Path]) -> tuple[int, ...]:
    """Indices of the files before which numbers are missing, in natural order: 3 for frames 12, 13, 14, 35.

    The usual step is the most frequent one, so that every fifth frame is no gap. () if names have no number or several
    that differ, or if steps are irregular, as those of time stamps are.
    """
    numbers = frame_numbers(files)
    if numbers is None or len(numbers) < 3:
        return ()
    steps = [late - early for early, late in pairwise(numbers)]
    counts = Counter(steps)
    usual_step = min(counts, key=lambda step: (-counts[step], step))
    if 2 * counts[usual_step] < len(steps):
        return ()
    return tuple(index for index, step in enumerate(steps, start=1) if 2 * step > 3 * usual_step)


def describe_gaps(files: Sequence[Path], gaps: Sequence[int]) -> str:
    """A sentence that names the files around the gaps."""
    places = [f"{files[index - 1].name} and {files[index].name}" for index in gaps[:MAX_LISTED_FILES]]
    more = f" and at {len(gaps) - len(places)} more places" if len(gaps) > len(places) else ""
    return f"Numbers are missing between {', between '.join(places)}{more}."


def frame_numbers(files: Sequence[Path]) -> list[int] | None:
    """The number of each file, if its name differs from the others in one number only; else None."""
    numbers = _varying_numbers(files)
    return [values[0] for values in numbers] if numbers and len(numbers[0]) == 1 else None


def sort_files(candidates: Iterable[Path]) -> list[Path]:
    """The files of one folder in natural order: frame2 before frame10.

    Raises: InputFileMismatchError (two files with the same name or number, such as 1.png and 1.jpg).
    """
    files = sorted(candidates, key=natural_sort_key)
    path_by_name: dict[Hashable, Path] = {}
    for file, name in zip(files, _whole_names(files), strict=True):
        other = path_by_name.setdefault(name, file)
        if other is not file:
            raise InputFileMismatchError(
                f"{file.parent} contains {other.name} and {file.name}: two files with the same name or number.",
                "Keep one of them for each frame, and move the others into another folder.",
            )
    return files


def list_names(files: Sequence[Path]) -> str:
    """The names of the first files, and how many more there are."""
    names = ", ".join(file.name for file in files[:MAX_LISTED_FILES])
    return names + (f" and {len(files) - MAX_LISTED_FILES} more" if len(files) > MAX_LISTED_FILES else "")


def _choose_key(
    frames: Sequence[Path], files: Sequence[Path]
) -> tuple[FileKey, dict[Hashable, int] | None, Sequence[Hashable]]:
    """The kind of key with the most pairs, file index by key (None without any pair), and the keys of the frames."""
    best: tuple[FileKey, dict[Hashable, int] | None, Sequence[Hashable]] = (_whole_names, None, ())
    best_count = 0
    for key in (_whole_names, _inner_names, _varying_numbers):
        frame_keys, file_keys = key(frames), key(files)
        if frame_keys is None or file_keys is None:
            continue
        index_by_key = {name: index for index, name in enumerate(file_keys)}
        num_pairs = sum(name in index_by_key for name in frame_keys)
        if num_pairs > best_count and len(index_by_key) == len(files):
            best, best_count = (key, index_by_key, frame_keys), num_pairs
    return best


def _split_name(name: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name) if part)


def _whole_names(files: Sequence[Path]) -> list[Hashable]:
    return [_split_name(file.stem) for file in files]


def _inner_names(files: Sequence[Path]) -> list[Hashable] | None:
    """Names without the parts that all files share, which end at a separator; None for a single file."""
    stems = [file.stem for file in files]
    if len(stems) < 2:
        return None
    prefix = re.sub(r"[^_.-]*$", "", _common_prefix(stems))
    suffix = re.sub(r"^[^_.-]*", "", _common_prefix([stem[::-1] for stem in stems])[::-1])
    return [_split_name(stem[len(prefix) : max(len(prefix), len(stem) - len(suffix))]) for stem in stems]


def _common_prefix(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:length]


def _varying_numbers(files: Sequence[Path]) -> list[tuple[int, ...]] | None:
    """The numbers of each name that are not the same in all names; None if the names differ in their text."""
    names = [_split_name(file.stem) for file in files]
    texts = {tuple(part if isinstance(part, str) else None for part in name) for name in names}
    if len(texts) != 1:
        return None
    numbers = [tuple(part for part in name if isinstance(part, int)) for name in names]
    positions = [i for i in range(len(numbers[0])) if len({values[i] for values in numbers}) > 1]
    return [tuple(values[i] for i in positions) for values in numbers] if positions else None


def _is_renumbered(frames: Sequence[Path], files: Sequence[Path]) -> bool:
    """Whether the numbers of two folders have a constant difference because one of them counts from 0 or 1."""
    numbers, file_numbers = frame_numbers(frames), frame_numbers(files)
    if numbers is None or file_numbers is None or len(numbers) != len(file_numbers):
        return False
    differences = {a - b for a, b in zip(numbers, file_numbers, strict=True)}
    return len(differences) == 1 and differences != {0} and min(numbers[0], file_numbers[0]) <= 1


def _describe_order(frames: Sequence[Path], files: Sequence[Path]) -> str:
    return (
        f"The names of {frames[0].parent} and {files[0].parent} differ, so the files are paired in order: "
        f"{frames[0].name} with {files[0].name}, {frames[-1].name} with {files[-1].name}."
    )


def _mismatch_error(frames: Sequence[Path], files: Sequence[Path], problem: str, hint: str) -> InputFileMismatchError:
    counts = f"{frames[0].parent} contains {len(frames)} images, {files[0].parent} contains {len(files)} files."
    default_hint = "Each image needs a file of its name; remove the images without one, or add the files."
    return InputFileMismatchError(f"{counts} {problem}", hint or default_hint)
