"""Streaming rendering equals the rollout, and errors leave no incomplete files."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.factories import CPU, CountingGenerator, tiny_sampler

from vid2vid_cli.conditioning import Annotation, view_image
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.events import Event, ProgressEvent
from vid2vid_cli.engine.inference import generate_clip, to_uint8_image
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.media.contact_sheet import BAR_HEIGHT_PX, GAP_PX
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.rendering.frame_renderer import FrameRenderer
from vid2vid_cli.rendering.frames import AnnotatedFrame, RenderedFrame, hold_last_annotation
from vid2vid_cli.rendering.output_path import compare_path
from vid2vid_cli.rendering.video_output import RenderClip, VideoOutput, write_video


@pytest.fixture
def renderer(dataset: Path, run_folder: Path) -> FrameRenderer:
    generator, metadata = load_checkpoint(run_folder / "blob.ckpt", CPU)
    conditioners = load_conditioners([(config.name, config.options) for config in metadata.conditioners])
    return FrameRenderer(generator, conditioners, (metadata.crop_view(),), runtime=CPU)


def read_annotated_frames(dataset: Path, start: int, end: int) -> Iterator[AnnotatedFrame]:
    data = Dataset(dataset)
    for index in range(start, end):
        yield AnnotatedFrame(data.load_frame(0, index), False, (data.load_annotation(0, index, "edges"),))


def test_frame_renderer_streaming_matches_rollout(dataset: Path, renderer: FrameRenderer) -> None:
    clip = tiny_sampler(dataset).load_range(FrameRange(0, 3, 15))
    expected_images = [
        to_uint8_image(output.image[0]) for output in generate_clip(renderer.generator, clip.conditions, CPU)
    ]
    rendered = list(renderer.render(read_annotated_frames(dataset, 3, 15)))
    assert len(rendered) == 12
    data = Dataset(dataset)
    for index, (rendered_frame, expected) in enumerate(zip(rendered, expected_images, strict=True)):
        assert np.array_equal(rendered_frame.image, expected)
        assert np.array_equal(rendered_frame.source.frame, data.load_frame(0, 3 + index))
    assert not np.array_equal(rendered[0].image, rendered[-1].image)


def test_frame_renderer_prefetches_few_frames(dataset: Path, renderer: FrameRenderer) -> None:
    num_requested = 0

    def endless_frames() -> Iterator[AnnotatedFrame]:
        nonlocal num_requested
        (annotated_frame,) = read_annotated_frames(dataset, 0, 1)
        while True:
            num_requested += 1
            yield annotated_frame

    stream = renderer.render(endless_frames())
    for _ in range(20):
        next(stream)
    assert 20 <= num_requested <= 27
    stream.close()  # type: ignore[attr-defined]


def test_frame_renderer_restores_torch_modes_between_frames(dataset: Path, renderer: FrameRenderer) -> None:
    """Between two frames gradients are recorded and autocast is off."""
    bf16_renderer = dataclasses.replace(renderer, runtime=dataclasses.replace(CPU, precision="bf16"))
    count = 0
    for _ in bf16_renderer.render(read_annotated_frames(dataset, 0, 3)):
        assert not torch.is_inference_mode_enabled()
        assert not torch.is_autocast_enabled("cpu")
        torch.ones(2, requires_grad=True).square().sum().backward()
        count += 1
    assert count == 3


def test_frame_renderer_resets_past_between_clips(dataset: Path, renderer: FrameRenderer, tmp_path: Path) -> None:
    """A stub generator returns the last frame plus one."""
    counting_renderer = dataclasses.replace(renderer, generator=CountingGenerator())
    levels = [
        int(rendered_frame.image.max())
        for num_frames in (3, 2)
        for rendered_frame in counting_renderer.render(read_annotated_frames(dataset, 0, num_frames))
    ]
    clip_levels = [
        int(to_uint8_image(output.image[0]).max())
        for output in rollout(CountingGenerator(), torch.zeros(3, 1, 1, 24, 24))
    ]
    assert levels == [*clip_levels, *clip_levels[:2]]
    events: list[Event] = []
    clips = (RenderClip(renderer, read_annotated_frames(dataset, 0, count), (24, 24)) for count in (3, 2))
    output = VideoOutput(tmp_path / "a.mp4", tmp_path / "b.mp4", Fraction(30000, 1001))
    result = write_video(clips, output, 5, stage="render", emit=events.append)
    assert (result.path, result.compare_path, result.num_frames) == (tmp_path / "a.mp4", tmp_path / "b.mp4", 5)
    assert events == [ProgressEvent("render", index + 1, 5) for index in range(5)]
    assert probe(result.path).fps == Fraction(30000, 1001)
    video_frames = list(VideoReader(result.path))
    expected_frames = [
        rendered_frame.image
        for count in (3, 2)
        for rendered_frame in renderer.render(read_annotated_frames(dataset, 0, count))
    ]
    assert len(video_frames) == len(list(VideoReader(tmp_path / "b.mp4"))) == 5
    for a, b in zip(video_frames, expected_frames, strict=True):
        assert np.abs(a.astype(int) - b).mean() < 12


def test_frame_renderer_comparison_shows_source_condition_result(dataset: Path, renderer: FrameRenderer) -> None:
    (annotated_frame,) = read_annotated_frames(dataset, 0, 1)
    assert annotated_frame.frame is not None
    source = dataclasses.replace(annotated_frame, frame=view_image(annotated_frame.frame, renderer.views[0]))
    comparison = renderer.comparison_image(RenderedFrame(source, np.full((24, 24, 3), 200, np.uint8)))
    assert comparison.shape == (360 + BAR_HEIGHT_PX, 3 * 360 + 2 * GAP_PX, 3)  # small frames are enlarged
    images = renderer.comparison_images(RenderedFrame(source, np.full((24, 24, 3), 200, np.uint8)))
    assert list(images) == ["source", "condition", "result"]
    assert np.array_equal(images["source"], source.frame)
    assert np.array_equal(
        images["condition"], renderer.conditioners[0].visualize(annotated_frame.annotations[0], renderer.views[0])
    )
    assert (comparison[-360:, -360:] == 200).all()


@pytest.mark.parametrize("channels_last", [True, False])
def test_frame_renderer_uses_runtime_memory_format(dataset: Path, renderer: FrameRenderer, channels_last: bool) -> None:
    """The conversion happens in the thread that renders the conditions."""
    generator, runtime = CountingGenerator(), dataclasses.replace(CPU, channels_last=channels_last)
    generator.window_size = 1
    # Two conditioners, as the memory formats of a single channel are identical.
    doubled_frames = (
        dataclasses.replace(frame, annotations=frame.annotations * 2) for frame in read_annotated_frames(dataset, 0, 2)
    )
    doubled_renderer = FrameRenderer(generator, renderer.conditioners * 2, renderer.views * 2, runtime=runtime)
    list(doubled_renderer.render(doubled_frames))
    for window in generator.window_inputs:
        condition = window[:, 0]
        assert condition.shape[1] == 2
        assert condition.is_contiguous(memory_format=torch.channels_last) is channels_last


@pytest.mark.parametrize("failing_part", ["source", "listener"])
def test_write_video_cleans_up_after_error(
    dataset: Path, renderer: FrameRenderer, tmp_path: Path, failing_part: str
) -> None:
    before = threading.active_count()

    def failing_frames() -> Iterator[AnnotatedFrame]:
        yield from read_annotated_frames(dataset, 0, 3)
        if failing_part == "source":
            raise ZeroDivisionError

    def emit(event: Event) -> None:
        if failing_part == "listener":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_video(
            [RenderClip(renderer, failing_frames(), (24, 24))],
            VideoOutput(tmp_path / "a.mp4", tmp_path / "b.mp4", Fraction(25)),
            3,
            stage="render",
            emit=emit,
        )
    assert os.listdir(tmp_path) == []  # noqa: PTH208
    assert threading.active_count() == before


def test_hold_last_annotation_repeats_detections() -> None:
    detected, missing = Annotation(4, 4, 0.5), Annotation(4, 4, 0.0)
    new_detected = Annotation(4, 4, 1.0)
    last_annotations, conditioners = [detected, detected], [load_conditioner("edges"), load_conditioner("landmarks")]
    assert hold_last_annotation([missing, new_detected], last_annotations, conditioners) == (detected, new_detected)
    assert hold_last_annotation([missing, missing], last_annotations, conditioners) == (detected, new_detected)
    assert hold_last_annotation([new_detected, missing], last_annotations, conditioners) == (new_detected, new_detected)


def test_hold_last_annotation_keeps_empty_label_maps() -> None:
    detected, missing = Annotation(4, 4, 0.5), Annotation(4, 4, 0.0)
    conditioners = [load_conditioner("segmentation", {"backend": "selfie"}), load_conditioner("pose")]
    assert hold_last_annotation([missing, missing], [detected, detected], conditioners) == (missing, detected)


def test_compare_path_adds_suffix() -> None:
    assert compare_path(Path("a/clip.v2.mp4")) == Path("a/clip.v2_compare.mp4")
