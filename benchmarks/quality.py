"""Quality on validation frames: the video model and the frame-wise models, trained for the same time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.inputs import BenchmarkInputs, Case, Log
from vid2vid_cli.core.markdown import format_number, format_table
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.train import train
from vid2vid_cli.requests.train import TrainRequest

CASE = Case("tiny", 128)
MODELS: Mapping[str, tuple[str, ...]] = {
    "vid2vid": (),
    "vid2vid, frame-wise": (
        "generator.past_frames=0",
        "generator.flow=false",
        "discriminators.temporal.frame_strides=[]",
    ),
    "pix2pixhd": ("model=pix2pixhd", "generator.num_scales=2", "generator.norm=instance_no_affine"),
    "pix2pix": ("model=pix2pix",),
}
UNUSED_BY_UNET = ("generator.num_res_blocks=", "generator.num_downsamples=")
SHARED_SETTINGS = ("schedule.lr_decay_start=null",)
"""A constant learning rate: the decay is counted in steps, and the models differ in steps per second."""
METRICS: Mapping[str, str] = {
    "psnr": "PSNR, dB, higher is better",
    "ssim": "SSIM, higher is better",
    "landmark_error": "landmark error, % of the inter-ocular distance",
    "landmark_error_real": "landmark error of the real frames",
    "warping_error": "warping error",
    "warping_error_real": "warping error of the real frames",
}


@dataclass(frozen=True)
class QualityPlan:
    """What is trained, and for how long."""

    case: Case = CASE
    minutes: float = 5.0
    """Training time of each model."""
    num_slices: int = 2
    """The models train alternately, in this many slices each, so that other load affects all of them alike."""


def measure(inputs: BenchmarkInputs, log: Log, plan: QualityPlan | None = None) -> dict[str, Any]:
    """Train all models and evaluate them on the validation frames."""
    plan = plan or QualityPlan()
    seconds = plan.minutes * 60 / plan.num_slices
    runs = {name: inputs.folder / f"run_{index}" for index, name in enumerate(MODELS)}
    results: dict[str, Any] = {}
    for turn in range(plan.num_slices):
        for name, model_settings in MODELS.items():
            settings = [s for s in plan.case.settings if name != "pix2pix" or not s.startswith(UNUSED_BY_UNET)]
            request = TrainRequest(
                config=Case(plan.case.preset, plan.case.height, (*settings, *SHARED_SETTINGS, *model_settings)).config,
                preset=plan.case.preset,
                data=inputs.dataset,
                out=runs[name],
                resume=runs[name] if turn else None,
                max_seconds=seconds,
                device=inputs.device,
                overwrite=not turn,
            )
            trained = train(request, ignore_events)
            results[name] = {"steps": trained.num_steps, "seconds": trained.elapsed_seconds}
            log(
                f"quality, slice {turn + 1} of {plan.num_slices}: {name}: {trained.num_steps} steps, "
                f"{trained.elapsed_seconds:.0f} s"
            )
    for name, run in runs.items():
        evaluation = evaluate(
            EvaluateRequest(checkpoint=run, data=inputs.dataset, device=inputs.device, report=False), ignore_events
        )
        results[name]["metrics"] = dict(evaluation.metrics)
        log(f"quality: {name}: " + ", ".join(f"{key} {value:.4g}" for key, value in evaluation.metrics.items()))
    return {"case": plan.case.name, "minutes": plan.minutes, "models": results}


def format_results(results: Mapping[str, Any]) -> str:
    """A row per metric, a column per model."""
    models: Mapping[str, Any] = results["models"]
    rows = []
    for key, title in METRICS.items():
        values = [model["metrics"].get(key) for model in models.values()]
        if any(key in model["metrics"] or f"{key}_real" in model["metrics"] for model in models.values()):
            rows.append([title, *(_format_metric(key, value) for value in values)])
    rows.append(["training steps", *(str(model["steps"]) for model in models.values())])
    rates = [f"{name}: {text}." for name, model in models.items() if (text := detection_rate(model["metrics"]))]
    note = (
        f"{results['case']}, each trained for {results['minutes']:g} minutes, alternately, at a constant lr; "
        "measured on the last fifth of the clip, which is not trained on."
    )
    return format_table("Quality on validation frames", ["", *models], rows, " ".join([note, *rates]))


def detection_rate(metrics: Mapping[str, float]) -> str:
    """On which share of the generated frames a face is detected; "" without a face detector."""
    share = metrics.get("landmarks_found")
    return "" if share is None else f"a face is detected on {100 * share:.0f} % of the frames"


def _format_metric(key: str, value: float | None) -> str:
    if value is None:
        return format_number(None)
    return f"{value:.4f}" if key.startswith("warping") else f"{value:.3f}" if key == "ssim" else f"{value:.2f}"
