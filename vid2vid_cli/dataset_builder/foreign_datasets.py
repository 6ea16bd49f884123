"""Datasets prepared for other programs, understood as sequences of pictures with label files beside them.

vid2vid     <phase>_A/<sequence>/*  <phase>_B/...  <phase>_inst/...        labels, pictures, instances
            <phase>_keypoints/...   <phase>_img/...                        68-point text files, pictures
            <phase>_openpose/...    <phase>_densepose/...  <phase>_img/... OpenPose JSON, IUV maps, pictures
pix2pixHD   <phase>_label/*  <phase>_inst/*  <phase>_img/*                 without sequences
imaginaire  images/<sequence>/*  seg_maps/...  instance_maps/...  poses-openpose/...  pose_maps-densepose/...
            landmarks-dlib68/...  all of it also below train/ and val/

A phase is train, val or test. The folders between these and the files are the sequences; there may be none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vid2vid_cli.core.errors import DatasetError, FilesMismatchError
from vid2vid_cli.dataset_builder.sidecar_files import Files
from vid2vid_cli.media.probe import PICTURES, natural

Part = Literal["", "train", "holdout"]
"""What a sequence is for; "" where the folder does not say."""
PHASES: Mapping[str, Part] = {"train": "train", "val": "holdout", "test": "holdout"}
UNDERSTOOD = (
    "Understood are the layouts of vid2vid (train_A/SEQUENCE, train_B/SEQUENCE; also _inst, _keypoints, _openpose, "
    "_densepose, _img), pix2pixHD (train_label, train_img, train_inst) and imaginaire (images/SEQUENCE, "
    "seg_maps/SEQUENCE; also instance_maps, poses-openpose, pose_maps-densepose, landmarks-dlib68)."
)


@dataclass(frozen=True)
class Role:
    """What a folder of a layout is for."""

    conditioner: str
    """"" for the pictures."""
    option: str
    endings: tuple[str, ...]


MAPS = tuple(sorted(PICTURES))
FRAMES = Role("", "", MAPS)
LABELS = Role("labels", "dir", MAPS)
INSTANCES = Role("labels", "instances", MAPS)
DENSEPOSE = Role("densepose", "iuv_dir", MAPS)
POSE = Role("pose", "json_dir", (".json",))
LANDMARKS = Role("landmarks", "points_dir", (".txt", ".json"))
ORDER = ("pose", "densepose", "labels", "landmarks")
"""Of the conditioners, and so of their channels."""

VID2VID: Mapping[str, Role] = {
    "B": FRAMES,
    "img": FRAMES,
    "A": LABELS,
    "label": LABELS,
    "inst": INSTANCES,
    "keypoints": LANDMARKS,
    "openpose": POSE,
    "densepose": DENSEPOSE,
}
IMAGINAIRE: Mapping[str, Role] = {
    "images": FRAMES,
    "seg_maps": LABELS,
    "instance_maps": INSTANCES,
    "poses-openpose": POSE,
    "pose_maps-densepose": DENSEPOSE,
    "landmarks-dlib68": LANDMARKS,
}


@dataclass(frozen=True)
class Given:
    """One video that was given, or one sequence of a layout."""

    path: Path | None
    """The video, or the folder of pictures; None for labels without pictures."""
    files: Files
    part: Part = ""
    sequence: bool = False
    """One of a layout: whoever made that has said where clips begin, so no cuts are looked for in it."""


@dataclass(frozen=True)
class Layout:
    """A folder that was understood."""

    conditioners: tuple[str, ...]
    """Those that read its files."""
    sequences: tuple[Given, ...]
    remarks: tuple[str, ...]
    """What people should know of how it was understood."""


def understand(folder: Path) -> Layout | None:
    """The layout of a folder; None for what is no layout: a file, or a folder that holds the files themselves.

    Raises: DatasetError (folders in a folder, of no layout that is known, or empty ones), FilesMismatchError (folders
    that do not hold the same sequences, or another number of files for one).
    """
    if not folder.is_dir():
        return None
    phases = list(_phases(folder))
    labelled = any(role is not FRAMES for roles in phases for role in roles[1])
    if not labelled and _holds_files(folder):
        return None
    if not phases:
        _refuse(folder)
        return None
    said = {part for part, _ in phases}
    sequences = [one for part, roles in phases for one in _sequences(part if len(said) > 1 else "", roles)]
    used = {role.conditioner for _, roles in phases for role in roles}
    conditioners = tuple(name for name in ORDER if name in used)
    return Layout(conditioners, tuple(sequences), tuple(_remarks(folder, phases, sequences)))


Roles = Mapping[Role, Path]


def _phases(folder: Path) -> Iterator[tuple[Part, Roles]]:
    """Every phase that there is, and the folders of its roles."""
    for phase, part in PHASES.items():
        roles = _roles({name: folder / f"{phase}_{name}" for name in VID2VID}, VID2VID)
        roles = roles or _roles({name: folder / phase / name for name in IMAGINAIRE}, IMAGINAIRE)
        if roles:
            yield part, roles
    roles = _roles({name: folder / name for name in IMAGINAIRE}, IMAGINAIRE)
    if roles:
        yield "", roles


def _roles(places: Mapping[str, Path], kinds: Mapping[str, Role]) -> dict[Role, Path]:
    found: dict[Role, Path] = {}
    for name, place in places.items():
        if place.is_dir():
            found.setdefault(kinds[name], place)
    return found


def _holds_files(folder: Path) -> bool:
    """Whether the pictures, or the label files, lie in the folder itself."""
    endings = {*PICTURES, *POSE.endings, *LANDMARKS.endings}
    return any(entry.suffix.lower() in endings and entry.is_file() for entry in folder.iterdir())


def _refuse(folder: Path) -> None:
    inside = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
    if not inside:
        return
    shown = ", ".join(inside[:4]) + (", ..." if len(inside) > 4 else "")
    phase, _, rest = folder.name.partition("_")
    known = folder.name in IMAGINAIRE or (phase in PHASES and rest in VID2VID)
    first = ""
    if known:
        first = f"Name the folder above it: {folder.parent}. "
    elif any(entry.is_dir() and _holds_files(entry) for entry in folder.iterdir()):
        first = f"To take each folder of pictures as a video: vid2vid prepare --conditioner NAME {folder}/*\n"
    raise DatasetError(f"{folder} holds no pictures but folders ({shown}) of no known layout.", first + UNDERSTOOD)


def _sequences(part: Part, roles: Roles) -> Iterator[Given]:
    """The sequences of one phase. Raises as `understand`."""
    counted = {role: _counts(role, place) for role, place in roles.items()}
    leading = FRAMES if FRAMES in roles else next(iter(roles))
    for role, counts in counted.items():
        _check_names(roles[leading], counted[leading], roles[role], counts)
        for name, count in counts.items():
            if count != counted[leading][name]:
                raise _miscounted(role, roles[leading] / name, roles[role] / name)
    for name in counted[leading]:
        files: dict[str, dict[str, Path]] = {}
        for role, place in roles.items():
            if role is not FRAMES:
                files.setdefault(role.conditioner, {})[role.option] = place / name
        yield Given(roles[FRAMES] / name if FRAMES in roles else None, files, part, sequence=True)


def _counts(role: Role, folder: Path) -> dict[str, int]:
    """Every folder that holds files of the role, relative to `folder`, and how many. Raises DatasetError for none."""
    found: dict[str, int] = {}
    for place, inside, names in os.walk(folder, followlinks=True):
        inside.sort(key=lambda name: natural(Path(name)))
        count = sum(Path(name).suffix.lower() in role.endings and name[0] != "." for name in names)
        if count:
            found[Path(place).relative_to(folder).as_posix()] = count
    if not found:
        wanted = "picture" if role.endings == MAPS else " or ".join(role.endings) + " file"
        raise DatasetError(f"{folder} holds no {wanted}.", "Fill it, or take the folder away.")
    return found


def _check_names(first: Path, mine: Mapping[str, int], second: Path, theirs: Mapping[str, int]) -> None:
    for one, names, other, others in ((first, mine, second, theirs), (second, theirs, first, mine)):
        missing = [name for name in names if name not in others]
        if missing:
            shown = ", ".join("files of its own" if name == "." else name for name in missing[:3])
            shown += f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise FilesMismatchError(
                f"{other} lacks {shown}, which {one} has.", "Both must hold the same sequences, by the same names."
            )


def _miscounted(role: Role, pictures: Path, labels: Path) -> FilesMismatchError:
    """Names the first file that has no partner, where names tell."""
    stems = [
        {path.stem: path for path in sorted(place.iterdir(), key=natural) if path.suffix.lower() in endings}
        for place, endings in ((pictures, MAPS), (labels, role.endings))
    ]
    alone = next((path.name for stem, path in stems[0].items() if stem not in stems[1]), "")
    counts = f"{pictures} holds {len(stems[0])} files and {labels} {len(stems[1])}"
    hint = "Each picture needs one; remove the pictures that have none, or make their files."
    if role is LANDMARKS:
        hint = "Scripts around dlib leave out frames without a face: put an empty file in the place of each."
    return FilesMismatchError(f"{counts}" + (f": none for {alone}." if alone else "."), hint)


def _remarks(folder: Path, phases: list[tuple[Part, Roles]], sequences: list[Given]) -> Iterator[str]:
    by_name: dict[str, list[str]] = {}
    used: set[Path] = set()
    for _, roles in phases:
        used.update(roles.values())
        for role, place in roles.items():
            if role is not FRAMES:
                by_name.setdefault(role.conditioner, []).append(str(place.relative_to(folder)))
    read = "; ".join(f"{name} from {' and '.join(by_name[name])}" for name in ORDER if name in by_name)
    parts = {"": "", "train": "to learn from", "holdout": "held out"}
    counts = [f"{n} {parts[part]}".strip() for part in parts if (n := sum(one.part == part for one in sequences))]
    number = "1 sequence" if len(sequences) == 1 else f"{len(sequences)} sequences"
    number += f" ({', '.join(counts)})" if len(counts) > 1 else ""
    yield f"{folder} was prepared for another program: {number}; {read or 'pictures alone'}."
    for _, roles in phases:
        for role, place in roles.items():
            if role is FRAMES and "." in _counts(role, place):
                yield f"The pictures of {place} are in no folders of their own: they are taken as one sequence."
    unused = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not _holds(entry, used))
    if unused:
        yield f"Not used: {', '.join(unused)}."


def _holds(folder: Path, used: set[Path]) -> bool:
    return any(place == folder or folder in place.parents for place in used)
