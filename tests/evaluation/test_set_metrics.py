"""FID and KID of features that are computed once, against torchmetrics on the images."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from vid2vid_cli.engine.events import Event, ProgressEvent
from vid2vid_cli.evaluation.set_metrics import ImageSetMetrics, set_results

pytest.importorskip("torchmetrics", reason='pip install "vid2vid-cli[metrics]"')

NUM_IMAGES = 24
FID, KID = f"fid_torchmetrics_random_n{NUM_IMAGES}", f"kid_torchmetrics_random_n{NUM_IMAGES}"


class RandomExtractor(nn.Module):
    """Three convolutions with random weights, averaged over the image: 3 channels -> 12 features of about 1."""

    num_features = 12

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        channels = (3, 8, 8, self.num_features)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2) for a, b in pairwise(channels))

    def forward(self, images: Tensor) -> Tensor:
        for layer in self.layers:
            images = torch.relu(layer(images))
        return 20 * images.mean((2, 3))


def random_images(seed: int, contrast: float = 1.0) -> Tensor:
    return contrast * (torch.rand(NUM_IMAGES, 3, 24, 24, generator=torch.Generator().manual_seed(seed)) * 2 - 1)


def measure_rows(rows: dict[str, Tensor]) -> tuple[dict[str, dict[str, float]], dict[str, str], list[Event]]:
    """The images of each row are added in two clips."""
    extractor = RandomExtractor().requires_grad_(False)
    metrics = ImageSetMetrics(extractor, "random", ["fid", "kid"])
    events: list[Event] = []
    for row, images in rows.items():
        for part in images.split(10):
            metrics.add(row, part)
    values, problems = set_results([metrics], "real", events.append)
    return values, problems, events


def test_fid_and_kid_equal_torchmetrics() -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    real, generated = random_images(0), random_images(1, contrast=0.6)
    values, _, events = measure_rows({"model": generated, "real": real})
    extractor = RandomExtractor().requires_grad_(False)
    fid = FrechetInceptionDistance(feature=extractor, normalize=True, input_img_size=(3, 24, 24))
    kid = KernelInceptionDistance(feature=extractor, normalize=True, subsets=1, subset_size=NUM_IMAGES)
    for metric in (fid, kid):
        metric.update(real, real=True)
        metric.update(generated, real=False)
    assert values["model"][FID] == pytest.approx(float(fid.compute()), abs=1e-4)
    assert values["model"][KID] == pytest.approx(float(kid.compute()[0]), abs=1e-4)
    assert values["model"][FID] > 0.1
    assert set(values) == {"model"}
    assert events[-1] == ProgressEvent("compare sets", 1, 1, "metrics")


def test_fid_and_kid_of_equal_sets_are_smallest() -> None:
    """The order of the images does not count; a frozen video lacks the variance, a blurred one the contrast."""
    real = random_images(0)
    rows = {
        "shuffled": real.flip(0),
        "frozen": real[:1].expand_as(real),
        "blurred": nn.functional.avg_pool2d(real, 3, 1, 1),
        "real": real,
    }
    values, _, _ = measure_rows(rows)
    assert values["shuffled"][FID] == pytest.approx(0, abs=1e-4)
    for row in ("frozen", "blurred"):
        assert values[row][FID] > values["shuffled"][FID] + 1e-4
        assert values[row][KID] > values["shuffled"][KID] + 1e-6


def test_rows_with_fewer_images_have_no_value() -> None:
    values, problems, _ = measure_rows({"copy_last": random_images(1)[:20], "real": random_images(0)})
    assert (values, problems) == ({}, {})
    values, problems, _ = measure_rows({"model": random_images(1)[:1], "real": random_images(0)[:1]})
    assert set(problems) == {"fid", "kid"}
