"""The comparison of a model with the nearest training frame: directions, the sentence and the table."""

from __future__ import annotations

import math

import pytest

from vid2vid_cli.evaluation.comparison import (
    best_models,
    choose_best_model,
    compare_metrics,
    comparison_table,
    describe_best_model,
    describe_comparison,
    describe_counts,
)
from vid2vid_cli.evaluation.metric_info import is_better, metric_direction

NEAREST = {"psnr": 27.2, "ssim": 0.875, "sharpness": 0.99, "warping_error": 0.01, "landmark_error": 4.3}


@pytest.mark.parametrize(
    ("name", "better", "worse"),
    [
        ("psnr", 27.0, 26.0),
        ("psnr", math.inf, 26.0),
        ("ssim", 0.9, 0.8),
        ("sharpness", 0.9, 0.6),
        ("sharpness", 1.1, 1.5),
        ("sharpness", 0.95, 1.5),
        ("warping_error", 0.01, 0.02),
        ("landmark_error", 1.0, 2.0),
        ("segmentation_iou", 60.0, 50.0),
        ("pose_pck", 90.0, 80.0),
        ("landmarks_found", 1.0, 0.5),
    ],
)
def test_is_better_follows_direction(name: str, better: float, worse: float) -> None:
    assert is_better(name, better, worse)
    assert not is_better(name, worse, better)
    assert not is_better(name, worse, worse)


def test_metric_direction_of_unknown_error_is_lower() -> None:
    assert metric_direction("some_error") == "lower"


def test_compare_metrics_leaves_out_warping_error_and_detection_rate() -> None:
    model = {**NEAREST, "psnr": 26.1, "landmark_error": 1.8, "landmarks_found": 1.0}
    assert compare_metrics(model, {**NEAREST, "landmarks_found": 0.5}) == {
        "psnr": False,
        "ssim": False,
        "sharpness": False,
        "landmark_error": True,
    }


def test_compare_metrics_counts_missing_detections_as_worse() -> None:
    assert compare_metrics({"psnr": 30.0}, NEAREST)["landmark_error"] is False
    assert compare_metrics({"pose_error": 30.0}, {}) == {"pose_error": True}
    assert "(nothing detected against 4.3)" in describe_comparison({"psnr": 30.0}, NEAREST)


def test_describe_comparison_names_each_metric_once() -> None:
    model = {"psnr": 26.1, "ssim": 0.9, "sharpness": 0.6, "landmark_error": 1.8}
    better, _, others = describe_comparison(model, NEAREST).partition(", but not in ")
    assert "SSIM (0.9 against 0.875)" in better
    assert "landmark error (1.8 against 4.3)" in better
    assert "PSNR (26.1 against 27.2)" in others
    assert "sharpness (0.6 against 0.99)" in others
    assert "not" not in describe_comparison({"psnr": 28.0, "ssim": 0.9}, {"psnr": 27.2, "ssim": 0.875})
    assert " not better " in describe_comparison({"psnr": 20.0, "ssim": 0.1}, {"psnr": 27.2, "ssim": 0.875})


def test_comparison_table_has_arrows_and_deviations() -> None:
    header, rows = comparison_table(
        {
            "model": {"psnr": 26.123, "ssim": 0.84321, "sharpness": 0.5, "landmark_error": 2.0},
            "real": {"psnr": math.inf},
        },
        {"model": {"psnr": 0.512}},
        {"landmark_error": "%"},
    )
    assert header == ["", "psnr (dB) ↑", "ssim ↑", "sharpness →1", "landmark_error (%) ↓"]
    assert rows == [["model", "26.1 ±0.51", "0.843", "0.5", "2"], ["real", "inf", "-", "-", "-"]]


def test_best_model_has_most_metrics() -> None:
    """The warping error is not compared; a missing error is a failed detection."""
    models = {
        "a": {"psnr": 20.0, "ssim": 0.9, "warping_error": 0.1, "landmark_error": 2.0},
        "b": {"psnr": 30.0, "ssim": 0.8, "warping_error": 0.2},
    }
    assert best_models(models) == {"psnr": "b", "ssim": "a", "landmark_error": "a"}
    assert choose_best_model(models) == "a"
    assert describe_best_model(models).startswith("Best model: a, in 2 of 3 metrics")
    assert describe_counts(models, {"psnr": 25.0, "ssim": 0.85}, "x").count(" in 1 of 2 metrics") == 1


def test_best_model_of_equal_models_is_none() -> None:
    models = {"a": {"psnr": 20.0, "ssim": 0.9}, "b": {"psnr": 30.0, "ssim": 0.8}}
    assert choose_best_model(models) == ""
    assert best_models({"a": {"psnr": 20.0}, "b": {"psnr": 20.0}}) == {}
