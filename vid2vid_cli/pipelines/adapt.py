"""`adapt`: prepares a video as a trained model needs it, and continues the training of that model on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.resolve import config_from_mapping
from vid2vid_cli.core.errors import MissingFileError, RunError
from vid2vid_cli.core.paths import shell_command
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata, load_metadata
from vid2vid_cli.engine.dry_run import DryRun
from vid2vid_cli.engine.events import EventHandler, InfoEvent
from vid2vid_cli.engine.loop import StopCondition
from vid2vid_cli.engine.run_folder import CONFIG_FILE_NAME, RunFolder, choose_run_folder, resolve_checkpoint
from vid2vid_cli.pipelines.prepare import plan_prepare, prepare
from vid2vid_cli.pipelines.train import TrainResult, train
from vid2vid_cli.requests.adapt import AdaptRequest
from vid2vid_cli.requests.prepare import PrepareRequest
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.training_data.motion_fit import MIN_FRAMES

__all__ = ["AdaptRequest", "adapt", "plan_adapt"]

DEFAULT_SECONDS = 60.0
NUM_REFERENCES_OF_FEW = 3
"""With fewer than MIN_FRAMES frames, each generated frame has at least this number of references, because the nearest
frame is often far away. The networks treat all references alike, so that a base of two takes three."""


@dataclass(frozen=True)
class _Base:
    """The model to start from."""

    metadata: CheckpointMetadata
    config: Config


def plan_adapt(request: AdaptRequest) -> DryRun:
    """The plan of `adapt`; writes nothing. Raises the errors of `adapt` that occur before the video is decoded."""
    base = _open_base(request.base)
    plan = plan_prepare(_prepare_request(request, base))
    dataset = Path(dict(plan.rows)["dataset"].partition(" (")[0])
    height, width = base.metadata.output_size
    max_steps, max_seconds = _limits(request)
    return DryRun(
        (
            *plan.rows,
            ("base", str(request.base)),
            ("image size", f"{width}x{height}, as the base"),
            ("stop at", StopCondition(max_steps, max_seconds).describe()),
            ("run", str(choose_run_folder(request.out, dataset, overwrite=request.overwrite))),
        )
    )


def adapt(request: AdaptRequest, on_event: EventHandler) -> TrainResult:
    """Prepare the video with the base's conditioners, options and size, and train from all networks of the base.

    The references are frames of the new video. Raises: MissingFileError; RunError (the base has no discriminators);
    ConfigError (a model of label maps); the errors of `prepare` and `train`.
    """
    base = _open_base(request.base)
    dataset = prepare(_prepare_request(request, base), on_event)
    on_event(InfoEvent(f"training from {request.base} on {dataset.path}"))
    config, num_references = base.config, base.config.generator.num_references
    if dataset.num_frames < MIN_FRAMES and 0 < num_references < NUM_REFERENCES_OF_FEW:
        config = config.with_settings({"generator.num_references": NUM_REFERENCES_OF_FEW})
        on_event(
            InfoEvent(
                f"each frame has {NUM_REFERENCES_OF_FEW} reference frames in place of the base's {num_references}, "
                f"because there are only {dataset.num_frames} frames"
            )
        )
    max_steps, max_seconds = _limits(request)
    return train(
        TrainRequest(
            config,
            data=dataset.path,
            out=request.out,
            init_from=request.base,
            max_steps=max_steps,
            max_seconds=max_seconds,
            device=request.device,
            overwrite=request.overwrite,
            command=request.command,
        ),
        on_event,
    )


def _limits(request: AdaptRequest) -> tuple[int | None, float | None]:
    """The largest number of steps, and of seconds."""
    if request.max_steps is None and request.max_seconds is None:
        return None, DEFAULT_SECONDS
    return request.max_steps, request.max_seconds


def _prepare_request(request: AdaptRequest, base: _Base) -> PrepareRequest:
    conditioners = base.metadata.conditioners
    return PrepareRequest(
        (request.video,),
        tuple(conditioner.name for conditioner in conditioners),
        options={conditioner.name: conditioner.options_for_new_source for conditioner in conditioners},
        start=request.start,
        end=request.end,
        num_spread_frames=request.max_frames,
        val_fraction=PrepareRequest.val_fraction if request.max_frames is None else 0.0,
    )


def _open_base(path: Path) -> _Base:
    """The metadata of the base, and its configuration for the training on another video."""
    checkpoint = resolve_checkpoint(path)
    if not checkpoint.exists():
        raise MissingFileError(f"{path} does not exist.", "Give a run folder, such as runs/base, or a .ckpt.")
    metadata = load_metadata(checkpoint)
    metadata.require_target(checkpoint, "frames")
    if path.is_dir() and (path / CONFIG_FILE_NAME).is_file():
        config = RunFolder(path).load_config()
    elif metadata.training_config is not None:
        config = config_from_mapping(dict(metadata.training_config), str(path))
    else:
        raise RunError(
            f"{path} contains no discriminators with their settings: it was imported, or written with "
            "checkpoint.include_discriminators=false or by an older version.",
            f"Adapt the run folder that wrote it, or train with its generator alone: "
            f"{shell_command('vid2vid', 'train', '--from', path)}",
        )
    height, width = metadata.output_size
    settings = {
        # The discriminators are built for one size.
        "data.height": height,
        "data.size_rule": "height",
        "data.aspect_ratio": width / height,
        "data.weights": None,
        "checkpoint.log_to": (),  # of whoever trained the base
        "schedule.freeze_coarse_steps": 0,
        "schedule.lr_decay_start": None,
    }
    return _Base(metadata, config.with_settings(settings))
