"""Baselines on synthetic footage: which frames they are, and that they are measured by the functions of the model."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.dots_conditioner import DOTS_PLUGIN
from helpers.factories import HEIGHT, WIDTH, blob_frame
from helpers.video_files import write_video

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.engine.events import Event, InfoEvent, ProgressEvent, ignore_events
from vid2vid_cli.evaluation.baselines import (
    COPY_LAST,
    NEAREST,
    NEAREST_ALIGNED,
    Baselines,
    find_baselines,
    find_nearest_frames,
)
from vid2vid_cli.evaluation.clip_metrics import ClipMetrics
from vid2vid_cli.evaluation.measured import deviation_over_clips, mean_metrics
from vid2vid_cli.metrics.image import psnr
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.training_data.training_data import TrainingData

POSITIONS = [0, 2, 4, 6, 8, 10, 12, 14, 5, 9]
"""Position of the disc on each frame; the last two frames are the validation frames."""
VAL_RANGE = FrameRange(0, 8, 10)


@pytest.fixture(autouse=True)
def _dots_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)


def open_data(folder: Path, positions: list[int], conditioner: str = "dots", val_fraction: float = 0.2) -> TrainingData:
    """A dataset of blob frames at these positions, lossless and without a crop."""
    frames = [blob_frame(position) for position in positions]
    video = write_video(folder / "a.mov", frames, 25, codec="png", pixel_format="rgb24")
    request = PrepareRequest((video,), (conditioner,), folder / "set", val_fraction=val_fraction, split_shots=False)
    dataset = Dataset(prepare(request, ignore_events).path)
    view = View.from_box((0, 0, WIDTH, HEIGHT), HEIGHT, WIDTH)
    return TrainingData(dataset=dataset, conditioners=load_conditioners([(conditioner, {})]), view=view)


def load_real_frames(data: TrainingData, frame_range: FrameRange) -> torch.Tensor:
    indices = range(frame_range.start, frame_range.stop)
    return torch.stack([frame_to_tensor(data.dataset.load_frame(frame_range.clip_index, index)) for index in indices])


def test_find_nearest_frames_by_annotations(tmp_path: Path) -> None:
    data = open_data(tmp_path, POSITIONS)
    calls: list[None] = []
    candidates = [(0, index) for index in range(8)]
    nearest = find_nearest_frames(data, [(0, 8), (0, 9)], candidates, lambda: calls.append(None))
    # Disc positions 5 and 9 are between two frames; x moves by 1.2 and y by a sine: 4 and 8 are the nearer ones.
    expected = {
        (0, index): min(candidates, key=lambda i, index=index: float(np.linalg.norm(centre(i[1]) - centre(index))))
        for index in (8, 9)
    }
    assert nearest == expected
    assert len(calls) == 10


def centre(index: int) -> np.ndarray:
    """Centre of the disc on a frame, as `blob_frame` draws it."""
    position = POSITIONS[index]
    return np.array([12 + 1.2 * position, HEIGHT / 2 + 5 * np.sin(position / 3)])


def test_baselines_are_real_frames(tmp_path: Path) -> None:
    data = open_data(tmp_path, POSITIONS)
    baselines = find_baselines(data, [VAL_RANGE], split="val", emit=ignore_events)
    images = dict(baselines.iterate_images(VAL_RANGE, load_real_frames(data, VAL_RANGE)))
    # One point is too few to align: that row is the frame as it is.
    assert set(images) == {NEAREST, NEAREST_ALIGNED, COPY_LAST}
    assert sum(map(len, images.values())) == baselines.count_images(VAL_RANGE)
    training_frames = load_real_frames(data, FrameRange(0, 0, 8))
    for image in images[NEAREST]:
        assert any(torch.equal(image, frame) for frame in training_frames)
    assert torch.allclose(images[NEAREST_ALIGNED], images[NEAREST], atol=1e-5)
    assert torch.equal(images[COPY_LAST], load_real_frames(data, FrameRange(0, 7, 9)))


def test_copy_last_leaves_out_first_frame_of_clip(tmp_path: Path) -> None:
    data = open_data(tmp_path, POSITIONS)
    frame_range = FrameRange(0, 0, 4)
    baselines = Baselines(data, {})
    ((name, images),) = baselines.iterate_images(frame_range, load_real_frames(data, frame_range))
    assert (name, baselines.count_images(frame_range)) == (COPY_LAST, 3)
    assert torch.equal(images, load_real_frames(data, FrameRange(0, 0, 3)))
    metrics = ClipMetrics(data, frame_range, load_real_frames(data, frame_range)).measure(images).means
    expected = psnr(load_real_frames(data, FrameRange(0, 0, 3)), load_real_frames(data, FrameRange(0, 1, 4)))
    assert metrics["psnr"] == (pytest.approx(float(expected.mean())), 3)


class PointsAroundDisc(Dataset):
    """A dataset with points on the disc and around it, which move with the disc."""

    OFFSETS = np.array([[0, 0], [9, 0], [-9, 0], [0, 9], [0, -9], [6, 6], [-6, 6], [6, -6], [-6, -6]])

    def load_annotation(self, clip_index: int, index: int, conditioner: str) -> Annotation:
        return Annotation(HEIGHT, WIDTH, 1.0, {"disc": (centre(index) + self.OFFSETS).astype(np.float32)})


def test_aligned_frame_follows_points(tmp_path: Path) -> None:
    data = open_data(tmp_path, POSITIONS)
    data = replace(data, dataset=PointsAroundDisc(data.dataset.folder))
    baselines = find_baselines(data, [VAL_RANGE], split="val", emit=ignore_events)
    real_frames = load_real_frames(data, VAL_RANGE)
    images = dict(baselines.iterate_images(VAL_RANGE, real_frames))
    for index in range(VAL_RANGE.num_frames):  # the background moves too: only the disc is compared
        x, y = (data.view.transform_points(centre(VAL_RANGE.start + index)[None])[0]).round().astype(int).tolist()
        discs = {
            name: frames[index : index + 1, :, y - 6 : y + 7, x - 6 : x + 7]
            for name, frames in {"real": real_frames, **images}.items()
            if name != COPY_LAST
        }
        assert psnr(discs[NEAREST_ALIGNED], discs["real"]) > psnr(discs[NEAREST], discs["real"]) + 1


def test_find_baselines_reports_what_is_left_out(tmp_path: Path) -> None:
    data = open_data(tmp_path, POSITIONS)
    events: list[Event] = []
    baselines = find_baselines(data, [FrameRange(0, 0, 8)], split="train", emit=events.append)
    assert not baselines.has_nearest
    assert [type(event) for event in events] == [InfoEvent]
    events.clear()
    find_baselines(data, [VAL_RANGE], split="val", emit=events.append)
    assert events == [ProgressEvent("nearest frames", index, 10) for index in range(11)]


def test_annotations_without_points_are_not_aligned(tmp_path: Path) -> None:
    data = open_data(tmp_path, POSITIONS, "edges")
    baselines = find_baselines(data, [VAL_RANGE], split="val", emit=ignore_events)
    assert baselines.has_nearest
    assert not baselines.can_align
    assert [name for name, _ in baselines.iterate_images(VAL_RANGE, load_real_frames(data, VAL_RANGE))] == [
        NEAREST,
        COPY_LAST,
    ]


def test_clip_metrics_of_real_frames_and_repeated_frames(tmp_path: Path) -> None:
    """Frames that equal the real ones have an infinite PSNR; others give the mean."""
    data = open_data(tmp_path, POSITIONS)
    frame_range = FrameRange(0, 2, 6)
    real_frames = load_real_frames(data, frame_range)
    clip_metrics = ClipMetrics(data, frame_range, real_frames)
    metrics = clip_metrics.measure(real_frames).means
    assert metrics["psnr"] == (math.inf, 4)
    assert metrics["ssim"] == (pytest.approx(1, abs=1e-5), 4)
    assert metrics["sharpness"] == (1, 4)
    half = real_frames.clone()
    half[:2] = 0
    expected = psnr(half[:2], real_frames[:2]).mean()
    assert clip_metrics.measure(half).means["psnr"] == (pytest.approx(float(expected)), 2)
    assert "warping_error" not in clip_metrics.measure(real_frames[-1:]).means


def test_mean_and_deviation_over_clips() -> None:
    clips = [{"a": (1.0, 10), "b": (0.0, 10), "c": (math.inf, 1)}, {"a": (4.0, 5), "c": (1.0, 1)}]
    assert mean_metrics(clips) == {"a": 2.0, "b": 0.0, "c": math.inf}
    # Over clips, each clip counts once: the sample deviation of 1 and 4.
    assert deviation_over_clips(clips) == {"a": pytest.approx(3 / math.sqrt(2))}
