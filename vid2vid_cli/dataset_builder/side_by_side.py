"""pix2pix's folder layout: images that contain A and B side by side, divided into two folders that `prepare` reads."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vid2vid_cli.core.errors import ConfigError, DatasetError, NotAVideoError
from vid2vid_cli.dataset_builder.dataset_layouts import SPLIT_BY_PHASE
from vid2vid_cli.engine.events import EventHandler, FrameProgress, InfoEvent
from vid2vid_cli.media.file_pairing import sort_files
from vid2vid_cli.media.images import load_image, save_png
from vid2vid_cli.media.os_errors import write_error
from vid2vid_cli.media.probe import IMAGE_SUFFIXES
from vid2vid_cli.requests.prepare import PrepareRequest

PairDirection = Literal["a2b", "b2a"]
RGB_OPTIONS: Mapping[str, str] = {"format": "rgb"}
"""Options of the conditioner `labels` for conditions that are images."""
DIVIDED_SUFFIX = ".divided"


@dataclass(frozen=True)
class SideBySideImages:
    """A folder of such images, with or without the subfolders train, val and test."""

    folder: Path
    files_by_phase: Mapping[str, tuple[Path, ...]]

    @property
    def num_images(self) -> int:
        """Images of all phases."""
        return sum(map(len, self.files_by_phase.values()))


def find_side_by_side_images(folder: Path) -> SideBySideImages:
    """The images of a folder and of its subfolders train, val and test. Raises DatasetError for none."""
    candidates = {phase: folder / phase for phase in SPLIT_BY_PHASE if (folder / phase).is_dir()} or {"train": folder}
    files = {phase: tuple(_list_images(path)) for phase, path in candidates.items()}
    files = {phase: paths for phase, paths in files.items() if paths}
    if not files:
        raise DatasetError(
            f"{folder} contains no images.",
            "--side-by-side reads a folder of images with A on the left and B on the right, or its subfolders train, "
            "val and test.",
        )
    return SideBySideImages(folder, files)


def _list_images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sort_files(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def divided_folder(dataset: Path) -> Path:
    """The folder of the divided images of a dataset."""
    return dataset.with_name(dataset.name + DIVIDED_SUFFIX)


def divide_images(images: SideBySideImages, out: Path, direction: PairDirection, on_image: Callable[[], None]) -> None:
    """Write the halves to `out` in the layout of vid2vid, as PNG: <phase>_A the conditions, <phase>_B the frames.

    `a2b`: A, the left half, is the condition; `b2a`: B is. An existing folder is replaced. `on_image` is called
    after each image. Raises NotAVideoError (damaged, or an image with an odd width), DiskFullError,
    PermissionDeniedError.
    """
    try:
        shutil.rmtree(out, ignore_errors=True)
        for folder in (f"{phase}_{half}" for phase in images.files_by_phase for half in "AB"):
            (out / folder / images.folder.resolve().name).mkdir(parents=True)
    except OSError as error:
        raise write_error(out, error) from error
    for phase, path in _iterate(images):
        image = load_image(path)
        width = image.shape[1]
        if width % 2:
            raise NotAVideoError(
                f"{path} is {width} pixels wide; two images of equal width side by side have an even width.",
                "--side-by-side is for images that contain A and B; leave it out for others.",
            )
        halves = {"A": image[:, : width // 2], "B": image[:, width // 2 :]}
        condition, frame = ("A", "B") if direction == "a2b" else ("B", "A")
        for folder, half in (("A", condition), ("B", frame)):
            save_png(out / f"{phase}_{folder}" / images.folder.resolve().name / f"{path.stem}.png", halves[half])
        on_image()


def _iterate(images: SideBySideImages) -> Iterator[tuple[str, Path]]:
    for phase, paths in images.files_by_phase.items():
        for path in paths:
            yield phase, path


def plan_division(request: PrepareRequest, dataset: Path) -> tuple[tuple[str, str], ...]:
    """Rows of --dry-run; writes nothing. Raises as `divide_request`, except for damaged images."""
    images = _requested_images(request)
    return (
        ("images", f"{images.num_images} of {images.folder}, side by side"),
        ("divided", f"{divided_folder(dataset)}, direction {request.side_by_side}"),
        ("dataset", str(dataset)),
    )


def divide_request(request: PrepareRequest, dataset: Path, emit: EventHandler) -> PrepareRequest:
    """Write the halves beside `dataset`, and return the request that makes the dataset of them.

    Raises ConfigError for several inputs, and the errors of `find_side_by_side_images` and `divide_images`.
    """
    images, out = _requested_images(request), divided_folder(dataset)
    progress = FrameProgress("divide", images.num_images, emit)
    divide_images(images, out, request.side_by_side or "a2b", progress.advance)
    emit(InfoEvent(f"{images.folder}: {images.num_images} images, divided into conditions and frames in {out}"))
    label_options = {**RGB_OPTIONS, **request.options.get("labels", {})}
    return replace(
        request,
        videos=(out,),
        conditioners=request.conditioners or ("labels",),
        options={**request.options, "labels": label_options},
        out=dataset,
        side_by_side=None,
    )


def _requested_images(request: PrepareRequest) -> SideBySideImages:
    if len(request.videos) != 1:
        raise ConfigError(
            f"--side-by-side reads one folder, and {len(request.videos)} inputs are given.", "Prepare each one alone."
        )
    return find_side_by_side_images(request.videos[0])
