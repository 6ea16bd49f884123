"""`import nvidia`: the files of the published release as `.ckpt`s that `synthesize` takes.

latest_net_G0.pth, _G1, _G2     one generator, coarse to fine           NAME.ckpt
latest_net_G_512.pth ...        a single image from its labels          NAME_first.ckpt, for `synthesize --first`
latest_net_D*.pth, _E, *.npy    left out, and said why
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from vid2vid_cli import __version__
from vid2vid_cli.conditioning import View
from vid2vid_cli.config.generator import least_side
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.engine.checkpoint import CheckpointInfo, save_checkpoint
from vid2vid_cli.engine.events import Noticed, Tell, Warned, Wrote
from vid2vid_cli.media.files import digest_of, free_name
from vid2vid_cli.pipelines.importing.architecture import Architecture, of_image, of_video
from vid2vid_cli.pipelines.importing.convert import convert
from vid2vid_cli.pipelines.importing.counts import published, words
from vid2vid_cli.pipelines.importing.files import Release, Weights, find_release, read_weights
from vid2vid_cli.pipelines.importing.material import Material, Preset, material, picture
from vid2vid_cli.pipelines.importing.singles import Chosen, choose_single
from vid2vid_cli.pipelines.plan import Plan

LICENCE = "CC BY-NC-SA 4.0 (NVIDIA vid2vid): not for commercial use, and to be passed on alike"


@dataclass(frozen=True)
class ImportRequest:
    """What `import nvidia` is asked to do."""

    folder: Path
    preset: Preset
    out: Path | None = None
    """None: <name>.ckpt here."""
    name: str | None = None
    """None: that of the folder."""
    size: tuple[int, int] | None = None
    """(height, width) of the picture; None: as published for networks of this shape."""
    overwrite: bool = False


@dataclass(frozen=True)
class Imported:
    """What was written."""

    path: Path
    first: Path | None
    """The generator of the first frame, where there is one besides."""
    counts: dict[str, int]
    """Weights by file."""


@dataclass(frozen=True)
class _Network:
    """Published files, understood but not yet converted."""

    architecture: Architecture
    material: Material
    size: tuple[int, int]
    files: Sequence[Path]
    weights: Sequence[Weights] = field(repr=False)

    def counts(self) -> dict[str, int]:
        return {
            path.name: sum(value.numel() for value in weights.values())
            for path, weights in zip(self.files, self.weights, strict=True)
        }

    def rows(self) -> list[tuple[str, str]]:
        known = [*published(self.architecture), *[None] * len(self.files)]
        return [(name, words(count, known[index])) for index, (name, count) in enumerate(self.counts().items())]


def plan_import(request: ImportRequest) -> Plan:
    """What `import_release` would write; reads the files and writes nothing. Raises as it."""
    release, video, chosen = _look(request)
    image = _image(request, chosen, request.size if video is None else video.size)
    rows = [("folder", f"{release.folder}, epoch {release.epoch}")]
    for network in filter(None, (video, image)):
        rows += network.rows()
    first = video or image
    assert first is not None
    rows.append(("picture", f"{first.size[1]}x{first.size[0]}"))
    rows += [("conditions", f"{use.name}: {use.channels} channels") for use in first.material.uses]
    rows += [("note", said) for said in (*first.material.remarks, *chosen.remarks)]
    rows += [("left out", said) for said in left_out(release, chosen)]
    rows.append(("licence", LICENCE))
    out = _out(request)
    rows.append(("checkpoint", str(out)))
    if video and image:
        rows.append(("first frames", str(_beside(out))))
    return Plan(tuple(rows))


def import_release(request: ImportRequest, tell: Tell) -> Imported:
    """Write a `.ckpt` from the published files in a folder, and one for the first frame where there is a generator.

    Raises: MissingFileError, ForeignCheckpointError, TruncatedCheckpointError, ConfigError (another preset's files, a
    size that does not fit), PluginError, ExistsError, DiskFullError, PermissionDeniedError.
    """
    release, video, chosen = _look(request)
    out = _out(request)
    tell(Warned(f"These weights are under {LICENCE}."))
    counts: dict[str, int] = {}
    path = first = None
    size = request.size if video is None else video.size
    if video is not None:
        path = _write(request, video, out, tell)
        counts |= video.counts()
    remarks = video.material.remarks if video is not None else ()
    video = None  # its weights may be as large as the memory
    if (image := _image(request, chosen, size)) is not None:
        first = _write(request, image, _beside(out) if path is not None else out, tell)
        counts |= image.counts()
        remarks = remarks or image.material.remarks
    for said in (*remarks, *chosen.remarks):
        tell(Noticed(said))
    for said in left_out(release, chosen):
        tell(Noticed(f"Left out: {said}"))
    main = path or first
    assert main is not None
    return Imported(main, first if path is not None else None, counts)


def left_out(release: Release, chosen: Chosen) -> list[str]:
    """What lies there and is not taken, and why."""
    judges = sorted(path.name for name, path in release.files.items() if name.startswith("D"))
    said = []
    if judges:
        said.append(
            f"{', '.join(judges)}: discriminators are for training on alone. They see conditions from 0 to 1 between "
            "zeros, which ones that see -1 to 1 cannot repeat; training goes on with new ones."
        )
    return [*said, *chosen.left_out]


def _look(request: ImportRequest) -> tuple[Release, _Network | None, Chosen]:
    release = find_release(request.folder)
    files = release.scales
    video = None
    if files:
        weights = [read_weights(path) for path in files]
        video = _network(request, of_video(weights, files), files, weights)
    width = video.size[1] if video is not None else None
    return release, video, choose_single(release, request.preset, width)


def _image(request: ImportRequest, chosen: Chosen, size: tuple[int, int] | None) -> _Network | None:
    if chosen.path is None:
        return None
    weights = read_weights(chosen.path)
    return _network(replace(request, size=size), of_image(weights, chosen.path), [chosen.path], [weights])


def _network(
    request: ImportRequest, architecture: Architecture, files: Sequence[Path], weights: Sequence[Weights]
) -> _Network:
    size = request.size or picture(request.preset, architecture)
    least = least_side(architecture.downsamples, architecture.scales)
    if min(size) < least:
        raise ConfigError(
            f"A picture of {size[1]}x{size[0]} is too small for {files[0]}: at least {least} pixels are needed.",
            "Leave --size out.",
        )
    return _Network(architecture, material(request.preset, architecture), size, files, weights)


def _write(request: ImportRequest, network: _Network, path: Path, tell: Tell) -> Path:
    made = network.material
    try:
        config = network.architecture.config(made.foreground, unit_conditions=made.channels.zero_to_one)
    except ValueError as error:
        raise ConfigError(f"{network.files[0]} is of a shape that vid2vid does not build: {error}") from None
    weights = convert(network.architecture, config, made.channels, network.weights, network.files)
    height, width = network.size
    training: dict[str, Any] = {
        "imported": "NVIDIA vid2vid",
        "licence": LICENCE,
        "preset": request.preset,
        "files": {file.name: digest_of(file) for file in network.files},
    }
    info = CheckpointInfo(
        name=path.stem,
        generator=config,
        conditioners=made.uses,
        crop=made.crop,
        view=View.of_box((0, 0, width, height), height, width).to_json(),
        height=height,
        width=width,
        fps=made.fps,
        training=training,
        created_by=f"vid2vid-cli {__version__}",
        foreground=made.foreground_channels if config.foreground else (),
        first="zeros" if request.preset == "pose" or not config.past else "real",
    )
    with torch.device("meta"):
        generator = build_generator(config, info.layout)
    generator.load_state_dict(weights, assign=True)
    save_checkpoint(path, generator, info)
    tell(Wrote(str(path), "checkpoint", {"weights": sum(network.counts().values())}))
    return path


def _out(request: ImportRequest) -> Path:
    name = request.name or request.folder.resolve().name
    path = request.out if request.out is not None else Path(f"{name}.ckpt")
    if path.suffix != ".ckpt":
        raise ConfigError(f"{path} would not be found again: a checkpoint is called NAME.ckpt.", f"--out {path}.ckpt")
    if request.overwrite:
        return path
    return free_name(path, taken=lambda file: file.exists() or _beside(file).exists())


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}_first{path.suffix}")
