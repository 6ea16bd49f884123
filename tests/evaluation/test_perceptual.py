"""The choice of the network of the perceptual distance."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.perceptual_weights import remove_perceptual_weights, write_perceptual_weights

from vid2vid_cli.engine.events import Event, InfoEvent
from vid2vid_cli.evaluation import perceptual
from vid2vid_cli.evaluation.perceptual import DistanceToClip, choose_perceptual_metric
from vid2vid_cli.networks.perceptual import METRIC_NAMES

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove_perceptual_weights(monkeypatch, tmp_path / "torch")


@pytest.mark.parametrize(
    ("trained_with", "expected"),
    [("", "efficientnet_lite0"), ("vgg19", "efficientnet_lite0"), ("efficientnet_lite0", "vgg19")],
)
def test_choice_prefers_network_not_used_in_training(
    monkeypatch: pytest.MonkeyPatch, trained_with: str, expected: str
) -> None:
    write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    write_perceptual_weights(monkeypatch, "vgg19")
    events: list[Event] = []
    metric, not_computed = choose_perceptual_metric([trained_with], CPU, events.append)
    assert metric is not None
    assert metric.name == dict(METRIC_NAMES.items())[expected]
    assert (events, not_computed) == ([], {})


def test_choice_reports_network_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    events: list[Event] = []
    metric, _ = choose_perceptual_metric(["efficientnet_lite0"], CPU, events.append)
    assert metric is not None
    assert [type(event) for event in events] == [InfoEvent]


def test_choice_skips_damaged_file(monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    path.write_bytes(b"other")
    metric, not_computed = choose_perceptual_metric([], CPU, lambda event: None)
    assert metric is None
    assert str(path) in not_computed["perceptual_distance"]


def test_metric_is_distance_of_each_image(monkeypatch: pytest.MonkeyPatch) -> None:
    write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    metric, _ = choose_perceptual_metric([], CPU, lambda event: None)
    assert metric is not None
    images, targets = torch.rand(2, 3, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(metric(images, targets), metric.loss.distance(images, targets))


def test_distance_to_clip_is_the_same_for_any_number_of_images_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    metric, _ = choose_perceptual_metric([], CPU, lambda event: None)
    assert metric is not None
    images, targets = torch.rand(2, 5, 3, 32, 32) * 2 - 1
    expected = metric(images[2:], targets[2:])
    for num_images in (1, 2, 3):
        monkeypatch.setattr(perceptual, "MAX_PIXELS_AT_ONCE", num_images * 32 * 32)
        torch.testing.assert_close(DistanceToClip(metric, targets)(images[2:]), expected)
