"""`evaluate`: the metrics of the validation frames."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from helpers.factories import CPU, tiny_sampler
from helpers.perceptual_weights import remove_perceptual_weights, write_perceptual_weights

from vid2vid_cli.core.errors import DatasetMismatchError, MissingFileError
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.data.manifest import read_manifest, write_manifest
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.events import Event, InfoEvent, ProgressEvent, ignore_events
from vid2vid_cli.engine.inference import generate_clip
from vid2vid_cli.metrics.image import psnr, sharpness, ssim
from vid2vid_cli.metrics.temporal import warping_error
from vid2vid_cli.networks.flow_estimator import DISFlow
from vid2vid_cli.networks.perceptual import METRIC_NAMES, load_perceptual_loss
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate


@pytest.fixture(autouse=True)
def _no_perceptual_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove_perceptual_weights(monkeypatch, tmp_path / "torch")


def test_evaluate_measures_perceptual_distance(
    run_folder: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows have it, by the same function; that of the real frames is 0 and not repeated."""
    path = write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    out = tmp_path / "e.json"
    result = evaluate(EvaluateRequest(run_folder, dataset, out, device="cpu", precision="fp32"), ignore_events)
    name = METRIC_NAMES["efficientnet_lite0"]
    generator, _ = load_checkpoint(run_folder / "blob.ckpt", CPU)
    clip = tiny_sampler(dataset).load_range(FrameRange(0, 19, 24))
    images = torch.cat([output.image for output in generate_clip(generator, clip.conditions, CPU)])
    expected = float(load_perceptual_loss("efficientnet_lite0", path)(images, clip.frames[0]))
    assert result.metrics[name] == pytest.approx(expected, rel=1e-4)
    assert f"{name}_real" not in result.metrics
    assert all(name in metrics for metrics in result.rows.values())
    assert result.rows["real"][name] == 0
    assert name in result.beats_nearest
    assert "perceptual distance (" in result.comparison
    assert f"{name} ↓" in result.table()[0]
    assert result.not_computed == {}
    assert json.loads(out.read_text())[name] == pytest.approx(expected, rel=1e-4)


