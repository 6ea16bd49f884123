"""The Python API: `from vid2vid_cli import prepare, train, synthesize, transfer, load_generator`.

`synthesize` and `transfer` take all options of the commands; `prepare` and `train` those that most programs need. For
all options, pass a request of `vid2vid_cli.requests` to the function of the same name in `vid2vid_cli.pipelines`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.engine.events import EventHandler, ignore_events
from vid2vid_cli.pipelines import prepare as prepare_pipeline
from vid2vid_cli.pipelines import synthesize as synthesize_pipeline
from vid2vid_cli.pipelines import train as train_pipeline
from vid2vid_cli.pipelines import transfer as transfer_pipeline
from vid2vid_cli.pipelines.batch import PairResult, plan_pairs, render_pairs
from vid2vid_cli.pipelines.prepare import PrepareResult
from vid2vid_cli.pipelines.train import TrainResult
from vid2vid_cli.rendering.checkpoint_file import open_checkpoint
from vid2vid_cli.rendering.frame_generator import FrameGenerator
from vid2vid_cli.rendering.loaded_model import load_model
from vid2vid_cli.rendering.video_output import RenderResult
from vid2vid_cli.requests.background import BackgroundOptions
from vid2vid_cli.requests.batch import TransferBatchRequest
from vid2vid_cli.requests.prepare import PrepareRequest
from vid2vid_cli.requests.render import Direction, Layer, StyleOptions, SynthesizeRequest, TransferRequest
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.training_data.preset_choice import choose_preset

if TYPE_CHECKING:
    from typing_extensions import Unpack

PathLike = str | os.PathLike[str]


def prepare(
    video: PathLike | Sequence[PathLike],
    conditioner: str | Sequence[str] = (),
    *,
    out: PathLike | None = None,
    options: Mapping[str, Mapping[str, str]] | None = None,
    max_frames: int | None = None,
    overwrite: bool = False,
    on_event: EventHandler = ignore_events,
) -> PrepareResult:
    """Make a dataset of one or several videos. `options` are {conditioner: {option: value}}.

    Raises: the errors of `vid2vid_cli.pipelines.prepare.prepare`.
    """
    videos = [video] if isinstance(video, (str, os.PathLike)) else video
    request = PrepareRequest(
        tuple(map(Path, videos)),
        (conditioner,) if isinstance(conditioner, str) else tuple(conditioner),
        _optional_path(out),
        options=options or {},
        max_frames=max_frames,
        overwrite=overwrite,
    )
    return prepare_pipeline.prepare(request, on_event)


def train(
    dataset: PathLike | Sequence[PathLike],
    preset: str = "",
    *,
    settings: Mapping[str, Any] | None = None,
    out: PathLike | None = None,
    init_from: PathLike | None = None,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    device: str = "auto",
    overwrite: bool = False,
    on_event: EventHandler = ignore_events,
) -> TrainResult:
    """Train a model on a dataset, or on several. `settings` are {dotted key: value}, such as {"optimizer.lr": 1e-4}.

    `preset`: by default that for the dataset's conditioners and the device, as in `vid2vid train`.

    Raises: the errors of `vid2vid_cli.pipelines.train.train`, UnknownPresetError, ConfigError.
    """
    reason = ""
    datasets = tuple(map(Path, [dataset] if isinstance(dataset, (str, os.PathLike)) else dataset))
    if not preset:
        preset, reason = choose_preset(read_manifest(datasets[0]).conditioner_names, device)
    values = {f"settings[{key!r}]": (key, value) for key, value in (settings or {}).items()}
    values["max_steps"] = ("schedule.max_steps", max_steps)
    resolved = resolve_config(preset, None, (), values)
    request = TrainRequest(
        resolved.config,
        preset,
        datasets,
        _optional_path(out),
        init_from=_optional_path(init_from),
        max_steps=max_steps,
        max_seconds=max_seconds,
        device=device,
        overwrite=overwrite,
        preset_reason=reason,
        setting_origins=resolved.origins,
        command=f"vid2vid_cli.train({', '.join(map(str, datasets))!r}, {preset!r}, ...)",
    )
    return train_pipeline.train(request, on_event)


class RenderOptions(TypedDict, total=False):
    """Options of `synthesize` and `transfer`: those of the commands, whose defaults they have, except for `compare`."""

    out: PathLike | None
    compare: bool
    """False by default: no comparison video and no report."""
    overwrite: bool
    device: str
    precision: str
    backend: str
    provider: str
    compile: bool
    start: float
    end: float | None
    max_frames: int | None
    options: Mapping[str, Mapping[str, str]]
    """{conditioner: {option: value}}"""
    retarget: bool
    format: str
    resume: bool
    initial_frame: str | None
    direction: Direction | None
    save: Sequence[Layer]
    provenance: PathLike | None
    replace: Sequence[str]
    remove: Sequence[str]
    style_options: StyleOptions


class SynthesizeOptions(RenderOptions, total=False):
    """Options of `synthesize`."""

    split: str


class TransferOptions(RenderOptions, total=False):
    """Options of `transfer`."""

    person: str | None
    background: str | None
    keep_size: bool
    match_colours: bool


class TransferManyOptions(TransferOptions, total=False):
    """Options of `transfer_many`; `out` is a folder."""

    skip_done: bool
    keep_going: bool


def synthesize(
    checkpoint: PathLike,
    source: PathLike,
    *,
    on_event: EventHandler = ignore_events,
    **options: Unpack[SynthesizeOptions],
) -> RenderResult:
    """Render a dataset or a label video with a checkpoint.

    Raises: TypeError (unknown option), and the errors of `vid2vid_cli.pipelines.synthesize.synthesize`.
    """
    request = SynthesizeRequest(Path(checkpoint), Path(source), **_request_fields(options))
    return synthesize_pipeline.synthesize(request, on_event)


def transfer(
    source: PathLike,
    target: PathLike,
    *,
    on_event: EventHandler = ignore_events,
    **options: Unpack[TransferOptions],
) -> RenderResult:
    """Transfer the motion of a video to the target of a checkpoint.

    Raises: TypeError (unknown option), and the errors of `vid2vid_cli.pipelines.transfer.transfer`.
    """
    request = TransferRequest(Path(source), Path(target), **_request_fields(options))
    return transfer_pipeline.transfer(request, on_event)


def transfer_many(
    sources: Sequence[PathLike],
    targets: PathLike | Sequence[PathLike],
    *,
    on_event: EventHandler = ignore_events,
    **options: Unpack[TransferManyOptions],
) -> list[PairResult]:
    """Transfer the motion of several videos to one or more targets; each model is loaded once.

    A pair that fails is in the result with its error; without `keep_going` it is the last one.

    Raises: TypeError (unknown option), and the errors of `vid2vid_cli.pipelines.batch.plan_pairs`.
    """
    request = TransferBatchRequest(
        tuple(map(Path, sources)),
        tuple(map(Path, [targets] if isinstance(targets, (str, os.PathLike)) else targets)),
        **_request_fields(options),
    )
    return list(render_pairs(plan_pairs(request, on_event), keep_going=request.keep_going, emit=on_event))


def _request_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request: the options on the background as one group, paths, and tuples in place of lists."""
    values: dict[str, Any] = {"compare": False, **options}
    names = {field.name for field in fields(BackgroundOptions)} & set(values)
    if names:
        values["background_options"] = BackgroundOptions(**{name: values.pop(name) for name in names})
    for name in ("out", "provenance"):
        values[name] = _optional_path(values.get(name))
    return values | {name: tuple(values[name]) for name in ("save", "replace", "remove") if name in values}


def load_generator(checkpoint: PathLike, *, device: str = "auto", precision: str = "auto") -> FrameGenerator:
    """Load a `.ckpt`, or that of a run folder, to render images.

    Raises: MissingFileError, ForeignCheckpointError, TruncatedCheckpointError, ConfigError (it generates labels),
    DeviceError.
    """
    return FrameGenerator(load_model(open_checkpoint(Path(checkpoint), "frames"), device, precision))


def _optional_path(path: PathLike | None) -> Path | None:
    return None if path is None else Path(path)
