"""Selection of the image generator of a release, which generates initial frames for its video generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.core.errors import MissingFileError
from vid2vid_cli.nvidia_import.conditions import ReleasePreset
from vid2vid_cli.nvidia_import.files import Release, find_release

RELEASE_FOLDERS: Mapping[ReleasePreset, str] = {"street": "label2city_single", "face": "edge2face_single"}
"""Folder of the image generator, next to that of the video generator. Pose has none."""
INITIAL_FRAME_REMARK = (
    "The published network continues real frames and cannot generate the first one: use the frames of a dataset, or "
    "synthesize --initial-frame FRAME.png."
)
FACE_REASON = (
    "needs encoded features of a real photo of the same face from features.npy, a pickle file that can execute code "
    "when it is loaded."
)


@dataclass(frozen=True)
class ImageGeneratorChoice:
    """The selected file, if any, with remarks and with reasons for skipped files."""

    path: Path | None
    remarks: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def choose_image_generator(release: Release, preset: ReleasePreset, width: int | None) -> ImageGeneratorChoice:
    """Select the generator for images of `width` (None: the largest), in the release or its sibling folder."""
    if preset == "pose":
        return ImageGeneratorChoice(None)  # the video generator starts from zeros
    image_release = release if release.image_generator_paths else _find_sibling_release(release, preset)
    if image_release is None:
        return ImageGeneratorChoice(
            None, (f"No image generator found here or in {RELEASE_FOLDERS[preset]}/. {INITIAL_FRAME_REMARK}",)
        )
    if preset == "face":
        names = ", ".join(path.name for path in image_release.image_generator_paths)
        return ImageGeneratorChoice(
            None, (INITIAL_FRAME_REMARK,), (f"{image_release.folder / names}: the image generator {FACE_REASON}",)
        )
    matching_paths = [
        path for path in image_release.image_generator_paths if width is None or path.stem.endswith(f"_{width}")
    ] or image_release.image_generator_paths
    skipped_names = [path.name for path in image_release.image_generator_paths if path != matching_paths[-1]]
    return ImageGeneratorChoice(
        matching_paths[-1], (), (f"{', '.join(skipped_names)}: for other image sizes.",) if skipped_names else ()
    )


def _find_sibling_release(release: Release, preset: ReleasePreset) -> Release | None:
    for folder in (release.folder / RELEASE_FOLDERS[preset], release.folder.resolve().parent / RELEASE_FOLDERS[preset]):
        if folder.is_dir():
            try:
                sibling_release = find_release(folder)
            except MissingFileError:
                continue
            if sibling_release.image_generator_paths:
                return sibling_release
    return None