def test_evaluate_says_what_is_not_computed(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.json"
    result = evaluate(EvaluateRequest(run_folder, dataset, out, device="cpu", baselines=False), ignore_events)
    reason = result.not_computed["perceptual_distance"]
    assert "vid2vid weights fetch vgg19-dcbb9e9d.pth" in reason
    assert 'pip install "vid2vid-cli[perceptual]"' in reason
    assert json.loads(out.read_text())["not_computed"] == {"perceptual_distance": reason}
    assert not any("perceptual" in name for name in result.metrics)


def test_evaluate_metrics_match_val_frames(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    out = tmp_path / "deep" / "e.json"
    request = EvaluateRequest(run_folder / "blob.ckpt", dataset, out, device="cpu", precision="fp32", baselines=False)
    result = evaluate(request, events.append)
    generator, _ = load_checkpoint(run_folder / "blob.ckpt", CPU)
    clip = tiny_sampler(dataset).load_range(FrameRange(0, 19, 24))
    images, real_images = (
        torch.cat([output.image for output in generate_clip(generator, clip.conditions, CPU)]),
        clip.frames[0],
    )
    flow, confidence = (torch.cat([tensor[:1] * 0, tensor]) for tensor in DISFlow()(real_images[:-1], real_images[1:]))
    expected = {
        "sharpness": float(sharpness(images, real_images).mean()),
        "psnr": float(psnr(images, real_images).mean()),
        "ssim": float(ssim(images, real_images).mean()),
        "warping_error": float(warping_error(images, flow, confidence)),
        "warping_error_real": float(warping_error(real_images, flow, confidence)),
    }
    assert result.metrics == pytest.approx(expected, rel=1e-5)
    saved_metrics = json.loads(out.read_text())
    assert {key: saved_metrics[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    assert (saved_metrics["split"], saved_metrics["num_frames"]) == ("val", 5)
    assert events == [ProgressEvent("evaluate", num_done, 5) for num_done in range(6)]
    assert set(result.rows) == {"model", "real"}
    assert not {"baselines", "comparison"} & set(saved_metrics)


def test_evaluate_measures_baselines(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    """All rows have the metrics of the model. Edges contain no points, so nothing is aligned."""
    out = tmp_path / "e.json"
    result = evaluate(EvaluateRequest(run_folder, dataset, out, device="cpu"), ignore_events)
    assert list(result.rows) == ["model", "nearest", "copy_last", "real"]
    assert 0 < result.rows["nearest"]["psnr"] < math.inf
    metric_names = {"psnr", "ssim", "sharpness", "warping_error"}
    assert all(set(metrics) == metric_names for metrics in result.rows.values())
    real_images = tiny_sampler(dataset).load_range(FrameRange(0, 19, 24)).frames[0]
    copied_images = tiny_sampler(dataset).load_range(FrameRange(0, 18, 23)).frames[0]
    assert result.rows["copy_last"]["ssim"] == pytest.approx(float(ssim(copied_images, real_images).mean()), rel=1e-5)
    assert (result.rows["real"]["sharpness"], result.rows["real"]["psnr"]) == (1, math.inf)
    assert set(result.beats_nearest) == {"psnr", "ssim", "sharpness"}
    assert result.deviations == {}
    saved = json.loads(out.read_text(), parse_constant=pytest.fail)
    assert saved["baselines"]["nearest"] == pytest.approx(dict(result.rows["nearest"]))
    assert saved["baselines"]["real"]["psnr"] is None
    assert saved["comparison"] == result.comparison != ""


def test_evaluate_gives_deviation_over_clips(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    """Two validation ranges; and a dataset of another name than that of the checkpoint is reported."""
    clips_dataset = shutil.copytree(dataset, tmp_path / "clips")
    manifest = read_manifest(clips_dataset)
    splits = manifest.splits.model_copy(update={"train": ((0, 0, 10),), "val": ((0, 10, 16), (0, 18, 24))})
    write_manifest(clips_dataset, manifest.model_copy(update={"splits": splits, "name": "clips"}))
    events: list[Event] = []
    request = EvaluateRequest(run_folder, clips_dataset, tmp_path / "e.json", device="cpu")
    result = evaluate(request, events.append)
    assert set(result.deviations) == set(result.rows)
    assert result.deviations["model"]["psnr"] > 0
    saved = json.loads((tmp_path / "e.json").read_text())
    assert (saved["num_clips"], saved["num_frames"]) == (2, 12)
    assert sum("blob" in event.message for event in events if isinstance(event, InfoEvent)) == 1


def test_evaluate_works_without_training_split(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    val_dataset = shutil.copytree(dataset, tmp_path / "only")
    manifest = read_manifest(val_dataset)
    write_manifest(
        val_dataset, manifest.model_copy(update={"splits": manifest.splits.model_copy(update={"train": ()})})
    )
    request = EvaluateRequest(run_folder / "blob.ckpt", val_dataset, tmp_path / "e.json", device="cpu")
    events: list[Event] = []
    result = evaluate(request, events.append)
    assert "psnr" in result.metrics
    assert set(result.rows) == {"model", "copy_last", "real"}
    assert result.comparison == ""
    (notice,) = [event.message for event in events if isinstance(event, InfoEvent)]
    assert "nearest" in notice


def test_evaluate_writes_beside_checkpoint_of_run(run_folder: Path, dataset: Path) -> None:
    result = evaluate(EvaluateRequest(run_folder, dataset, device="cpu", split="train"), ignore_events)
    assert result.path == run_folder / "evaluation.json"
    assert json.loads(result.path.read_text())["num_frames"] == 19
    result.path.unlink()


def test_evaluate_rejects_bad_input(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        evaluate(EvaluateRequest(tmp_path / "none.ckpt", dataset, device="cpu"), ignore_events)
    with pytest.raises(MissingFileError):
        evaluate(EvaluateRequest(run_folder, tmp_path / "none", device="cpu"), ignore_events)
    from helpers.fake_conditioners import Marks, mark_frame, write_png_video

    from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with_conditioners

    path = write_png_video(tmp_path / "m.mov", [mark_frame(index) for index in range(6)])
    marks_dataset = prepare_with_conditioners(
        PrepareRequest((path,), (), tmp_path / "marks"), [Marks()], ignore_events
    ).path
    with pytest.raises(DatasetMismatchError, match="edges"):
        evaluate(EvaluateRequest(run_folder, marks_dataset, device="cpu"), ignore_events)
