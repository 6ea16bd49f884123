"""Distances between the set of all generated images or clips and the set of the real ones: FID, KID, FVD."""

from __future__ import annotations

import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.engine.events import EventHandler, ProgressEvent
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.engine.published_weights import read_state_dict
from vid2vid_cli.evaluation.torchmetrics_networks import FeatureExtractor

FVD_COMMAND = "pip install cd-fvd"
CLIP_FRAMES = 16
"""Frames of the clips of FVD, as published."""
MAX_SUBSET_SIZE = 1000
"""Images of a subset of KID, as published; fewer images form one set."""
NUM_SUBSETS = 100
SetValues = dict[str, dict[str, float]]
"""Row -> metric -> value."""


class SetMetrics(ABC):
    """Metrics of sets of images. Samples are added clip by clip."""

    @abstractmethod
    def add(self, row: str, images: Tensor) -> None:
        """Add the images (t, 3, h, w) in [-1, 1] of a row of one clip."""

    @abstractmethod
    def results(self, real_row: str) -> tuple[SetValues, dict[str, str]]:
        """The metrics of the rows with as many samples as the real row, and metric -> why it was not computed."""


class ImageSetMetrics(SetMetrics):
    """FID (Heusel et al., NIPS 2017) and KID (Binkowski et al., ICLR 2018) by torchmetrics. Features are computed once.

    FID is biased for few images: values compare for the same number only.
    """

    def __init__(self, extractor: FeatureExtractor, backbone: str, metrics: Sequence[str]) -> None:
        """`backbone`: network and size, for the names. `metrics`: fid, kid or both."""
        self._extractor, self._backbone, self._metrics = extractor, backbone, metrics
        self._features: dict[str, list[Tensor]] = {}

    def add(self, row: str, images: Tensor) -> None:
        """See `SetMetrics.add`."""
        self._features.setdefault(row, []).append(self._extractor(images).float())

    def results(self, real_row: str) -> tuple[SetValues, dict[str, str]]:
        """See `SetMetrics.results`."""
        features = {row: torch.cat(parts) for row, parts in self._features.items()}
        real = features.pop(real_row)
        if len(real) < 2:
            return {}, dict.fromkeys(self._metrics, "it needs at least two frames")
        rows = {row: values for row, values in features.items() if len(values) == len(real)}
        functions = {"fid": frechet_distance, "kid": kernel_distance}
        return {
            row: {
                f"{metric}_torchmetrics_{self._backbone}_n{len(real)}": functions[metric](real, generated)
                for metric in self._metrics
            }
            for row, generated in rows.items()
        }, {}


class VideoSetMetrics(SetMetrics):
    """FVD (Unterthiner et al., 2018) by cd-fvd with I3D, on clips of 16 consecutive frames that do not overlap."""

    def __init__(self, path: Path, backbone: str, device: torch.device) -> None:
        """Raises the errors of `read_state_dict` for the weights at `path`."""
        from cdfvd import fvd

        read_state_dict(path)  # cd-fvd would execute code in it
        with redirect_stdout(sys.stderr):
            self._metric: Any = fvd.cdfvd("i3d", ckpt_path=str(path), device=str(device), n_fake="full")
        self._backbone = backbone
        self._clips: dict[str, list[list[ImageArray]]] = {}

    def add(self, row: str, images: Tensor) -> None:
        """See `SetMetrics.add`."""
        frames = list(map(to_uint8_image, images))
        starts = range(0, len(frames) - CLIP_FRAMES + 1, CLIP_FRAMES)
        self._clips.setdefault(row, []).extend(frames[start : start + CLIP_FRAMES] for start in starts)

    def results(self, real_row: str) -> tuple[SetValues, dict[str, str]]:
        """See `SetMetrics.results`."""
        real = self._clips[real_row]
        if len(real) < 2:
            return {}, {"fvd": f"it needs at least two clips of {CLIP_FRAMES} frames, and there are {len(real)}"}
        name = f"fvd_cdfvd_{self._backbone}_{CLIP_FRAMES}_frames_n{len(real)}"
        values: SetValues = {}
        self._metric.add_real_stats(np.stack(real))
        for row, clips in self._clips.items():
            if row != real_row and len(clips) == len(real):
                self._metric.empty_fake_stats()
                self._metric.add_fake_stats(np.stack(clips))
                moments = (*self._metric.real_stats.get_mean_cov(), *self._metric.fake_stats.get_mean_cov())
                values[row] = {name: _distance_of_moments(*map(torch.from_numpy, moments))}
        return values, {}


def _distance_of_moments(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """The Frechet distance of two Gaussians: |m - n|^2 + tr(A + B - 2 (A B)^(1/2)).

    cd-fvd's own function needs SciPy before 1.18, and has no value for few clips, whose covariances are singular.
    """
    root_trace = torch.linalg.eigvals(covariance @ other_covariance).sqrt().real.sum()
    distance = (mean - other_mean).square().sum() + covariance.trace() + other_covariance.trace() - 2 * root_trace
    return float(distance)


class _GivenFeatures(nn.Module):
    """An extractor for torchmetrics whose input is features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        """Return the input."""
        return features


def frechet_distance(real: Tensor, generated: Tensor) -> float:
    """FID of features (n, d) and (m, d), n and m at least 2."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_GivenFeatures(real.shape[1]))
    metric.update(real, real=True)
    metric.update(generated, real=False)
    return float(metric.compute())


def kernel_distance(real: Tensor, generated: Tensor) -> float:
    """KID of features (n, d) and (m, d): the mean over subsets, which are drawn with a fixed seed."""
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(len(real), len(generated))
    num_subsets = NUM_SUBSETS if size > MAX_SUBSET_SIZE else 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notice of the memory that features need
        metric = KernelInceptionDistance(
            feature=_GivenFeatures(real.shape[1]), subsets=num_subsets, subset_size=min(size, MAX_SUBSET_SIZE)
        )
    metric.update(real, real=True)
    metric.update(generated, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mean, _ = metric.compute()
    return float(mean)


def set_results(metrics: Sequence[SetMetrics], real_row: str, emit: EventHandler) -> tuple[SetValues, dict[str, str]]:
    """The values of all metrics by row, and metric -> why it was not computed."""
    rows: SetValues = {}
    problems: dict[str, str] = {}
    for index, metric in enumerate(metrics):
        emit(ProgressEvent("compare sets", index, len(metrics), "metrics"))
        values, reasons = metric.results(real_row)
        problems |= reasons
        for row, row_values in values.items():
            rows.setdefault(row, {}).update(row_values)
    if metrics:
        emit(ProgressEvent("compare sets", len(metrics), len(metrics), "metrics"))
    return rows, problems
