"""The metrics of `evaluate --metric`: implementations of other packages, imported when they are requested.

Their names carry implementation, backbone, size and number of samples, because values of other ones do not compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from vid2vid_cli.conditioning import Conditioner
from vid2vid_cli.evaluation.cvvdp import CVVDP_COMMAND, load_cvvdp
from vid2vid_cli.evaluation.identity import IdentityMetric, load_identity_metric
from vid2vid_cli.evaluation.set_metrics import FVD_COMMAND, ImageSetMetrics, SetMetrics, VideoSetMetrics
from vid2vid_cli.evaluation.torchmetrics_networks import load_inception, load_lpips
from vid2vid_cli.media.metric_weights import ALEXNET_WEIGHTS, I3D_FILE_NAME, I3D_URL, INCEPTION_WEIGHTS
from vid2vid_cli.media.published_weights import (
    WeightFile,
    fetch_command,
    find_weight_file,
    torch_cache_dir,
    weight_file_sha256,
)

INSTALL_COMMAND = 'pip install "vid2vid-cli[metrics]"'
MIN_MS_SSIM_SIDE = 161
"""Pixels that a Gaussian of 11 pixels needs at five scales."""


@dataclass
class ExtraMetrics:
    """The requested metrics that can be computed, and why the others can not."""

    frames: dict[str, Callable[[Tensor, Tensor], Tensor]] = field(default_factory=dict)
    """Name -> images and real frames (t, 3, h, w) in [-1, 1] -> (t,)."""
    clips: dict[str, Callable[[Tensor, Tensor], float]] = field(default_factory=dict)
    """The same -> the value of a clip."""
    sets: list[SetMetrics] = field(default_factory=list)
    identity: IdentityMetric | None = None
    not_computed: dict[str, str] = field(default_factory=dict)
    """Metric -> reason and command."""


def load_extra_metrics(
    requested: Mapping[str, Path | None],
    device: torch.device,
    size: tuple[int, int],
    *,
    fps: float,
    conditioners: Sequence[Conditioner] = (),
) -> ExtraMetrics:
    """The metrics by name -> weights, None for the published file; `size`: (height, width) of the images.

    Nothing is downloaded, and nothing is measured in place of a metric whose package or weights are missing. Raises
    MissingWeightsError, TruncatedCheckpointError or ForeignCheckpointError for a file that was named and is no weights.
    """
    metrics = ExtraMetrics()
    if "ms_ssim" in requested:
        _add_ms_ssim(metrics, size)
    if "lpips" in requested and _is_installed(metrics, "lpips", ("torchmetrics", "torchvision"), INSTALL_COMMAND):
        weights = _find_weights(metrics, "lpips", requested["lpips"], ALEXNET_WEIGHTS)
        if weights is not None:
            metrics.frames[f"lpips_torchmetrics_alexnet{weights.suffix}"] = load_lpips(weights.path, device)
    _add_inception_metrics(metrics, requested, device)
    if "fvd" in requested and _is_installed(metrics, "fvd", ("cdfvd",), FVD_COMMAND):
        path = _find_i3d(metrics, requested["fvd"])
        if path is not None:
            sha256 = weight_file_sha256(path)[:8]
            with _import_errors(metrics, "fvd", FVD_COMMAND):
                metrics.sets.append(VideoSetMetrics(path, f"i3d_sha_{sha256}", device))
    if "cvvdp" in requested and _is_installed(metrics, "cvvdp", ("pycvvdp",), CVVDP_COMMAND):
        with _import_errors(metrics, "cvvdp", CVVDP_COMMAND):
            name, function = load_cvvdp(device, fps)
            metrics.clips[name] = function
    if "identity" in requested:
        identity = load_identity_metric(conditioners)
        if isinstance(identity, IdentityMetric):
            metrics.identity = identity
        else:
            metrics.not_computed["identity"] = identity
    return metrics


@dataclass(frozen=True)
class _Weights:
    path: Path
    suffix: str
    """"" for the published file; otherwise a part of its sha256, which becomes a part of the metric's name."""


def _add_ms_ssim(metrics: ExtraMetrics, size: tuple[int, int]) -> None:
    if not _is_installed(metrics, "ms_ssim", ("torchmetrics",), INSTALL_COMMAND):
        return
    if min(size) < MIN_MS_SSIM_SIDE:
        metrics.not_computed["ms_ssim"] = (
            f"it needs sides of at least {MIN_MS_SSIM_SIDE} pixels, and the frames are {size[1]}x{size[0]}"
        )
        return
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    def measure(images: Tensor, targets: Tensor) -> Tensor:
        pairs = zip((images + 1) / 2, (targets + 1) / 2, strict=True)
        values = [
            multiscale_structural_similarity_index_measure(image[None], target[None], data_range=1.0)
            for image, target in pairs
        ]
        return torch.stack(values)

    metrics.frames["ms_ssim_torchmetrics"] = measure


def _add_inception_metrics(metrics: ExtraMetrics, requested: Mapping[str, Path | None], device: torch.device) -> None:
    """FID and KID; with the same weights both use the same features."""
    by_file: dict[_Weights, list[str]] = {}
    for name in ("fid", "kid"):
        if name in requested and _is_installed(metrics, name, ("torchmetrics", "torch_fidelity"), INSTALL_COMMAND):
            weights = _find_weights(metrics, name, requested[name], INCEPTION_WEIGHTS)
            if weights is not None:
                by_file.setdefault(weights, []).append(name)
    for weights, names in by_file.items():
        extractor = load_inception(weights.path, device)
        metrics.sets.append(ImageSetMetrics(extractor, f"inceptionv3{weights.suffix}_299", names))


def _is_installed(metrics: ExtraMetrics, name: str, packages: Sequence[str], command: str) -> bool:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        metrics.not_computed[name] = f"{missing[0]} is not installed: {command}"
    return not missing


@contextmanager
def _import_errors(metrics: ExtraMetrics, name: str, command: str) -> Iterator[None]:
    """A package that is installed without what it imports is as good as missing."""
    try:
        yield
    except ImportError as error:
        metrics.not_computed[name] = f"{error}: {command}"


def _find_weights(metrics: ExtraMetrics, name: str, given: Path | None, file: WeightFile) -> _Weights | None:
    """The named file, or the published one if it is on this machine and its sha256 is right."""
    path = given or find_weight_file(file)
    if path is None:
        metrics.not_computed[name] = f"{file.name} is missing, fetch with: {fetch_command(file)}"
        return None
    sha256 = weight_file_sha256(path)
    if sha256.startswith(file.sha256):
        return _Weights(path, "")
    if given is None:
        metrics.not_computed[name] = f"{path} is damaged: delete it, then {fetch_command(file)}"
        return None
    return _Weights(path, f"_sha_{sha256[:8]}")


def _find_i3d(metrics: ExtraMetrics, given: Path | None) -> Path | None:
    default = torch_cache_dir() / I3D_FILE_NAME
    if given is not None or default.is_file():
        return given or default
    metrics.not_computed["fvd"] = (
        f"{I3D_FILE_NAME} is missing, fetch with: curl -L --create-dirs -o {default} {I3D_URL}; or name it: "
        "--metric fvd=FILE"
    )
    return None
