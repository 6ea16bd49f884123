"""`import nvidia`: the files of the published release as `.ckpt`s that `synthesize` takes.

latest_net_G0.pth, _G1, _G2     one generator, coarse to fine           NAME.ckpt
latest_net_D.pth, _D_T0, _D_f   its discriminators                      in NAME.ckpt, for `train --from`
latest_net_G_512.pth ...        a single image from its labels          NAME_first.ckpt, for `synthesize --first`
latest_net_E.pth, *.npy         left out, and said why

NAME.yaml has the settings with which training goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.dry_run import Plan
from vid2vid_cli.engine.events import Noticed, Tell, Warned, Wrote
from vid2vid_cli.media.files import free_name, write_text
from vid2vid_cli.nvidia_import.architecture import of_image, of_video
from vid2vid_cli.nvidia_import.conditions import Preset
from vid2vid_cli.nvidia_import.discriminators import read_judges
from vid2vid_cli.nvidia_import.files import Release, find_release, read_weights
from vid2vid_cli.nvidia_import.image_generator import Chosen, choose_single
from vid2vid_cli.nvidia_import.release import LICENCE, Network, understand, write_network
from vid2vid_cli.nvidia_import.train_config import preparing, training_settings


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
    settings: Path | None
    """Those with which training goes on; None of a generator of single images alone."""
    first: Path | None
    """The generator of the first frame, where there is one besides."""
    counts: dict[str, int]
    """Weights by file."""
    footage: str
    """The command that prepares what drives it."""


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
    rows += [("left out", said) for said in _left_out(release, video, chosen)]
    rows.append(("licence", LICENCE))
    out = _out(request)
    rows.append(("checkpoint", str(out)))
    if video:
        rows.append(("training settings", str(_settings(out))))
    if video and image:
        rows.append(("first frames", str(_beside(out))))
    return Plan(tuple(rows))


def import_release(request: ImportRequest, tell: Tell) -> Imported:
    """Write a `.ckpt` from the published files in a folder, how to train on, and a `.ckpt` for the first frame.

    Raises: MissingFileError, ForeignCheckpointError, TruncatedCheckpointError, ConfigError (another preset's files, a
    size that does not fit), PluginError, ExistsError, DiskFullError, PermissionDeniedError.
    """
    release, video, chosen = _look(request)
    out = _out(request)
    tell(Warned(f"These weights are under {LICENCE}."))
    counts: dict[str, int] = {}
    path = settings = first = None
    size = request.size if video is None else video.size
    if video is not None:
        path, settings = _write(video, out, tell), _settings(out)
        write_text(settings, training_settings(video, out.stem))
        tell(Wrote(str(settings), "settings"))
        counts |= video.counts()
    remarks, footage = (video.material.remarks, preparing(video)) if video is not None else ((), "")
    left_out = _left_out(release, video, chosen)
    video = None  # its weights may be as large as the memory
    if (image := _image(request, chosen, size)) is not None:
        first = _write(image, _beside(out) if path is not None else out, tell)
        counts |= image.counts()
        remarks, footage = remarks or image.material.remarks, footage or preparing(image)
    for said in (*remarks, *chosen.remarks):
        tell(Noticed(said))
    for said in left_out:
        tell(Noticed(f"Left out: {said}"))
    main = path or first
    assert main is not None
    return Imported(main, settings, first if path is not None else None, counts, footage)


def _left_out(release: Release, video: Network | None, chosen: Chosen) -> list[str]:
    """What lies there and is not taken, and why."""
    judges = [] if video is not None else sorted(path.name for name, path in release.files.items() if name[0] == "D")
    said = [f"{', '.join(judges)}: of a generator of single images alone, which is not trained on."] if judges else []
    return [*said, *(video.judges.left_out if video is not None else ()), *chosen.left_out]


def _look(request: ImportRequest) -> tuple[Release, Network | None, Chosen]:
    release = find_release(request.folder)
    files = release.scales
    video = None
    if files:
        weights = [read_weights(path) for path in files]
        video = understand(request.preset, of_video(weights, files), files, weights, request.size)
        video = replace(video, judges=read_judges(release, video.material.channels, video.size[0]))
    width = video.size[1] if video is not None else None
    return release, video, choose_single(release, request.preset, width)


def _image(request: ImportRequest, chosen: Chosen, size: tuple[int, int] | None) -> Network | None:
    if chosen.path is None:
        return None
    weights = read_weights(chosen.path)
    return understand(request.preset, of_image(weights, chosen.path), [chosen.path], [weights], size)


def _write(network: Network, path: Path, tell: Tell) -> Path:
    write_network(network, path)
    tell(Wrote(str(path), "checkpoint", {"weights": sum(network.counts().values())}))
    return path


def _out(request: ImportRequest) -> Path:
    name = request.name or request.folder.resolve().name
    path = request.out if request.out is not None else Path(f"{name}.ckpt")
    if path.suffix != ".ckpt":
        raise ConfigError(f"{path} would not be found again: a checkpoint is called NAME.ckpt.", f"--out {path}.ckpt")
    if request.overwrite:
        return path
    return free_name(path, taken=lambda file: any(one.exists() for one in (file, _beside(file), _settings(file))))


def _settings(path: Path) -> Path:
    return path.with_suffix(".yaml")


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}_first{path.suffix}")
