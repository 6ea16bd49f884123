"""The Python API: `from vid2vid_cli import prepare, train, synthesize, transfer, load_generator`.

The functions take the options that most programs need. For all options, pass a request of `vid2vid_cli.requests` to the
function of the same name in `vid2vid_cli.pipelines`.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME, read_manifest
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.events import EventHandler, ignore_events
from vid2vid_cli.pipelines import prepare as prepare_pipeline
from vid2vid_cli.pipelines import synthesize as synthesize_pipeline
from vid2vid_cli.pipelines import train as train_pipeline
from vid2vid_cli.pipelines import transfer as transfer_pipeline
from vid2vid_cli.pipelines.prepare import PrepareResult
from vid2vid_cli.pipelines.train import TrainResult
from vid2vid_cli.rendering.dataset_clips import read_annotated_frames
from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.frames import AnnotatedFrame
from vid2vid_cli.rendering.label_video import open_label_sources
from vid2vid_cli.rendering.loaded_model import LoadedModel, load_model, open_checkpoint
from vid2vid_cli.rendering.retargeter import Retargeter
from vid2vid_cli.rendering.source_video import split_shots
from vid2vid_cli.rendering.video_output import RenderResult
from vid2vid_cli.requests.prepare import PrepareRequest
from vid2vid_cli.requests.render import StyleOptions, SynthesizeRequest, TransferRequest
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint
from vid2vid_cli.training_data.preset_choice import choose_preset

PathLike = str | os.PathLike[str]
Clip = tuple[FrameRenderer, Iterator[AnnotatedFrame]]


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
    request = TrainRequest(
        resolve_config(preset, None, (), values).config,
        preset,
        datasets,
        _optional_path(out),
        init_from=_optional_path(init_from),
        max_steps=max_steps,
        max_seconds=max_seconds,
        device=device,
        overwrite=overwrite,
        preset_reason=reason,
        command=f"vid2vid_cli.train({', '.join(map(str, datasets))!r}, {preset!r}, ...)",
    )
    return train_pipeline.train(request, on_event)


def synthesize(
    checkpoint: PathLike,
    source: PathLike,
    *,
    out: PathLike | None = None,
    options: Mapping[str, Mapping[str, str]] | None = None,
    max_frames: int | None = None,
    compare: bool = False,
    device: str = "auto",
    overwrite: bool = False,
    on_event: EventHandler = ignore_events,
) -> RenderResult:
    """Render a dataset or a label video with a checkpoint.

    Raises: the errors of `vid2vid_cli.pipelines.synthesize.synthesize`.
    """
    request = SynthesizeRequest(
        Path(checkpoint),
        Path(source),
        _optional_path(out),
        options=options or {},
        max_frames=max_frames,
        compare=compare,
        device=device,
        overwrite=overwrite,
    )
    return synthesize_pipeline.synthesize(request, on_event)


def transfer(
    source: PathLike,
    target: PathLike,
    *,
    out: PathLike | None = None,
    options: Mapping[str, Mapping[str, str]] | None = None,
    max_frames: int | None = None,
    compare: bool = False,
    device: str = "auto",
    overwrite: bool = False,
    on_event: EventHandler = ignore_events,
) -> RenderResult:
    """Transfer the motion of a video to the target of a checkpoint.

    Raises: the errors of `vid2vid_cli.pipelines.transfer.transfer`.
    """
    request = TransferRequest(
        Path(source),
        Path(target),
        _optional_path(out),
        options=options or {},
        max_frames=max_frames,
        compare=compare,
        device=device,
        overwrite=overwrite,
    )
    return transfer_pipeline.transfer(request, on_event)


def load_generator(checkpoint: PathLike, *, device: str = "auto", precision: str = "auto") -> FrameGenerator:
    """Load a `.ckpt`, or that of a run folder, to render images.

    Raises: MissingFileError, ForeignCheckpointError, TruncatedCheckpointError, ConfigError (it generates labels),
    DeviceError.
    """
    return FrameGenerator(load_model(open_checkpoint(Path(checkpoint), "frames"), device, precision))


class FrameGenerator:
    """A loaded checkpoint that renders images, (h, w, 3) uint8 RGB."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model

    @property
    def metadata(self) -> CheckpointMetadata:
        """Name, size, frame rate, conditioners and training summary of the checkpoint."""
        return self._model.metadata

    def render(self, source: PathLike | Sequence[Annotation], frame: int = 0) -> ImageArray:
        """The generated image of one frame; see `render_frames`. Earlier frames of the clip are generated too.

        Raises: IndexError if the source has no such frame, and the errors of `render_frames`.
        """
        index = -1
        with closing(self.render_frames(source)) as images:
            for index, image in enumerate(images):
                if index == frame:
                    return image
        raise IndexError(f"frame {frame} of {source}: it has {index + 1} frames")

    def render_frames(self, source: PathLike | Sequence[Annotation]) -> Generator[ImageArray, None, None]:
        """Yield the generated images of a source in order.

        A source is a dataset, a label video, image or folder as in `synthesize`, or the annotations of one frame, one
        per conditioner. Raises: the errors of `synthesize`.
        """
        clips = self._path_clips(Path(source)) if isinstance(source, (str, os.PathLike)) else self._frame_clip(source)
        for renderer, annotated_frames in clips:
            for rendered_frame in renderer.render(annotated_frames):
                yield rendered_frame.image

    def _path_clips(self, path: Path) -> Iterator[Clip]:
        metadata, checkpoint = self._model.metadata, self._model.path
        if (path / MANIFEST_FILE_NAME).is_file():
            data = open_data_for_checkpoint(path, metadata, checkpoint)
            renderer = self._ready_model(has_real_frames=True).renderer(data.conditioners, data.views)
            for frame_range in data.dataset.frame_ranges("all"):
                yield renderer, read_annotated_frames(data, frame_range)
            return
        model = self._ready_model(has_real_frames=False)
        for source in open_label_sources(path, metadata, checkpoint, {}):
            retargeter = Retargeter(source, source.scan(ignore_events), metadata, retarget=True)
            renderer = model.renderer(source.conditioners, retargeter.views)
            with closing(source.annotate()) as annotated_frames:
                for shot in split_shots(annotated_frames):
                    yield renderer, retargeter.retarget_shot(shot)

    def _frame_clip(self, annotations: Sequence[Annotation]) -> Iterator[Clip]:
        model = self._ready_model(has_real_frames=False)
        conditioners = load_conditioners([(config.name, config.options) for config in model.metadata.conditioners])
        views = (model.metadata.crop_view(),) * len(conditioners)
        yield model.renderer(conditioners, views), iter([AnnotatedFrame(None, False, tuple(annotations))])

    def _ready_model(self, *, has_real_frames: bool) -> LoadedModel:
        """The model with default styles, and with the initial frame that it was trained with."""
        return self._model.with_options(StyleOptions(), None, has_real_frames=has_real_frames, emit=ignore_events)


def _optional_path(path: PathLike | None) -> Path | None:
    return None if path is None else Path(path)
