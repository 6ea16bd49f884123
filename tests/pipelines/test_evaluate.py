"""`evaluate`: the metrics of the validation frames."""

from __future__ import annotations

import csv
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.factories import CPU, tiny_config, tiny_sampler
from helpers.perceptual_weights import remove_perceptual_weights, write_perceptual_weights

from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError, MissingFileError, OutputExistsError, RunError
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.data.manifest import read_manifest, write_manifest
from vid2vid_cli.engine.checkpoint import load_checkpoint, save_checkpoint
from vid2vid_cli.engine.events import Event, InfoEvent, ProgressEvent, ignore_events
from vid2vid_cli.engine.inference import generate_clip
from vid2vid_cli.evaluation import extra_metrics
from vid2vid_cli.evaluation.output_files import choose_evaluation_folder
from vid2vid_cli.metrics.image import psnr, sharpness, ssim
from vid2vid_cli.metrics.temporal import flicker, warping_error
from vid2vid_cli.networks.flow_estimator import DISFlow, clip_flow
from vid2vid_cli.networks.perceptual import METRIC_NAMES, load_perceptual_loss
from vid2vid_cli.pipelines.evaluate import EvaluateModelsRequest, EvaluateRequest, evaluate
from vid2vid_cli.pipelines.evaluated_models import choose_names
from vid2vid_cli.pipelines.train import TrainRequest, train


@pytest.fixture(autouse=True)
def _no_perceptual_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove_perceptual_weights(monkeypatch, tmp_path / "torch")


