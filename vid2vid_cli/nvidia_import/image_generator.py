"""The generator of single images that belongs to a published network: its first frames come from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.core.errors import MissingFileError
from vid2vid_cli.nvidia_import.conditions import Preset
from vid2vid_cli.nvidia_import.files import Release, find_release

FOLDERS: Mapping[Preset, str] = {"street": "label2city_single", "face": "edge2face_single"}
"""Where the published program looks, beside the network's own folder; for bodies there is none."""
GOES_ON = (
    "The published network goes on from real frames and was never shown a beginning: it takes those of a dataset, or "
    "of synthesize --first FRAME.png."
)
FACE = (
    "is made for faces with features of their parts, looked up in features.npy by a real photo of the same face. That "
    "file is a pickle, which can execute anything when it is read."
)


@dataclass(frozen=True)
class Chosen:
    """The file to take, if there is one, and what to say."""

    path: Path | None
    remarks: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def choose_single(release: Release, preset: Preset, width: int | None) -> Chosen:
    """The generator for pictures `width` pixels wide (None: the largest), in the folder or where it is published."""
    if preset == "pose":
        return Chosen(None)  # it begins by itself, from nothing
    found = release if release.single else _beside(release, preset)
    if found is None:
        return Chosen(None, (f"No single-image generator lies here or in {FOLDERS[preset]}/. {GOES_ON}",))
    if preset == "face":
        names = ", ".join(path.name for path in found.single)
        return Chosen(None, (GOES_ON,), (f"{found.folder / names}: it {FACE}",))
    fits = [path for path in found.single if width is None or path.stem.endswith(f"_{width}")] or found.single
    others = [path.name for path in found.single if path != fits[-1]]
    return Chosen(fits[-1], (), (f"{', '.join(others)}: for other sizes.",) if others else ())


def _beside(release: Release, preset: Preset) -> Release | None:
    for folder in (release.folder / FOLDERS[preset], release.folder.resolve().parent / FOLDERS[preset]):
        if folder.is_dir():
            try:
                found = find_release(folder)
            except MissingFileError:
                continue
            if found.single:
                return found
    return None
