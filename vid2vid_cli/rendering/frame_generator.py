"""A loaded checkpoint that renders images, for programs."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.rendering.dataset_clips import read_annotated_frames
from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.frames import AnnotatedFrame
from vid2vid_cli.rendering.label_video import open_label_sources
from vid2vid_cli.rendering.loaded_model import LoadedModel
from vid2vid_cli.rendering.retargeter import Retargeter
from vid2vid_cli.rendering.source_video import split_shots
from vid2vid_cli.requests.render import StyleOptions
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint

PathLike = str | os.PathLike[str]
Clip = tuple[FrameRenderer, Iterator[AnnotatedFrame]]


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