def test_evaluate_measures_perceptual_distance(
    run_folder: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows have it, by the same function; that of the real frames is 0 and not repeated."""
    path = write_perceptual_weights(monkeypatch, "efficientnet_lite0")
    request = EvaluateRequest(run_folder, dataset, tmp_path / "e", device="cpu", precision="fp32")
    result = evaluate(request, ignore_events)
    name = METRIC_NAMES["efficientnet_lite0"]
    generator, _ = load_checkpoint(run_folder / "blob.ckpt", CPU)
    clip = tiny_sampler(dataset).load_range(FrameRange(0, 19, 24))
    images = torch.cat([output.image for output in generate_clip(generator, clip.conditions, CPU)])
    expected = float(load_perceptual_loss("efficientnet_lite0", path)(images, clip.frames[0]))
    assert result.metrics[name] == pytest.approx(expected, rel=1e-4)
    assert f"{name}_real" not in result.metrics
    assert all(name in metrics for metrics in result.rows.values())
    assert result.rows["real"][name] == pytest.approx(0, abs=1e-9)  # frames are compared in batches
    assert name in result.beats_nearest
    assert "perceptual distance (" in result.comparison
    assert f"{name} ↓" in result.table()[0]
    assert set(result.not_computed) == {"colour_drift"}  # the clip is too short
    assert json.loads(result.path.read_text())["rows"]["model"][name] == pytest.approx(expected, rel=1e-4)


def test_evaluate_says_what_is_not_computed(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "e"
    result = evaluate(EvaluateRequest(run_folder, dataset, out, device="cpu", baselines=False), ignore_events)
    reason = result.not_computed["perceptual_distance"]
    assert "vid2vid weights fetch vgg19-dcbb9e9d.pth" in reason
    assert 'pip install "vid2vid-cli[perceptual]"' in reason
    assert json.loads((out / "metrics.json").read_text())["not_computed"]["perceptual_distance"] == reason
    assert not any("perceptual" in name for name in result.metrics)


def test_evaluate_metrics_match_val_frames(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    out = tmp_path / "deep" / "e"
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
        "own_warping_error": float(warping_error(images, clip_flow(images)[0], confidence)),
        "flicker": float(flicker(images, real_images).mean()),
        **dict.fromkeys(
            ("warping_error_real", "own_warping_error_real"), float(warping_error(real_images, flow, confidence))
        ),
    }
    assert result.metrics == pytest.approx(expected, rel=1e-5)
    saved = json.loads((out / "metrics.json").read_text())
    assert saved["rows"]["model"]["psnr"] == pytest.approx(expected["psnr"], rel=1e-5)
    assert saved["rows"]["real"]["warping_error"] == pytest.approx(expected["warping_error_real"], rel=1e-5)
    assert (saved["split"], saved["num_frames"]) == ("val", 5)
    for stage, num_images in (("evaluate", 5), ("measure", 10)):
        progress = [event for event in events if isinstance(event, ProgressEvent) and event.stage == stage]
        assert progress == [ProgressEvent(stage, num_done, num_images) for num_done in range(num_images + 1)]
    assert set(result.rows) == set(saved["rows"]) == {"model", "real"}
    assert saved["comparison"] == ""


def test_evaluate_measures_baselines(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    """All rows have the metrics of the model. Edges contain no points, so nothing is aligned."""
    out = tmp_path / "e"
    result = evaluate(EvaluateRequest(run_folder, dataset, out, device="cpu"), ignore_events)
    assert list(result.rows) == ["model", "nearest", "copy_last", "real"]
    assert 0 < result.rows["nearest"]["psnr"] < math.inf
    metric_names = {"psnr", "ssim", "sharpness", "warping_error", "own_warping_error", "flicker"}
    assert all(set(metrics) == metric_names for metrics in result.rows.values())
    real_images = tiny_sampler(dataset).load_range(FrameRange(0, 19, 24)).frames[0]
    copied_images = tiny_sampler(dataset).load_range(FrameRange(0, 18, 23)).frames[0]
    assert result.rows["copy_last"]["ssim"] == pytest.approx(float(ssim(copied_images, real_images).mean()), rel=1e-5)
    assert (result.rows["real"]["sharpness"], result.rows["real"]["psnr"]) == (1, math.inf)
    assert set(result.beats_nearest) == {"psnr", "ssim", "sharpness", "flicker"}
    assert result.deviations == {}
    saved = json.loads((out / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert saved["rows"]["nearest"] == pytest.approx(dict(result.rows["nearest"]))
    assert saved["rows"]["real"]["psnr"] is None
    assert saved["comparison"] == result.comparison != ""


def test_evaluate_gives_deviation_over_clips(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    """Two validation ranges; and a dataset of another name than that of the checkpoint is reported."""
    clips_dataset = shutil.copytree(dataset, tmp_path / "clips")
    manifest = read_manifest(clips_dataset)
    splits = manifest.splits.model_copy(update={"train": ((0, 0, 10),), "val": ((0, 10, 16), (0, 18, 24))})
    write_manifest(clips_dataset, manifest.model_copy(update={"splits": splits, "name": "clips"}))
    events: list[Event] = []
    request = EvaluateRequest(run_folder, clips_dataset, tmp_path / "e", device="cpu")
    result = evaluate(request, events.append)
    assert set(result.deviations) == set(result.rows)
    assert result.deviations["model"]["psnr"] > 0
    saved = json.loads(result.path.read_text())
    assert (saved["num_clips"], saved["num_frames"]) == (2, 12)
    assert [(clip["start"], clip["stop"]) for clip in saved["clips"]] == [(10, 16), (18, 24)]
    means = [clip["rows"]["model"]["psnr"] for clip in saved["clips"]]
    assert result.metrics["psnr"] == pytest.approx(sum(means) / 2)
    assert result.deviations["model"]["psnr"] == pytest.approx(abs(means[0] - means[1]) / math.sqrt(2))
    lines = list(csv.DictReader((tmp_path / "e" / "frames.csv").open()))
    assert len(lines) == 12 * len(result.rows)
    model_lines = [line for line in lines if line["model"] == "model"]
    assert [int(line["frame"]) for line in model_lines] == [*range(10, 16), *range(18, 24)]
    assert sum(float(line["psnr"]) for line in model_lines) / 12 == pytest.approx(result.metrics["psnr"], rel=1e-5)
    assert model_lines[0]["warping_error"] == ""  # the first frame of a clip has none before it
    assert sum("blob" in event.message for event in events if isinstance(event, InfoEvent)) == 1


def test_evaluate_works_without_training_split(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    val_dataset = shutil.copytree(dataset, tmp_path / "only")
    manifest = read_manifest(val_dataset)
    write_manifest(
        val_dataset, manifest.model_copy(update={"splits": manifest.splits.model_copy(update={"train": ()})})
    )
    request = EvaluateRequest(run_folder / "blob.ckpt", val_dataset, tmp_path / "e", device="cpu")
    events: list[Event] = []
    result = evaluate(request, events.append)
    assert "psnr" in result.metrics
    assert set(result.rows) == {"model", "copy_last", "real"}
    assert result.comparison == ""
    (notice,) = [event.message for event in events if isinstance(event, InfoEvent)]
    assert "nearest" in notice


def test_evaluate_writes_beside_checkpoint_of_run(run_folder: Path, dataset: Path) -> None:
    result = evaluate(EvaluateRequest(run_folder, dataset, device="cpu", split="train"), ignore_events)
    assert result.path == run_folder / "evaluation" / "metrics.json"
    assert json.loads(result.path.read_text())["num_frames"] == 19
    shutil.rmtree(result.path.parent)


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


@pytest.fixture(scope="module")
def second_run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another run on the same dataset, with the same name of its checkpoint."""
    request = TrainRequest(
        tiny_config(schedule={"max_steps": 1}),
        "tiny",
        dataset,
        tmp_path_factory.mktemp("second") / "blob",
        device="cpu",
    )
    return train(request, ignore_events).path


def test_evaluate_compares_several_models(
    run_folder: Path, second_run: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each model has the metrics that it has alone; baselines and real frames are measured once."""
    monkeypatch.chdir(tmp_path)
    runs = (run_folder, second_run)
    single = [evaluate(EvaluateRequest(run, dataset, Path("s"), device="cpu"), ignore_events) for run in runs]
    events: list[Event] = []
    result = evaluate(EvaluateModelsRequest(runs, device="cpu"), events.append)
    names = [model.name for model in result.models]
    assert names == [f"{run.parent.name}/blob/blob" for run in runs]
    assert list(result.rows) == [*names, "nearest", "copy_last", "real"]
    for name, alone in zip(names, single, strict=True):
        assert result.rows[name] == pytest.approx(dict(alone.rows["model"]))
    assert set(result.baselines) == {"nearest", "copy_last", "real"}
    assert [event for event in events if isinstance(event, ProgressEvent)][-1] == ProgressEvent("measure", 25, 25)
    saved = json.loads((tmp_path / "evaluation_blob_blob" / "metrics.json").read_text())
    assert list(saved["models"]) == names
    assert {"beats_nearest", "checkpoint"} <= set(saved["models"][names[1]])
    assert saved["best_model"] == result.best_model
    assert result.comparison.count(" of 4 metrics") >= 2


def test_evaluate_refuses_models_that_do_not_fit(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    """Before any frame is generated, and before anything is written."""

    def error_of(*paths: Path, data: Path | None = None) -> str:
        events: list[Event] = []
        with pytest.raises(ConfigError) as raised:
            evaluate(EvaluateModelsRequest(paths, data, tmp_path / "e", device="cpu"), events.append)
        assert raised.value.hint
        assert not any(isinstance(event, ProgressEvent) for event in events)
        return raised.value.message

    larger, other = tmp_path / "larger.ckpt", tmp_path / "other.ckpt"
    generator, metadata = load_checkpoint(run_folder / "blob.ckpt", CPU)
    view = {**metadata.view, "height": metadata.view["height"] + 2}
    save_checkpoint(larger, generator, metadata.model_copy(update={"view": view}))
    conditioner = metadata.conditioners[0].model_copy(update={"name": "labels"})
    save_checkpoint(other, generator, metadata.model_copy(update={"conditioners": (conditioner,)}))
    assert "24x24; 24x26 pixels" in error_of(run_folder, larger)
    assert "(edges; labels)" in error_of(run_folder, other)
    assert "twice" in error_of(run_folder, run_folder / "blob.ckpt")
    assert "datasets" in error_of(run_folder, dataset, data=dataset)
    assert "no checkpoint" in error_of(dataset)
    assert not (tmp_path / "e").exists()


def test_evaluate_refuses_runs_of_different_datasets(
    run_folder: Path, second_run: Path, dataset: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(second_run, tmp_path / "moved")
    copied = shutil.copytree(dataset, tmp_path / "copied")
    record = json.loads((moved / "run.json").read_text())
    (moved / "run.json").write_text(json.dumps({**record, "dataset": str(copied)}))
    (moved / "blob.ckpt").rename(moved / "moved.ckpt")
    with pytest.raises(ConfigError, match="copied") as raised:
        evaluate(EvaluateModelsRequest((run_folder, moved), device="cpu"), ignore_events)
    assert "--data" in raised.value.hint
    (moved / "moved.ckpt").unlink()
    with pytest.raises(RunError, match="no checkpoint"):
        evaluate(EvaluateModelsRequest((run_folder, moved), device="cpu"), ignore_events)


def test_evaluate_does_not_replace_folders(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "e"
    request = EvaluateRequest(run_folder, dataset, out, device="cpu", baselines=False)
    folders = [
        evaluate(replace(request, overwrite=overwrite), ignore_events).path.parent for overwrite in (False, False, True)
    ]
    assert [folder.name for folder in folders] == ["e", "e-2", "e"]
    assert {"report.html", "comparison.mp4"} <= {path.name for path in out.iterdir()}
    evaluate(replace(request, overwrite=True, report=False), ignore_events)
    assert {path.name for path in out.iterdir()} == {"metrics.json", "frames.csv"}  # no report of other numbers
    (out / "metrics.json").unlink()
    with pytest.raises(OutputExistsError):
        evaluate(replace(request, overwrite=True), ignore_events)
    with pytest.raises(ConfigError, match="folder"):
        evaluate(replace(request, out=tmp_path / "e.json"), ignore_events)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/x.ckpt"], ["model"]),
        (["a/x.ckpt", "a/y.ckpt"], ["x", "y"]),
        (["a/x.ckpt", "b/x.ckpt"], ["a/x", "b/x"]),
        (["a/real.ckpt", "a/y.ckpt"], ["a/real", "a/y"]),
        (["a/model.ckpt", "a/condition.ckpt"], ["a/model", "a/condition"]),
    ],
)
def test_choose_names_are_distinct(paths: list[str], names: list[str]) -> None:
    assert choose_names(list(map(Path, paths))) == names


def test_evaluate_measures_extra_metrics(
    run_folder: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FID of the rows with as many frames as the real one; what is missing has a reason and no substitute."""
    pytest.importorskip("torchmetrics", reason='pip install "vid2vid-cli[metrics]"')
    pytest.importorskip("torch_fidelity", reason='pip install "vid2vid-cli[metrics]"')
    monkeypatch.setattr(extra_metrics, "load_inception", lambda path, device: lambda images: images.mean((2, 3)))
    weights = tmp_path / "inception.pth"
    weights.write_bytes(b"1")
    request = EvaluateRequest(run_folder, dataset, tmp_path / "e", device="cpu", report=False)
    metrics = {"fid": weights, "kid": weights, "lpips": None, "ms_ssim": None}
    result = evaluate(replace(request, extra_metrics=metrics), ignore_events)
    names = [f"{name}_torchmetrics_inceptionv3_sha_6b86b273_299_n5" for name in ("fid", "kid")]
    for name in names:
        assert all((name in values) == (row != "real") for row, values in result.rows.items())
        assert name in result.beats_nearest
    assert {"lpips", "ms_ssim", "colour_drift"} <= set(result.not_computed)
    saved = json.loads(result.path.read_text())
    assert saved["rows"]["model"][names[0]] == result.metrics[names[0]]
    assert saved["not_computed"].keys() == result.not_computed.keys()


def test_choose_evaluation_folder_of_downloaded_and_several_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written to the cache of downloads."""
    monkeypatch.chdir(tmp_path)
    a, b = Path("cache/a.ckpt"), Path("runs/b/b.ckpt")
    assert choose_evaluation_folder(None, [a], overwrite=False, is_downloaded=True) == Path("evaluation_a")
    assert choose_evaluation_folder(None, [b], overwrite=False) == Path("runs/b/evaluation")
    assert choose_evaluation_folder(None, [a, b], overwrite=False) == Path("evaluation_a_b")
