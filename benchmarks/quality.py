"""How good held-out frames are, and what the video model gives: beside it the frame-wise family, as long trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.inputs import Case, Material, Say
from benchmarks.tables import figures, table
from vid2vid_cli.engine.events import silent
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.train import TrainRequest, train

CASE = Case("tiny", 128)
MODELS: Mapping[str, tuple[str, ...]] = {
    "vid2vid": (),
    "vid2vid, frame-wise": ("generator.past=0", "generator.flow=false", "temporal.rates=[]"),
    "pix2pixhd": ("model=pix2pixhd", "generator.scales=2", "generator.norm=instance_plain"),
    "pix2pix": ("model=pix2pix",),
}
"""vid2vid; the same without its past, its flow and its temporal judges; and recipes over the same preset: pix2pixHD's
global generator with a local enhancer, and pix2pix's U-Net with L1."""
NOT_OF_A_UNET = ("generator.blocks=", "generator.downsamples=")
"""It is as deep as the picture is large."""
BOTH = ("schedule.decay_from=null",)
"""The learning rate falls with the steps, and the quicker model would be through with them before its time is up."""
MEASURES: Mapping[str, str] = {
    "psnr": "PSNR, dB, higher is better",
    "ssim": "SSIM, higher is better",
    "landmark_error": "landmark error, % of the distance of the eyes",
    "landmark_error_real": "landmark error of the real frames",
    "warping_error": "warping error",
    "warping_error_real": "warping error of the real frames",
}


@dataclass(frozen=True)
class QualityPlan:
    """What is trained, and for how long."""

    case: Case = CASE
    minutes: float = 5.0
    """For each model."""
    slices: int = 2
    """They train in turns, this many each, so that what else the machine does hits all alike."""


def measure(material: Material, say: Say, plan: QualityPlan | None = None) -> dict[str, Any]:
    """Train all models through the pipelines, and evaluate them on the frames that `prepare` held out."""
    plan = plan or QualityPlan()
    seconds = plan.minutes * 60 / plan.slices
    runs = {name: material.folder / f"run_{index}" for index, name in enumerate(MODELS)}
    found: dict[str, Any] = {}
    for turn in range(plan.slices):
        for name, sets in MODELS.items():
            own = [one for one in plan.case.sets if name != "pix2pix" or not one.startswith(NOT_OF_A_UNET)]
            config = Case(plan.case.preset, plan.case.size, (*own, *BOTH, *sets)).config
            resume = runs[name] if turn else None
            request = TrainRequest(
                config,
                plan.case.preset,
                material.dataset,
                runs[name],
                resume=resume,
                seconds=seconds,
                device=material.device,
                overwrite=not turn,
            )
            trained = train(request, silent)
            found[name] = {"steps": trained.steps, "seconds": trained.seconds}
            say(f"quality, turn {turn + 1} of {plan.slices}: {name}: {trained.steps} steps, {trained.seconds:.0f} s")
    for name, run in runs.items():
        made = evaluate(EvaluateRequest(run, material.dataset, device=material.device), silent)
        found[name]["metrics"] = dict(made.metrics)
        said = ", ".join(f"{key} {value:.4g}" for key, value in made.metrics.items())
        say(f"quality: {name}: {said}")
    return {"case": plan.case.name, "minutes": plan.minutes, "models": found}


def show(found: Mapping[str, Any]) -> str:
    """A row per measure, a column per model."""
    models: Mapping[str, Any] = found["models"]
    rows = []
    for key, words in MEASURES.items():
        values = [one["metrics"].get(key) for one in models.values()]
        if any(key in one["metrics"] or f"{key}_real" in one["metrics"] for one in models.values()):
            rows.append([words, *(_value(key, value) for value in values)])
    rows.append(["training steps in that time", *(str(one["steps"]) for one in models.values())])
    faces = [f"{name}: {said}." for name, one in models.items() if (said := found_on(one["metrics"]))]
    note = (
        f"{found['case']}, each trained for {found['minutes']:g} minutes, in turns, at constant learning rates; "
        "measured on the last fifth of the clip, which training never saw."
    )
    note = " ".join([note, *faces])
    return table("Quality on held-out frames", ["", *models], rows, note)


def found_on(metrics: Mapping[str, float]) -> str:
    """On how many of the frames a face was found, where that was looked for."""
    share = metrics.get("landmarks_found")
    return "" if share is None else f"a face was found on {100 * share:.0f} % of the frames"


def _value(key: str, value: float | None) -> str:
    if value is None:
        return figures(None)
    return f"{value:.4f}" if key.startswith("warping") else f"{value:.3f}" if key == "ssim" else f"{value:.2f}"
