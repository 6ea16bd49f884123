"""What `prepare` was given, as videos: ordinary ones, and the sequences of datasets in another program's layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.core.errors import DatasetError, FilesMismatchError, NotAVideoError
from vid2vid_cli.data.manifest import FILE_NAME
from vid2vid_cli.dataset_builder.foreign_datasets import Given, Layout, understand
from vid2vid_cli.dataset_builder.sidecar_files import Files, chosen_files, typed_files

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Opened:
    """Videos, and what came with them."""

    videos: tuple[tuple[Path, Given], ...]
    conditioners: tuple[str, ...]
    """Those for which labels came with all of them; () where there were none."""
    remarks: tuple[str, ...]

    def files(self, conditioners: Sequence[Conditioner]) -> list[Files]:
        """For each video the files that it came with, and those that the conditioners' options name, which go first.

        Raises as `typed_files`.
        """
        typed = typed_files(conditioners, [path for path, _ in self.videos])
        return [
            chosen_files(conditioners, given.files, own) for (_, given), own in zip(self.videos, typed, strict=True)
        ]


def open_videos(paths: Sequence[Path]) -> Opened:
    """Every video among `paths`, and every sequence with pictures in the layouts among them, in order.

    Raises: NotAVideoError (a dataset of our own), DatasetError (a folder of no known layout, or without pictures),
    FilesMismatchError (files that do not belong together).
    """
    videos: list[tuple[Path, Given]] = []
    remarks: list[str] = []
    offered: list[tuple[str, ...]] = []
    for path in paths:
        if (path / FILE_NAME).is_file():  # its contact sheet would pass for a video of one frame
            raise NotAVideoError(
                f"{path} is a dataset already.", f"Train on it: vid2vid train --preset tiny --data {path}"
            )
        layout = understand(path)
        if layout is None:
            videos.append((path, Given(path, {})))
            offered.append(())
        else:
            videos += _with_pictures(path, layout, remarks)
            offered.append(layout.conditioners)
    common = tuple(name for name in offered[0] if all(name in others for others in offered)) if offered else ()
    return Opened(tuple(videos), common, tuple(remarks))


def _with_pictures(folder: Path, layout: Layout, remarks: list[str]) -> list[tuple[Path, Given]]:
    """The sequences that can be learned from, all with the same kinds of labels."""
    remarks += layout.remarks
    seen = [(one.path, one) for one in layout.sequences if one.path is not None]
    if not seen:
        names = " and ".join(layout.conditioners)
        raise DatasetError(
            f"{folder} holds {names} without pictures, so there is nothing to learn from.",
            f"Render it with a trained model: vid2vid synthesize MODEL.ckpt {folder}",
        )
    left = len(layout.sequences) - len(seen)
    if left:
        number = "1 sequence" if left == 1 else f"{left} sequences"
        remarks.append(f"Left out: {number} of {folder} with labels and no pictures.")
    first = _kinds(seen[0][1])
    for path, one in seen:
        if _kinds(one) != first:
            odd = ", ".join(sorted(_kinds(one) ^ first))
            raise FilesMismatchError(
                f"Some sequences of {folder} have {odd} and others have not, such as {path}.",
                "Complete them, or prepare the parts one by one.",
            )
    if len({one.part for _, one in seen}) == 1:  # with nothing but test sequences there is still something to learn
        return [(path, replace(one, part="")) for path, one in seen]
    return seen


def _kinds(given: Given) -> set[str]:
    return {f"{name}.{option}" for name, own in given.files.items() for option in own}


def common_size(found: Sequence[Size], limit: int | None) -> tuple[Size, list[Size]]:
    """The size of the dataset, and to what size each video is decoded so that it covers that.

    The shape is the first video's; the scale is such that no video is enlarged.
    """
    shortest = min(min(size) for size in found)
    scale = min(1.0, min(limit or shortest, shortest) / min(found[0]))
    cover = [max(found[0][0] * scale / height, found[0][1] * scale / width) for height, width in found]
    scale /= max(1.0, *cover)
    height, width = (max(1, round(side * scale)) for side in found[0])
    scaled = []
    for size in found:
        factor = max(height / size[0], width / size[1])
        scaled.append((max(height, math.ceil(size[0] * factor - 0.5)), max(width, math.ceil(size[1] * factor - 0.5))))
    return (height, width), scaled
