"""Re-detection metrics of conditioners, in pixels of the generated images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.dots_conditioner import DOTS_PLUGIN, SPEC, Dots
from helpers.factories import blob_frame
from helpers.video_files import write_video

from vid2vid_cli.conditioning import Annotation, Requirement, View
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.engine.checkpoint_metadata import ConditionerConfig
from vid2vid_cli.engine.events import Event, InfoEvent, ignore_events
from vid2vid_cli.evaluation.redetection import (
    detect_images,
    load_redetectors,
    redetection_errors,
    transform_annotation,
)
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare


@pytest.fixture(autouse=True)
def _dots_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)


def conditioner_config(name: str, **options: Any) -> ConditionerConfig:
    return ConditionerConfig(name=name, options=options, channels=1, statistics={})


def test_load_redetectors_requires_errors_and_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [
        conditioner.spec.name
        for conditioner in load_redetectors(
            [conditioner_config("edges"), conditioner_config("dots", person="2", min_red=3)], ignore_events
        )
    ] == ["dots"]
    (dots,) = load_redetectors([conditioner_config("dots", person="2", min_red=3)], ignore_events)
    assert (dots.options.person, dots.options.min_red) == ("largest", 3)  # type: ignore[attr-defined]
    needy_spec = type(SPEC)(**{**vars(SPEC), "requires": (Requirement("absent_module", "pip install absent"),)})
    monkeypatch.setattr(Dots, "spec", needy_spec)
    events: list[Event] = []
    assert load_redetectors([conditioner_config("dots")], events.append) == []
    (message,) = [event.message for event in events if isinstance(event, InfoEvent)]
    assert "dots" in message
    assert "pip install absent" in message


def test_redetection_errors_and_detection_rates(tmp_path: Path) -> None:
    """The disc is 3 pixels to the right on two images and missing on the third."""
    video = write_video(
        tmp_path / "a.mov", [blob_frame(index) for index in range(8)], 25, codec="png", pixel_format="rgb24"
    )
    request = PrepareRequest((video,), ("dots",), tmp_path / "set", val_fraction=0)
    dataset = Dataset(prepare(request, ignore_events).path)
    view = View.from_box((0, 0, 56, 40), 40, 56)
    real_frames = torch.stack([frame_to_tensor(blob_frame(index)) for index in (2, 3, 4)])
    shifted_frames = real_frames.roll(3, dims=3)
    shifted_frames[2] = 0
    detected: list[None] = []
    shifted, real = (
        redetection_errors(
            [Dots()],
            detect_images([Dots()], images, lambda: detected.append(None)),
            dataset,
            FrameRange(0, 2, 5),
            view=view,
        )
        for images in (shifted_frames, real_frames)
    )
    shifted_metrics, real_metrics = shifted.means, real.means
    assert len(detected) == 6
    assert shifted.frames["dot_distance"] == pytest.approx([3, 3, np.nan], abs=1e-3, nan_ok=True)
    assert shifted.frames["dots_found"].tolist() == [1, 1, 0]
    assert shifted_metrics["dot_distance"] == (pytest.approx(3, abs=1e-3), 2)
    assert real_metrics["dot_distance"] == (pytest.approx(0, abs=1e-3), 3)
    assert shifted_metrics["dots_found"] == (pytest.approx(2 / 3), 3)
    assert real_metrics["dots_found"] == (1, 3)


def test_transform_annotation_to_image_pixels() -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    points = np.array([[1.5, 1.0, 0.25], [np.nan, np.nan, 0]], np.float32)
    transformed = transform_annotation(
        Annotation(3, 4, 0.5, {"p": points}, {"l": labels}), View.from_box((1, 1, 3, 3), 4, 4)
    )
    assert (transformed.height, transformed.width, transformed.quality) == (4, 4, 0.5)
    # The box starts at edge coordinate 1, half a pixel left of the centre of pixel 1, and is enlarged twice.
    assert np.allclose(transformed.points["p"], [[1.5, 0.5, 0.25], [np.nan, np.nan, 0]], equal_nan=True)
    assert transformed.images["l"].tolist() == [[5, 5, 6, 6], [5, 5, 6, 6], [9, 9, 10, 10], [9, 9, 10, 10]]
