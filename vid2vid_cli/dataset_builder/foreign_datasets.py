"""Reads datasets in the layouts of vid2vid, pix2pixHD and imaginaire as sequences of images with label files.

See `dataset_layouts` for the layouts. The folders between the folder of a role and its files are the sequences.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.core.errors import DatasetError, InputFileMismatchError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.dataset_builder.dataset_layouts import (
    CONDITIONER_ORDER,
    FRAMES_ROLE,
    IMAGINAIRE_FOLDERS,
    LANDMARKS_ROLE,
    POSE_ROLE,
    SORTED_IMAGE_SUFFIXES,
    SPLIT_BY_PHASE,
    SUPPORTED_LAYOUTS,
    VID2VID_FOLDERS,
    FolderRole,
    SequenceSplit,
)
from vid2vid_cli.dataset_builder.sidecar_files import SidecarFiles
from vid2vid_cli.media.file_pairing import pair_files, sort_files
from vid2vid_cli.media.files import natural_sort_key
from vid2vid_cli.media.input_paths import find_folder_videos
from vid2vid_cli.media.probe import IMAGE_SUFFIXES

DLIB_HINT = "Scripts for dlib skip frames without a face: add an empty file for each of these frames."


@dataclass(frozen=True)
class InputSequence:
    """One input video, or one sequence of a foreign dataset."""

    path: Path | None
    """The video, or the folder of images; None for labels without images."""
    sidecar_files: SidecarFiles
    split: SequenceSplit = ""
    is_single_shot: bool = False
    """True for sequences of a foreign dataset, which are not divided at cuts."""


@dataclass(frozen=True)
class ForeignDataset:
    """A folder with a known layout."""

    conditioners: tuple[str, ...]
    """Names of the conditioners that read its files."""
    sequences: tuple[InputSequence, ...]
    remarks: tuple[str, ...]
    """Messages for the user about how the folder was interpreted."""


def parse_layout(folder: Path) -> ForeignDataset | None:
    """Parse the layout of a folder; None for a file, or a folder that directly contains images, label files or videos.

    Raises: DatasetError (subfolders of an unknown layout, or empty ones), InputFileMismatchError (the folders have
    different sequences, images without a label file, or two files with the same name or number).
    """
    if not folder.is_dir():
        return None
    phases = list(_iterate_phases(folder))
    has_labels = any(role is not FRAMES_ROLE for roles in phases for role in roles[1])
    if not has_labels and _has_files(folder):
        return None
    if not phases:
        if not find_folder_videos(folder):
            _reject_unknown_layout(folder)
        return None
    has_splits = len({split for split, _ in phases}) > 1
    sequences = [
        sequence for split, roles in phases for sequence in _iterate_sequences(split if has_splits else "", roles)
    ]
    used_conditioners = {role.conditioner for _, roles in phases for role in roles}
    conditioners = tuple(name for name in CONDITIONER_ORDER if name in used_conditioners)
    return ForeignDataset(conditioners, tuple(sequences), tuple(_layout_remarks(folder, phases, sequences)))


RoleFolders = Mapping[FolderRole, Path]


def _iterate_phases(folder: Path) -> Iterator[tuple[SequenceSplit, RoleFolders]]:
    """Yield the split and the folders of each existing phase."""
    for phase, split in SPLIT_BY_PHASE.items():
        role_folders = _find_role_folders(
            {name: folder / f"{phase}_{name}" for name in VID2VID_FOLDERS}, VID2VID_FOLDERS
        )
        role_folders = role_folders or _find_role_folders(
            {name: folder / phase / name for name in IMAGINAIRE_FOLDERS}, IMAGINAIRE_FOLDERS
        )
        if role_folders:
            yield split, role_folders
    role_folders = _find_role_folders({name: folder / name for name in IMAGINAIRE_FOLDERS}, IMAGINAIRE_FOLDERS)
    if role_folders:
        yield "", role_folders


def _find_role_folders(
    candidate_folders: Mapping[str, Path], roles_by_name: Mapping[str, FolderRole]
) -> dict[FolderRole, Path]:
    role_folders: dict[FolderRole, Path] = {}
    for name, candidate in candidate_folders.items():
        if candidate.is_dir():
            role_folders.setdefault(roles_by_name[name], candidate)
    return role_folders


def _has_files(folder: Path) -> bool:
    """Whether the folder directly contains images or label files."""
    suffixes = {*IMAGE_SUFFIXES, *POSE_ROLE.suffixes, *LANDMARKS_ROLE.suffixes}
    return any(entry.suffix.lower() in suffixes and entry.is_file() for entry in folder.iterdir())


def _reject_unknown_layout(folder: Path) -> None:
    subfolder_names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
    if not subfolder_names:
        return
    listed_names = ", ".join(subfolder_names[:4]) + (", ..." if len(subfolder_names) > 4 else "")
    phase, _, role_name = folder.name.partition("_")
    is_known_folder = folder.name in IMAGINAIRE_FOLDERS or (phase in SPLIT_BY_PHASE and role_name in VID2VID_FOLDERS)
    hint = ""
    if is_known_folder:
        hint = f"Use its parent folder: {folder.parent}. "
    elif any(entry.is_dir() and _has_files(entry) for entry in folder.iterdir()):
        hint = (
            f"To use each folder of images as a video: vid2vid prepare --conditioner NAME {shell_command(folder)}/*\n"
        )
    raise DatasetError(
        f"{folder} contains no images, and its subfolders ({listed_names}) do not match a known layout.",
        hint + SUPPORTED_LAYOUTS,
    )


def _iterate_sequences(split: SequenceSplit, role_folders: RoleFolders) -> Iterator[InputSequence]:
    """Yield the sequences of one phase. Raises as `parse_layout`."""
    files_by_role = {role: _list_files(role, folder) for role, folder in role_folders.items()}
    reference_role = FRAMES_ROLE if FRAMES_ROLE in role_folders else next(iter(role_folders))
    reference_files = files_by_role[reference_role]
    for role, files in files_by_role.items():
        _check_same_sequences(role_folders[reference_role], reference_files, role_folders[role], files)
        for name in reference_files:
            # Only the errors are of interest here: the conditioners pair the files again when they read them.
            pair_files(reference_files[name], files[name], hint=DLIB_HINT if role is LANDMARKS_ROLE else "")
    for name in reference_files:
        sidecar_files: dict[str, dict[str, Path]] = {}
        for role, folder in role_folders.items():
            if role is not FRAMES_ROLE:
                sidecar_files.setdefault(role.conditioner, {})[role.option] = folder / name
        yield InputSequence(
            role_folders[FRAMES_ROLE] / name if FRAMES_ROLE in role_folders else None,
            sidecar_files,
            split,
            is_single_shot=True,
        )


def _list_files(role: FolderRole, folder: Path) -> dict[str, list[Path]]:
    """Files of the role per subfolder (path relative to `folder`), each real folder once.

    Raises DatasetError without files.
    """
    files_by_subfolder: dict[str, list[Path]] = {}
    visited: set[Path] = set()
    for parent, subfolder_names, file_names in os.walk(folder, followlinks=True):
        subfolder_names[:] = [name for name in subfolder_names if not _is_link_into(Path(parent, name), folder)]
        real_parent = Path(parent).resolve()
        if real_parent in visited:  # a link to a folder that another link has reached
            subfolder_names.clear()
            continue
        visited.add(real_parent)
        subfolder_names.sort(key=lambda name: natural_sort_key(Path(name)))
        paths = [Path(parent, name) for name in file_names if name[0] != "."]
        files = sort_files(path for path in paths if path.suffix.lower() in role.suffixes)
        if files:
            files_by_subfolder[Path(parent).relative_to(folder).as_posix()] = files
    if not files_by_subfolder:
        expected_files = "images" if role.suffixes == SORTED_IMAGE_SUFFIXES else f"{' or '.join(role.suffixes)} files"
        raise DatasetError(f"{folder} contains no {expected_files}.", "Add the files, or remove the folder.")
    return files_by_subfolder


def _is_link_into(path: Path, folder: Path) -> bool:
    """Whether a path is a link to a folder that is read without it, such as one of its own parents."""
    if not path.is_symlink():
        return False
    target, real_folder = path.resolve(), folder.resolve()
    return target == real_folder or real_folder in target.parents or target in real_folder.parents


def _check_same_sequences(folder_a: Path, names_a: Collection[str], folder_b: Path, names_b: Collection[str]) -> None:
    for folder, names, other_folder, other_names in (
        (folder_a, names_a, folder_b, names_b),
        (folder_b, names_b, folder_a, names_a),
    ):
        missing = [name for name in names if name not in other_names]
        if missing:
            listed_names = ", ".join("files" if name == "." else name for name in missing[:3])
            listed_names += f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise InputFileMismatchError(
                f"{other_folder} does not contain {listed_names}, which {folder} contains.",
                "Both folders must contain the same sequences with the same names.",
            )


def _layout_remarks(
    folder: Path, phases: list[tuple[SequenceSplit, RoleFolders]], sequences: list[InputSequence]
) -> Iterator[str]:
    folders_by_conditioner: dict[str, list[str]] = {}
    used_folders: set[Path] = set()
    for _, role_folders in phases:
        used_folders.update(role_folders.values())
        for role, role_folder in role_folders.items():
            if role is not FRAMES_ROLE:
                folders_by_conditioner.setdefault(role.conditioner, []).append(str(role_folder.relative_to(folder)))
    sources_text = "; ".join(
        f"{name} from {' and '.join(folders_by_conditioner[name])}"
        for name in CONDITIONER_ORDER
        if name in folders_by_conditioner
    )
    split_texts = {"": "", "train": "training", "val": "validation"}
    split_counts = [
        f"{count} {split_texts[split]}".strip()
        for split in split_texts
        if (count := sum(sequence.split == split for sequence in sequences))
    ]
    sequences_text = "1 sequence" if len(sequences) == 1 else f"{len(sequences)} sequences"
    sequences_text += f" ({', '.join(split_counts)})" if len(split_counts) > 1 else ""
    yield f"{folder} is a dataset of another program with {sequences_text}: {sources_text or 'images only'}."
    for _, role_folders in phases:
        for role, role_folder in role_folders.items():
            if role is FRAMES_ROLE and "." in _list_files(role, role_folder):
                yield f"{role_folder} has no subfolders: its images are used as one sequence."
    unused_folders = sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and not _contains_used_folder(entry, used_folders)
    )
    if unused_folders:
        yield f"Ignored folders: {', '.join(unused_folders)}."


def _contains_used_folder(folder: Path, used_folders: set[Path]) -> bool:
    return any(used == folder or folder in used.parents for used in used_folders)
