"""`import nvidia`: conversion of the files of the vid2vid release to `.ckpt` files.

latest_net_G0.pth, _G1, _G2     video generator, coarse to fine     NAME.ckpt
latest_net_D.pth, _D_T0, _D_f   its discriminators                  in NAME.ckpt, for `train --from`
latest_net_G_512.pth ...        image generator                     NAME_image.ckpt, for `synthesize --initial-frame`
latest_net_E.pth, *.npy         skipped, with a message

NAME.yaml contains the config for further training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vid2vid_cli.core.errors import ConfigError, ForeignCheckpointError
from vid2vid_cli.core.paths import shorten_name
from vid2vid_cli.engine.dry_run import DryRun
from vid2vid_cli.engine.events import ArtifactEvent, EventHandler, InfoEvent, WarningEvent
from vid2vid_cli.media.files import unique_path, write_text
from vid2vid_cli.nvidia_import.architecture import read_image_architecture, read_video_architecture
from vid2vid_cli.nvidia_import.discriminators import read_discriminators
from vid2vid_cli.nvidia_import.files import Release, find_release, read_weights
from vid2vid_cli.nvidia_import.image_generator import ImageGeneratorChoice, choose_image_generator
from vid2vid_cli.nvidia_import.release import LICENCE, PublishedNetwork, analyse_network, write_network
from vid2vid_cli.nvidia_import.train_config import format_train_config, prepare_command
from vid2vid_cli.requests.prepare import ImportRequest


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """Files written by `import_release`."""

    path: Path
    config_path: Path | None
    """Config for further training; None if the release has only an image generator."""
    image_generator_path: Path | None
    """Checkpoint of the image generator if `path` is a video generator."""
    parameter_counts: dict[str, int]
    """Number of weights by file name."""
    prepare_command: str
    """Command that prepares a dataset with the conditions of the network."""


def plan_import(request: ImportRequest) -> DryRun:
    """Describe what `import_release` would write, without writing. Raises the errors of `import_release`."""
    release, video_network, image_choice = _load_release(request)
    image_network = _load_image_network(
        request, image_choice, request.image_size if video_network is None else video_network.image_size
    )
    rows = [("folder", f"{release.folder}, epoch {release.epoch}")]
    for network in filter(None, (video_network, image_network)):
        rows += network.count_rows()
    main_network = video_network or image_network
    assert main_network is not None
    rows.append(("image size", f"{main_network.image_size[1]}x{main_network.image_size[0]}"))
    rows += [
        ("conditions", f"{conditioner.name}: {conditioner.channels} channels")
        for conditioner in main_network.conditions.conditioners
    ]
    rows += [("note", remark) for remark in (*main_network.conditions.remarks, *image_choice.remarks)]
    rows += [("skipped", reason) for reason in _skipped_files(release, video_network, image_choice)]
    rows.append(("licence", LICENCE))
    checkpoint_path = _checkpoint_path(request)
    rows.append(("checkpoint", str(checkpoint_path)))
    if video_network:
        rows.append(("training config", str(_config_path(checkpoint_path))))
    if video_network and image_network:
        rows.append(("image generator", str(_image_generator_path(checkpoint_path))))
    return DryRun(tuple(rows))


def import_release(request: ImportRequest, on_event: EventHandler) -> ImportResult:
    """Convert the release files in a folder to checkpoints, and write a config for further training.

    Raises: MissingFileError, ForeignCheckpointError, TruncatedCheckpointError, ConfigError (files of another preset,
    invalid size), PluginError, DiskFullError, PermissionDeniedError.
    """
    release, video_network, image_choice = _load_release(request)
    checkpoint_path = _checkpoint_path(request)
    on_event(WarningEvent(f"The licence of these weights is {LICENCE}."))
    parameter_counts: dict[str, int] = {}
    remarks: tuple[str, ...] = ()
    command = ""
    config_path = image_path = None
    image_size = request.image_size
    if video_network is not None:
        image_size = video_network.image_size
        image_path = _image_generator_path(checkpoint_path)
        _write_checkpoint(video_network, checkpoint_path, on_event, image_path.name if image_choice.path else "")
        config_path = _config_path(checkpoint_path)
        write_text(config_path, format_train_config(video_network, checkpoint_path.stem))
        on_event(ArtifactEvent(str(config_path), "config"))
        parameter_counts |= video_network.parameter_counts()
        remarks, command = video_network.conditions.remarks, prepare_command(video_network)
    skipped = _skipped_files(release, video_network, image_choice)
    video_network = None  # free its weights before the image generator is loaded
    image_network = _load_image_network(request, image_choice, image_size)
    if image_network is not None:
        _write_checkpoint(image_network, image_path or checkpoint_path, on_event)
        parameter_counts |= image_network.parameter_counts()
        remarks, command = remarks or image_network.conditions.remarks, command or prepare_command(image_network)
    for remark in (*remarks, *image_choice.remarks):
        on_event(InfoEvent(remark))
    for reason in skipped:
        on_event(InfoEvent(f"Skipped {reason}"))
    return ImportResult(
        path=checkpoint_path,
        config_path=config_path,
        image_generator_path=image_path if image_network is not None else None,
        parameter_counts=parameter_counts,
        prepare_command=command,
    )


def _skipped_files(
    release: Release, video_network: PublishedNetwork | None, image_choice: ImageGeneratorChoice
) -> list[str]:
    """One line per release file that is not imported, with the reason."""
    if video_network is not None:
        return [*video_network.discriminators.skipped, *image_choice.skipped]
    names = sorted(path.name for name, path in release.files.items() if name.startswith("D"))
    reasons = [f"{', '.join(names)}: discriminators are imported only with a video generator."] if names else []
    return [*reasons, *image_choice.skipped]


def _load_release(request: ImportRequest) -> tuple[Release, PublishedNetwork | None, ImageGeneratorChoice]:
    release = find_release(request.folder)
    generator_paths = release.video_generator_paths
    video_network = None
    if generator_paths:
        weights = [read_weights(path) for path in generator_paths]
        video_network = analyse_network(
            request.preset,
            read_video_architecture(weights, generator_paths),
            files=generator_paths,
            weights=weights,
            image_size=request.image_size,
            foreground_ids=request.foreground_ids,
        )
        video_network = replace(
            video_network,
            discriminators=read_discriminators(
                release, video_network.conditions.channel_mapping, video_network.image_size[0]
            ),
        )
    width = video_network.image_size[1] if video_network is not None else None
    image_choice = choose_image_generator(release, request.preset, width)
    if video_network is None and image_choice.path is None:
        raise ForeignCheckpointError(
            f"{release.folder} contains no generator that can be imported as {request.preset}. "
            + " ".join(image_choice.skipped),
            "Give the folder of a video generator, with latest_net_G0.pth.",
        )
    return release, video_network, image_choice


def _load_image_network(
    request: ImportRequest, image_choice: ImageGeneratorChoice, image_size: tuple[int, int] | None
) -> PublishedNetwork | None:
    if image_choice.path is None:
        return None
    weights = read_weights(image_choice.path)
    return analyse_network(
        request.preset,
        read_image_architecture(weights, image_choice.path),
        files=[image_choice.path],
        weights=[weights],
        image_size=image_size,
    )


def _write_checkpoint(network: PublishedNetwork, path: Path, emit: EventHandler, image_generator: str = "") -> None:
    write_network(network, path, image_generator)
    emit(ArtifactEvent(str(path), "checkpoint", {"weights": sum(network.parameter_counts().values())}))


def _checkpoint_path(request: ImportRequest) -> Path:
    name = shorten_name(request.name or request.folder.resolve().name)
    path = request.out if request.out is not None else Path(f"{name}.ckpt")
    if path.suffix != ".ckpt":
        raise ConfigError(f"--out {path}: the suffix of a checkpoint must be .ckpt.", f"--out {path}.ckpt")
    if request.overwrite:
        return path

    def is_taken(candidate: Path) -> bool:
        return any(file.exists() for file in (candidate, _image_generator_path(candidate), _config_path(candidate)))

    return unique_path(path, is_taken=is_taken)


def _config_path(path: Path) -> Path:
    return path.with_suffix(".yaml")


def _image_generator_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}_image{path.suffix}")
