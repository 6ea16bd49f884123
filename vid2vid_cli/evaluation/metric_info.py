"""What the values of a metric mean: which ones are better, their unit, and whether they are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from vid2vid_cli.networks.perceptual import METRIC_NAMES

Direction = Literal["higher", "lower", "one"]

DIRECTIONS: Mapping[str, Direction] = {
    "psnr": "higher",
    "ssim": "higher",
    "cycle_psnr": "higher",
    "cycle_ssim": "higher",
    "sharpness": "one",
    "warping_error": "lower",
    "own_warping_error": "lower",
    "flicker": "lower",
    "colour_drift": "lower",
    "style_diversity": "higher",
    "perceptual_style_diversity": "higher",
    "sample_diversity": "higher",
}
SCORE_PREFIXES = ("ms_ssim_", "cvvdp_")
"""Beginnings of the names of `--metric` whose higher values are better."""
UNITS: Mapping[str, str] = {
    "psnr": "dB",
    "cycle_psnr": "dB",
    "flicker": "levels",
    "colour_drift": "levels per 1,000 frames",
    "cvvdp_standard_4k": "JOD",
}
"""Units of the metrics of the package; those of conditioners are in `Conditioner.error_units`."""
SCORE_SUFFIXES = ("_iou", "_pck", "_found")
"""Endings of the names of re-detection metrics whose higher values are better."""
ARROWS: Mapping[Direction, str] = {"higher": "↑", "lower": "↓", "one": "→1"}
COMPARED_WITH_REAL = ("psnr", "ssim", "sharpness", "flicker", "colour_drift")
WARPING_ERRORS = ("warping_error", "own_warping_error")
NOT_COMPARED = (*WARPING_ERRORS, "style_diversity", "perceptual_style_diversity", "sample_diversity")
"""A still picture has a low warping error, so a lower one than that of the real frames is no advantage; only models
with styles or samples have a diversity."""
SHOWN_PREFIXES = {
    "ms_ssim_": "MS-SSIM",
    "lpips_": "LPIPS",
    "fid_": "FID",
    "kid_": "KID",
    "fvd_": "FVD",
    "cvvdp_": "CVVDP",
    "identity_distance_": "identity distance",
}
"""Beginnings of the names of `--metric`."""
SHOWN_NAMES = {"psnr": "PSNR", "ssim": "SSIM", **dict.fromkeys(METRIC_NAMES.values(), "perceptual distance")}


def metric_direction(name: str) -> Direction:
    """Which values of a metric are better: higher ones, lower ones, or those closer to 1."""
    is_score = name.endswith(SCORE_SUFFIXES) or name.startswith(SCORE_PREFIXES)
    return DIRECTIONS.get(name, "higher" if is_score else "lower")


def is_better(name: str, value: float, other: float) -> bool:
    """Whether `value` of a metric is better than `other`."""
    direction = metric_direction(name)
    if direction == "one":
        return abs(value - 1) < abs(other - 1)
    return value > other if direction == "higher" else value < other


def is_compared(name: str) -> bool:
    """Whether a better value of a metric is an advantage of a model."""
    return name not in NOT_COMPARED and not name.endswith("_found")


def compares_with_real(name: str) -> bool:
    """Whether a metric compares with the real frames; that of the real frames themselves is a constant then."""
    prefixes = ("lpips_", "identity_distance_", *SCORE_PREFIXES)
    return name in (*COMPARED_WITH_REAL, *METRIC_NAMES.values()) or name.startswith(prefixes)


def shown_name(name: str) -> str:
    """The name of a metric in a sentence."""
    prefix = next((prefix for prefix in SHOWN_PREFIXES if name.startswith(prefix)), "")
    return SHOWN_PREFIXES.get(prefix) or SHOWN_NAMES.get(name, name.replace("_", " "))


def column_head(name: str, units: Mapping[str, str]) -> str:
    """The name of a metric with its unit and an arrow to the better values, such as `psnr (dB) ↑`."""
    unit = {**UNITS, **units}.get(name, "")
    return f"{name}{f' ({unit})' if unit else ''} {ARROWS[metric_direction(name)]}"
