"""Conditions found again on pictures: each conditioner's own measure, in pixels of the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.dots_conditioner import PLUGINS, SPEC, Dots
from helpers.factories import blob_frame
from helpers.video_files import make_clip

from vid2vid_cli.conditioning import Annotation, Requirement, View
from vid2vid_cli.data.clip_sampler import frame_tensor
from vid2vid_cli.data.dataset import Dataset, Span
from vid2vid_cli.engine.checkpoint import ConditionerUse
from vid2vid_cli.engine.events import Event, Noticed, silent
from vid2vid_cli.pipelines.evaluate import _mean
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.redetection import in_picture, refind, refinders


@pytest.fixture(autouse=True)
def _dots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", PLUGINS)


def use(name: str, **options: Any) -> ConditionerUse:
    return ConditionerUse(name=name, options=options, channels=1, statistics={})


def test_only_those_with_a_measure_and_their_packages_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [c.spec.name for c in refinders([use("edges"), use("dots", person="2", bright=3)], silent)] == ["dots"]
    (dots,) = refinders([use("dots", person="2", bright=3)], silent)
    assert (dots.options.person, dots.options.bright) == ("largest", 3)  # type: ignore[attr-defined]
    needy = type(SPEC)(**{**vars(SPEC), "requires": (Requirement("absent_module", "pip install absent"),)})
    monkeypatch.setattr(Dots, "spec", needy)
    events: list[Event] = []
    assert refinders([use("dots")], events.append) == []
    (told,) = [event.message for event in events if isinstance(event, Noticed)]
    assert told.startswith("dots is not looked for again: ")
    assert "pip install absent" in told


def test_distances_and_how_often_there_are_any(tmp_path: Path) -> None:
    """Pictures in which the disc is 3 pixels to the right on two frames, and gone on the third."""
    film = make_clip(tmp_path / "a.mov", [blob_frame(index) for index in range(8)], 25, codec="png", pixels="rgb24")
    request = PrepareRequest((film,), ("dots",), tmp_path / "set", holdout=0)
    dataset = Dataset(prepare(request, silent).path)
    view = View.of_box((0, 0, 56, 40), 40, 56)
    real = torch.stack([frame_tensor(blob_frame(index)) for index in (2, 3, 4)])
    moved = real.roll(3, dims=3)
    moved[2] = 0
    measured = refind([Dots()], dataset, Span(0, 2, 5), view, {"": moved, "_real": real})
    assert measured["dot_distance"] == (pytest.approx(3, abs=1e-3), 2)
    assert measured["dot_distance_real"] == (pytest.approx(0, abs=1e-3), 3)
    assert measured["dots_found"] == (pytest.approx(2 / 3), 3)
    assert measured["dots_found_real"] == (1, 3)


def test_an_annotation_in_pixels_of_the_picture() -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    points = np.array([[1.5, 1.0, 0.25], [np.nan, np.nan, 0]], np.float32)
    seen = in_picture(Annotation(3, 4, 0.5, {"p": points}, {"l": labels}), View.of_box((1, 1, 3, 3), 4, 4))
    assert (seen.height, seen.width, seen.quality) == (4, 4, 0.5)
    # The edge of the box, x = 1 in edge coordinates, is pixel 0.5 to the left of the first; twice as large.
    assert np.allclose(seen.points["p"], [[1.5, 0.5, 0.25], [np.nan, np.nan, 0]], equal_nan=True)
    assert seen.images["l"].tolist() == [[5, 5, 6, 6], [5, 5, 6, 6], [9, 9, 10, 10], [9, 9, 10, 10]]


def test_means_are_over_frames_wherever_they_were_measured() -> None:
    measured = [{"a": (1.0, 10), "b": (0.0, 10)}, {"a": (4.0, 5)}]
    assert _mean(measured) == {"a": 2.0, "b": 0.0}
