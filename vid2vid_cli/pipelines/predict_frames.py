"""`predict` with a SAVP checkpoint: continues a video, or clips of a dataset, with several samples."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.conditioning import FRAME_CONDITIONER, view_image
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.core.errors import ConfigError, TooFewFramesError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.core.paths import shorten_name
from vid2vid_cli.data.cropping import crop_view
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.data.manifest import MANIFEST_FILE_NAME
from vid2vid_cli.engine.events import EventHandler, InfoEvent, ProgressEvent
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.engine.prediction import continue_clip
from vid2vid_cli.evaluation.measured import Measured, mean_metrics
from vid2vid_cli.evaluation.prediction_metrics import measure_samples
from vid2vid_cli.evaluation.result import MODEL
from vid2vid_cli.media.contact_sheet import side_by_side
from vid2vid_cli.media.files import write_text
from vid2vid_cli.media.writer import SYNTHETIC_COMMENT, VideoWriter
from vid2vid_cli.networks.savp import SavpGenerator
from vid2vid_cli.pipelines.evaluate_prediction import check_num_samples
from vid2vid_cli.rendering.checkpoint_file import CheckpointFile
from vid2vid_cli.rendering.forecast_input import open_dataset_input
from vid2vid_cli.rendering.loaded_model import LoadedModel, load_model
from vid2vid_cli.rendering.output_path import choose_output_path
from vid2vid_cli.rendering.source_reader import open_source_reader
from vid2vid_cli.rendering.source_video import SourceVideo
from vid2vid_cli.requests.measure import PredictRequest

NUM_SAMPLES = 5
MIN_SHOWN_HEIGHT = 128
"""Smallest height in pixels of the pictures of a comparison."""


@dataclass(frozen=True)
class PredictResult:
    """The written videos and, if the real continuation is known, the metrics."""

    path: Path
    num_frames: int
    metrics: Mapping[str, float]
    sample_paths: tuple[Path, ...] = ()
    """The continued clip of each sample, if `path` compares several."""


@dataclass(frozen=True)
class _Predictor:
    """A loaded model, and the seeds of its samples."""

    generator: SavpGenerator
    model: LoadedModel
    seeds: Sequence[int]

    def continue_clip(self, known_frames: Sequence[Tensor], num_frames: int) -> islice[Tensor]:
        """The predicted frames (n, 3, h, w), one after another."""
        stream = continue_clip(self.generator, torch.stack(list(known_frames)), self.seeds, self.model.runtime)
        return islice(stream, num_frames)

    @property
    def labels(self) -> list[str]:
        """Captions of the samples."""
        return [f"sample {number}" for number in range(1, len(self.seeds) + 1)]


def predict_frames(request: PredictRequest, checkpoint: CheckpointFile, emit: EventHandler) -> PredictResult:
    """Continue the last frames of a video, or the clips of a dataset's split, with `num_samples` samples.

    Of a video each sample is written as a whole: the video in the model's view, and the predicted frames. Memory does
    not depend on the number of frames. Raises ConfigError (an option of label prediction, samples of a deterministic
    model), TooFewFramesError and the errors of reading a dataset, a video or a checkpoint.
    """
    for name, value in (("--renderer", request.renderer), ("--option", request.options)):
        if value:
            raise ConfigError(
                f"{name}: {checkpoint.path} (model=savp) predicts frames, without labels and conditioners.",
                "Leave it out.",
            )
    model = load_model(checkpoint, request.device, request.precision)
    assert isinstance(model.generator, SavpGenerator)
    num_samples = check_num_samples(request.num_samples, NUM_SAMPLES, model.generator, checkpoint.path)
    predictor = _Predictor(model.generator, model, range(request.seed, request.seed + num_samples))
    samples_text = f", {num_samples} samples" if num_samples > 1 else ""
    emit(
        InfoEvent(
            f"predicting {request.num_frames} frames{samples_text} of {request.source} on {model.runtime.describe()}"
        )
    )
    if (request.source / MANIFEST_FILE_NAME).is_file():
        return _predict_dataset(request, checkpoint, predictor, emit)
    return _continue_video(request, predictor, emit)


def _continue_video(request: PredictRequest, predictor: _Predictor, emit: EventHandler) -> PredictResult:
    metadata, num_known = predictor.model.metadata, predictor.generator.past_frames
    source = SourceVideo(
        request.source, open_source_reader(request.source, metadata), load_conditioners([(FRAME_CONDITIONER, {})])
    )
    view = crop_view(source.reader.height, source.reader.width, metadata.output_size, metadata.crop, {})
    has_comparison = len(predictor.seeds) > 1
    out = _output_path(request, len(predictor.seeds) if has_comparison else 0)
    sample_paths = _sample_paths(out, len(predictor.seeds)) if has_comparison else (out,)
    known: deque[ImageArray] = deque(maxlen=num_known)
    num_read = 0
    with ExitStack() as stack:
        videos = [
            stack.enter_context(VideoWriter(path, source.reader.fps, comment=SYNTHETIC_COMMENT))
            for path in (sample_paths if not has_comparison else (*sample_paths, out))
        ]
        with closing(source.annotate()) as frames:
            for frame in frames:
                assert frame.frame is not None
                if frame.is_cut:
                    known.clear()
                known.append(view_image(frame.frame, view))
                for video in videos[: len(sample_paths)]:
                    video.write(known[-1])
                num_read += 1
                emit(ProgressEvent("read", num_read, source.reader.num_frames))
        if len(known) < num_known:
            raise TooFewFramesError(
                f"the last shot of {request.source} has {len(known)} frames; {num_known} are continued.",
                "Use a longer video.",
            )
        if has_comparison:
            for image in known:
                videos[-1].write(_compare([image] * len(predictor.seeds), ["real"] * len(predictor.seeds)))
        tensors = [frame_to_tensor(image) for image in known]
        for index, predicted in enumerate(predictor.continue_clip(tensors, request.num_frames)):
            images = [to_uint8_image(image) for image in predicted]
            for video, image in zip(videos, images, strict=False):
                video.write(image)
            if has_comparison:
                videos[-1].write(_compare(images, predictor.labels))
            emit(ProgressEvent("predict", index + 1, request.num_frames))
    return PredictResult(out, request.num_frames, {}, sample_paths if has_comparison else ())


def _predict_dataset(
    request: PredictRequest, checkpoint: CheckpointFile, predictor: _Predictor, emit: EventHandler
) -> PredictResult:
    """One video with the real continuation beside the samples of all clips, and a JSON file of the metrics."""
    forecast_input = open_dataset_input(
        request.source,
        request.split,
        checkpoint,
        num_context_frames=predictor.generator.past_frames,
        num_frames=request.num_frames,
    )
    out = _output_path(request, 0)
    rows_per_clip: list[dict[str, Measured]] = []
    labels = ["real", *predictor.labels]
    with VideoWriter(out, forecast_input.fps, comment=SYNTHETIC_COMMENT) as video:
        for index, clip in enumerate(forecast_input.clips):
            assert clip.next_frames is not None
            for frame in clip.frames:
                video.write(_compare([to_uint8_image(frame)] * len(labels), ["real"] * len(labels)))
            samples = torch.stack(list(predictor.continue_clip(list(clip.frames), request.num_frames)))
            for real, predicted in zip(clip.next_frames, samples, strict=True):
                video.write(_compare([to_uint8_image(image) for image in (real, *predicted)], labels))
            rows_per_clip.append(measure_samples(samples, clip.frames, clip.next_frames))
            emit(ProgressEvent("predict", index + 1, forecast_input.num_clips, "clips"))
    metrics: dict[str, float] = {}
    for row in rows_per_clip[0]:
        means = mean_metrics([rows[row].means for rows in rows_per_clip])
        metrics |= {name if row == MODEL else f"{name}_{row}": value for name, value in means.items()}
    record = {
        **{"checkpoint": str(checkpoint.path), "data": str(request.source), "num_frames": request.num_frames},
        **{"num_samples": len(predictor.seeds), "seed": request.seed},
        **metrics,
    }
    write_text(out.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
    return PredictResult(out, request.num_frames * forecast_input.num_clips, metrics)


def _compare(images: Sequence[ImageArray], labels: Sequence[str]) -> ImageArray:
    return side_by_side(images, labels, max(MIN_SHOWN_HEIGHT, images[0].shape[0]))


def _sample_paths(path: Path, num_samples: int) -> tuple[Path, ...]:
    return tuple(path.with_name(f"{path.stem}_sample{number}{path.suffix}") for number in range(1, num_samples + 1))


def _output_path(request: PredictRequest, num_samples: int) -> Path:
    """The video to write; no file of a sample exists beside it, unless `overwrite`."""
    return choose_output_path(
        request.out,
        Path(f"{shorten_name(request.source.resolve().stem)}_future.mp4"),
        overwrite=request.overwrite,
        other_paths=lambda path: _sample_paths(path, num_samples),
    )
