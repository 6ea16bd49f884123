"""The distance of identities, by the colour of a disc."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.dots_conditioner import DOTS_PLUGIN
from helpers.factories import HEIGHT, WIDTH, blob_frame

from vid2vid_cli.conditioning import Annotation, detect_cuts
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.evaluation.identity import ClipIdentities, IdentityMetric, load_identity_metric


@pytest.fixture(autouse=True)
def _dots_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)


def test_distance_of_identities_by_hand() -> None:
    """Blue is raised by 40 levels on one image; a frame without a detection has no distance."""
    (dots,) = load_conditioners([("dots", {})])
    metric = load_identity_metric([dots])
    assert isinstance(metric, IdentityMetric)
    frames = [blob_frame(index) for index in range(3)]
    annotations = [*dots.annotate(detect_cuts(frames[:2])), Annotation(HEIGHT, WIDTH, 0.0)]
    real = torch.stack(list(map(frame_to_tensor, frames)))
    images = real.clone()
    images[1, 2] += 40 / 127.5
    identities = ClipIdentities(metric, real, annotations)
    measured = identities.measure(images)
    name = "identity_distance_dot_colour"
    assert measured.frames[name] == pytest.approx([0, 40, np.nan], abs=0.01, nan_ok=True)
    assert measured.means[name] == (pytest.approx(20, abs=0.01), 2)
    assert identities.measure(images[1:]).frames[name] == pytest.approx([40, np.nan], abs=0.01, nan_ok=True)


def test_missing_identifier_is_explained() -> None:
    problem = load_identity_metric(load_conditioners([("edges", {})]))
    assert isinstance(problem, str)
    assert "landmarks" in problem
