"""The benchmarks on tiny inputs: they run and report the expected fields. Speeds are not asserted."""

from __future__ import annotations

import json
import signal
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import (
    adapt,
    attributes,
    data,
    family,
    held_out,
    inputs,
    label_prediction,
    memory,
    prediction,
    prepare,
    quality,
    response,
    run,
    synthesis,
    training,
)
from benchmarks.command_line import positive_float
from benchmarks.inputs import BenchmarkInputs, Case, create_inputs
from benchmarks.moving_shapes import moving_shapes
from benchmarks.peak import measure_peak
from benchmarks.prepare_cases import CASES, PrepareCase
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.core.errors import MissingFileError
from vid2vid_cli.core.markdown import describe_machine
from vid2vid_cli.core.types import FrameOutput
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.engine.events import StepEvent
from vid2vid_cli.engine.runtime import choose_runtime
from vid2vid_cli.evaluation.measured import mean_metrics
from vid2vid_cli.media.looped_clip import write_looped_clip
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.synthetic import synthetic_clip, synthetic_face
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.rendering.forecast import ForecastClip
from vid2vid_cli.rendering.label_channels import build_label_channels
from vid2vid_cli.tools.machine_info import machine_info

TOY_OVERRIDES = (
    "data.aspect_ratio=1.0",
    "generator.base_channels=4",
    "generator.num_res_blocks=2",
    "generator.num_downsamples=1",
    "discriminators.image.base_channels=4",
    "discriminators.temporal.base_channels=4",
    "schedule.clip_length=3",
)
TOY_CASE = Case("tiny", 32, TOY_OVERRIDES)


def check_line(line: str) -> None:
    assert line


@pytest.fixture(scope="module")
def benchmark_inputs(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkInputs:
    folder = tmp_path_factory.mktemp("benchmarks")
    with VideoWriter(folder / "clip.mp4", Fraction(25)) as writer:
        for frame in synthetic_clip(20, 64, 80):
            writer.write(frame)
    return create_inputs(folder, folder / "clip.mp4", conditioner="edges")


def parse_tables(text: str) -> dict[str, list[str]]:
    """The tables of a text, by the first cell of each row."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return {row[0]: row[1:] for row in cells}


def test_synthesis_benchmark_generates_with_references(benchmark_inputs: BenchmarkInputs, tmp_path: Path) -> None:
    settings = ("generator.kind=fast", "generator.num_downsamples=2", "generator.num_references=2")
    case = Case("fast", 32, (*TOY_OVERRIDES, *settings))
    clip = write_looped_clip(benchmark_inputs.video, 5, tmp_path / "clip.mp4")
    bench = synthesis._SynthesisBench(case, benchmark_inputs, choose_runtime("cpu", "fp32"), clip, 1.0)
    assert bench.has_references
    assert len(bench.images) == 5
    first = bench.images[0]
    bench.renderer = replace(bench.renderer, reference_bank=None)
    assert (bench.generate()[0] != first).any()


def test_looped_plays_clip_back_and_forth(benchmark_inputs: BenchmarkInputs, tmp_path: Path) -> None:
    assert sum(1 for _ in VideoReader(write_looped_clip(benchmark_inputs.video, 50, tmp_path / "long.mp4"))) == 50
    assert sum(1 for _ in VideoReader(write_looped_clip(benchmark_inputs.video, 7, tmp_path / "short.mp4"))) == 7


def test_synthesis_benchmark_measures_all_stages(benchmark_inputs: BenchmarkInputs) -> None:
    results = synthesis.measure(
        benchmark_inputs, check_line, synthesis.SynthesisPlan((TOY_CASE,), num_frames=5, num_rounds=2)
    )
    rates = results["frames_per_second"][TOY_CASE.name]
    assert set(synthesis.STAGES) | set(synthesis.OUTPUTS) <= set(rates)
    assert all(len(values) == 2 and min(values) > 0 for values in rates.values())
    assert rates["decode"] > rates["result only, total"]
    assert set(parse_tables(synthesis.format_results(results))) >= {TOY_CASE.name, *synthesis.STAGES}


def test_data_benchmark_measures_loading(benchmark_inputs: BenchmarkInputs) -> None:
    cases = (
        TOY_CASE,
        Case(
            "street_256",
            32,
            (
                *TOY_OVERRIDES,
                "data.aspect_ratio=2.0",
                "discriminators.image.num_layers=1",
                "discriminators.temporal.num_layers=1",
            ),
        ),
    )
    results = data.measure(benchmark_inputs, check_line, data.DataPlan(cases, seconds=0.0, street_size=(48, 96)))
    plain_case, label_case = results["cases"].values()
    assert (plain_case["channels"], label_case["channels"], label_case["image_size"]) == (1, 34, [32, 64])
    assert label_case["megabytes"] == pytest.approx(3 * 32 * 64 * (34 + 3 * 4) / 1e6)  # a byte for each class
    assert [*parse_tables(data.format_results(results))][2:] == [
        "tiny, 32²: 3 frames of 32x32, 1 channels",
        "street_256, 32²: 3 frames of 64x32, 34 channels",
    ]


def test_training_benchmark_compares_precisions(benchmark_inputs: BenchmarkInputs) -> None:
    results = training.measure(
        benchmark_inputs, check_line, training.TrainingPlan((TOY_CASE,), num_rounds=2, block_seconds=0.0)
    )
    case = results["cases"][TOY_CASE.name]
    assert {len(values) for values in case["steps_per_second"].values()} == {2}
    assert case["gain"] == case["median"]["bf16"] / case["median"]["fp32"]
    assert parse_tables(training.format_results(results))[TOY_CASE.name][3] == "3"


def test_quality_benchmark_compares_models(benchmark_inputs: BenchmarkInputs) -> None:
    """32 pixels are two scales of at least 16."""
    results = quality.measure(benchmark_inputs, check_line, quality.QualityPlan(TOY_CASE, minutes=0.01))
    models: dict[str, Any] = results["models"]
    assert list(models) == ["vid2vid", "vid2vid, frame-wise", "pix2pixhd", "pix2pix"]
    assert all(model["steps"] >= 2 and model["metrics"]["psnr"] > 0 for model in models.values())
    table = parse_tables(quality.format_results(results))
    assert len(table["warping error"]) == 4
    assert "landmark error, % of the inter-ocular distance" not in table  # edges know no landmarks


def test_memory_benchmark_measures_peaks(benchmark_inputs: BenchmarkInputs) -> None:
    plan = memory.MemoryPlan(TOY_CASE, short_frames=3, long_frames=6, num_rounds=1)
    results = memory.measure(benchmark_inputs, check_line, plan)
    assert results["peaks_mib"]["short"][0] >= results["before_exit_mib"]["short"][0] > 100  # torch alone takes more
    assert abs(results["difference_percent"]) < 50
    assert parse_tables(memory.format_results(results)).keys() >= {"3", "6"}


def test_prepare_benchmark_skips_unavailable_cases(benchmark_inputs: BenchmarkInputs) -> None:
    """Cases without a clip or a weight file are skipped with a line in the log."""
    lines: list[str] = []
    weights = {"backend": "litert", "weights": "nowhere.tflite"}
    cases = (PrepareCase("edges"), CASES[-1], PrepareCase("pose", "body"))
    cases += (PrepareCase("segmentation", options=weights),)
    plan = prepare.PreparePlan(cases, short_side=64, max_frames=12, seconds=5.0, num_rounds=2)
    results = prepare.measure(benchmark_inputs, lines.append, plan)
    assert list(results["cases"]) == ["edges", "labels"]
    assert sum("skipped" in line for line in lines) == 2
    for case in results["cases"].values():
        assert (case["num_frames"], case["frame_size"]) == (12, "86x64")
        assert case["ratio"] == pytest.approx(sum(case["ratios"]) / 2)
        assert len(case["conditioner"]["rates"]) == len(case["prepare"]["rates"]) == 2
        assert case["prepare"]["work"] > case["conditioner"]["work"]
    table = parse_tables(prepare.format_results(results))
    assert table["edges"][3] == f"{100 * results['cases']['edges']['ratio']:.0f} %"
    assert not list((benchmark_inputs.folder / "prepare").rglob("dataset.json"))


def test_response_benchmark_times_commands(benchmark_inputs: BenchmarkInputs) -> None:
    results = response.measure(benchmark_inputs, check_line, response.ResponsePlan(num_rounds=1, num_frames=2))
    assert results["help"].keys() == {"vid2vid --help", "vid2vid train --help", "vid2vid presets show --help"}
    assert {len(values) for values in results["render"].values()} == {2}
    assert set(parse_tables(response.format_results(results))) >= {*results["help"], "conditions at 256 px"}


def test_measure_peak_measures_child_process_only() -> None:
    """The peak of the child alone, not of this process, which has imported torch."""
    small = measure_peak([sys.executable, "-S", "-c", "pass"]).mebibytes
    large = measure_peak([sys.executable, "-S", "-c", "x = b'x' * (200 << 20)"]).mebibytes
    assert small < 60
    assert 195 < large - small < 220
    with pytest.raises(RuntimeError, match="no such thing"):
        measure_peak([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_run_main_runs_selected_benchmarks(
    benchmark_inputs: BenchmarkInputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run.main(["--only", "memory", "--video", str(tmp_path / "none.mp4")]) == MissingFileError.exit_code
    assert "none.mp4" in capsys.readouterr().err
    monkeypatch.setattr(run, "create_inputs", lambda *_, **__: benchmark_inputs)
    plan = training.TrainingPlan((TOY_CASE,), num_rounds=1, block_seconds=0.0)
    monkeypatch.setattr(training, "TrainingPlan", lambda: plan)
    out = tmp_path / "results.json"
    assert run.main(["--only", "training", "--video", str(benchmark_inputs.video), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert describe_machine(machine_info("cpu")).split(";")[0] in printed
    assert TOY_CASE.name in parse_tables(printed)
    assert json.loads(out.read_text())["training"]["elapsed_seconds"] > 0


def test_adapt_benchmark_compares_with_training_from_nothing(
    benchmark_inputs: BenchmarkInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    video = benchmark_inputs.video
    second = write_looped_clip(video, 16, tmp_path / "second.mp4")
    third = write_looped_clip(video, 20, tmp_path / "third.mp4")
    settings = (*TOY_OVERRIDES, "data.height=32", "generator.num_downsamples=2", "data.reference_bank_size=4")
    plan = adapt.AdaptPlan(
        (video, second), third, "edges", settings, base_steps=2, seconds=None, steps=1, num_frames=6, num_seeds=1
    )
    results = adapt.measure(plan, tmp_path, check_line)
    assert [[run["steps"] for run in runs] for runs in results["rows"].values()] == [[1], [1], [10]]
    rows = parse_tables(adapt.format_results(results))
    assert "adapted" in rows
    assert all(0 < runs[0]["psnr"] < 60 for runs in results["rows"].values())


def test_held_out_benchmark_measures_seeds_and_baselines(
    benchmark_inputs: BenchmarkInputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [f"--set={setting}" for setting in (*TOY_OVERRIDES, "data.height=32", "runtime.precision=bf16")]
    video = write_looped_clip(benchmark_inputs.video, 20, tmp_path / "clip.mp4")
    arguments = [
        str(video),
        "--conditioner=edges",
        "--preset=tiny",
        "--steps=2",
        f"--out={tmp_path / 'out'}",
        *settings,
    ]
    assert held_out.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "; cpu, bf16; torch" in printed
    rows = parse_tables(printed)
    mean, *seeds = map(float, rows["psnr"][:3])
    assert mean == pytest.approx(sum(seeds) / 2, abs=0.02)
    assert {"ssim", "sharpness", "warping_error"} <= rows.keys()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["data", "run_0", "run_1"]
    assert held_out.main([str(tmp_path / "absent.mp4")]) != 0


def test_moving_shapes_depend_on_the_seed_and_bounce_at_the_borders() -> None:
    frames = np.stack(list(moving_shapes(60, 32, num_shapes=1, seed=1)))
    assert np.array_equal(frames, np.stack(list(moving_shapes(60, 32, num_shapes=1, seed=1))))
    assert not np.array_equal(frames, np.stack(list(moving_shapes(60, 32, num_shapes=1, seed=2))))
    is_shape = frames[..., 0] > 150
    areas = is_shape.sum((1, 2))
    assert areas.min() > 0.8 * areas.max()  # never outside the picture
    positions = np.stack([np.argwhere(mask).mean(0) for mask in is_shape])
    turns = (np.diff(np.sign(np.diff(positions, axis=0)), axis=0) != 0).any(1).sum()
    assert 2 <= turns <= 20


def test_family_measures_a_member_and_keeps_its_sample_sheet(blob_video: Path, tmp_path: Path) -> None:
    plan = family.FamilyPlan(size=32, seconds=None, steps=1, members=("DiscoGAN, temporal",))
    rows = family.measure("unpaired", blob_video, tmp_path, plan, check_line)
    assert rows["DiscoGAN, temporal"]["steps"] == 1
    assert (tmp_path / "unpaired_DiscoGAN,_temporal.png").is_file()
    assert "| cycle_psnr |" in family.format_results("unpaired", rows, plan)


def test_family_trains_for_a_processor_time(blob_video: Path, tmp_path: Path) -> None:
    plan = family.FamilyPlan(size=32, seconds=None, cpu_seconds=1.0, members=("DiscoGAN",))
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a shell
    try:
        row = family.measure("unpaired", blob_video, tmp_path, plan, check_line)["DiscoGAN"]
    finally:
        signal.signal(signal.SIGINT, previous)
    assert row["steps"] > 1
    assert 1.0 <= row["cpu_seconds"] < 1.8
    assert (tmp_path / "unpaired_DiscoGAN.png").is_file()


@pytest.mark.parametrize("members", [family.PAIRED, family.UNPAIRED])
def test_settings_of_all_members_are_valid(members: Mapping[str, tuple[str, tuple[str, ...]]]) -> None:
    for preset, settings in members.values():
        assert Case(preset, 64, (*family.SHORT_TRAINING, *settings)).config.data.height == 64


TINY_PREDICTION = prediction.PredictionPlan(
    size=16,
    base_channels=4,
    minutes=None,
    steps=1,
    num_samples=2,
    num_frames=4,
    num_shape_frames=60,
    variants=("deterministic", "savp"),
)


def test_prediction_measures_each_variant_beside_the_baselines(tmp_path: Path) -> None:
    rows = prediction.measure(TINY_PREDICTION, None, tmp_path, check_line)
    assert list(rows) == ["deterministic, mean", "copy_last", "constant_flow", "savp, mean", "savp, best_of_2"]
    assert rows["savp, best_of_2"]["psnr"] >= rows["savp, mean"]["psnr"]
    assert rows["savp, mean"]["steps"] == 1
    assert "| savp, best_of_2 |" in prediction.format_results(rows, TINY_PREDICTION)
    assert (tmp_path / "savp.png").is_file()
    with pytest.raises(SystemExit):
        prediction.main(["--variants", "svap"])


def test_label_prediction_is_compared_with_the_same_frames(tmp_path: Path) -> None:
    """The baselines are those of the models that predict frames, beside the IoU of label maps."""
    frames_plan, labels_plan = (replace(TINY_PREDICTION, variants=(name,)) for name in ("deterministic", "predict"))
    (tmp_path / "frames").mkdir()
    rows = prediction.measure(labels_plan, None, tmp_path, check_line)
    expected = prediction.measure(frames_plan, None, tmp_path / "frames", check_line)
    for baseline in ("copy_last", "constant_flow"):
        assert rows[baseline] == {**expected[baseline], "iou": rows[baseline]["iou"]}
    assert rows["predict, mean"].keys() == {*expected["deterministic, mean"], "iou"}
    assert rows["predict, mean"]["steps"] == 1
    assert (tmp_path / "predict.png").is_file()


def test_prediction_trains_for_a_processor_time(
    blob_video: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plan = replace(TINY_PREDICTION, steps=None, cpu_seconds=0.5, variants=("deterministic",))
    row = prediction.measure(plan, None, tmp_path, check_line)["deterministic, mean"]
    assert row["steps"] > 1
    assert 0.5 <= row["cpu_seconds"] < 1.3
    plans: list[prediction.PredictionPlan] = []

    def measure(plan: prediction.PredictionPlan, *_: Any) -> dict[str, Any]:
        plans.append(plan)
        return {}

    monkeypatch.setattr(prediction, "measure", measure)
    assert family.main([str(blob_video), "--only", "prediction", "--cpu-seconds", "7"]) == 0
    assert prediction.main(["--cpu-seconds", "7"]) == 0
    assert [(plan.minutes, plan.steps, plan.cpu_seconds) for plan in plans] == [(None, None, 7.0)] * 2


def shape_clip(indices: Sequence[int]) -> ForecastClip:
    """Label maps and frames of shapes, two of them known."""
    frames = list(moving_shapes(max(indices) + 1, 32))
    maps = torch.from_numpy(np.stack([label_prediction.class_map(frames[index]) for index in indices])).long()
    conditions = torch.nn.functional.one_hot(maps, 3).permute(0, 3, 1, 2).float() * 2 - 1
    images = torch.stack([frame_to_tensor(frames[index]) for index in indices])
    return ForecastClip(conditions[:2], images[:2], conditions[2:], images[2:])


class KnownMaps:
    """A generator of given label maps (t, c, h, w), one after another."""

    num_scales, past_frames, window_size = 1, 2, 1

    def __init__(self, maps: Sequence[Tensor]) -> None:
        self.maps = iter(maps)

    def __call__(self, window: Tensor, past: Sequence[Tensor], is_first_frame: bool = False) -> FrameOutput:
        image = next(self.maps)[None]
        return FrameOutput(image, image)


def measure_maps(clip: ForecastClip, maps: Sequence[Tensor], tmp_path: Path) -> dict[str, dict[str, float]]:
    options = {"format": "ids", "classes": label_prediction.class_records(), "input_dir": str(tmp_path)}
    channels = build_label_channels(load_conditioners([("labels", options)]))
    rows = label_prediction.measure_clip(KnownMaps(maps), clip, channels, runtime=choose_runtime("cpu"), metric=None)
    return {row: mean_metrics([measured.means]) for row, measured in rows.items()}


def test_label_maps_have_the_metrics_of_frames_in_their_colours(tmp_path: Path) -> None:
    """Repeated maps are as good as the repeated frame, and true maps differ from the frames at antialiased borders."""
    clip = shape_clip(range(12))
    rows = measure_maps(clip, [clip.conditions[-1]] * 10, tmp_path)
    assert rows["model"]["iou"] == rows["copy_last"]["iou"] < 80
    assert rows["model"]["psnr"] == pytest.approx(rows["copy_last"]["psnr"], abs=0.7)
    assert clip.next_conditions is not None
    true_maps = measure_maps(clip, list(clip.next_conditions), tmp_path)
    assert true_maps["model"]["iou"] == 100
    assert true_maps["model"]["psnr"] > rows["copy_last"]["psnr"] + 5
    reversed_maps = measure_maps(clip, list(clip.next_conditions.flip(0)), tmp_path)
    assert reversed_maps["model"]["iou"] < 90


def test_prediction_of_labels_needs_the_shapes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[tuple[Path | None, Sequence[str]]] = []

    def measure(plan: prediction.PredictionPlan, video: Path | None, *_: Any) -> dict[str, Any]:
        measured.append((video, plan.variants))
        return {}

    monkeypatch.setattr(prediction, "measure", measure)
    with pytest.raises(SystemExit):
        prediction.main(["clip.mp4", "--variants", "vae;predict"])
    assert "clip.mp4 has none" in capsys.readouterr().err
    assert prediction.main([]) == prediction.main(["clip.mp4"]) == prediction.main(["--variants", "predict"]) == 0
    savp = tuple(prediction.VARIANTS)
    assert measured == [(None, (*savp, "predict")), (Path("clip.mp4"), savp), (None, ("predict",))]


def test_attributes_are_measured_on_the_synthesised_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After one step no face is detected, which is a dash, not a number."""
    with VideoWriter(tmp_path / "face.mp4", Fraction(25)) as writer:
        for index in range(15):
            writer.write(synthetic_face(96, 96, half_height=36, mouth_openness=index % 3 / 2))
    plan = attributes.AttributePlan(
        size=32,
        steps=1,
        attributes=("mouth_open",),
        members=("VAE-GAN",),
        settings=("generator.base_channels=4", "generator.latent_channels=4", "schedule.batch_size=2"),
    )
    results = attributes.measure(plan, tmp_path / "face.mp4", tmp_path, check_line)
    assert {"psnr", "cpu_seconds"} <= results.metrics["VAE-GAN"].keys()
    numbers = {change.part: change.num_frames for change in results.changes}
    assert sum(numbers.values()) == 15
    real = {change.part: change.real for change in results.changes}
    assert real["training, with it"] > real["training, without it"] + 0.1
    videos = [tmp_path / "run_0" / f"val_mouth_open_{value}.mkv" for value in ("-2", "+0", "+2")]
    lowered, unchanged, raised = (np.stack(list(VideoReader(video))) for video in videos)
    assert (lowered != unchanged).any()
    assert (raised != unchanged).any()
    tables = parse_tables(attributes.format_results(results, plan))
    assert len(tables["VAE-GAN: mouth_open, training, with it"]) == 7
    assert "nan" not in tables["VAE-GAN: mouth_open, training, with it"]
    assert attributes.main([str(tmp_path / "absent.mp4"), "--members=VAE-GAN"]) == 1
    assert "absent.mp4" in capsys.readouterr().err


def test_change_shows_how_often_a_face_is_found() -> None:
    change = attributes.Change(
        *("VAE-GAN", "mouth_open", "training, with it", 4, 0.1),
        means={-1.0: 0.02, 0.0: 0.09, 1.0: float("nan")},
        found={-1.0: 0.5, 0.0: 1.0, 1.0: 0.0},
    )
    cells = [attributes._format_change(change, value) for value in (-1.0, 0.0, 1.0)]
    assert cells == ["0.020 (50 %)", "0.090", "–"]


@pytest.mark.parametrize("program", [family, prediction, attributes])
def test_steps_of_zero_are_refused(program: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """They counted as no option, and a training without them took five minutes."""
    with pytest.raises(SystemExit):
        program.main(["clip.mp4", "--steps", "0"])
    assert "'0' is not a whole number above 0" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--steps", "5", "--seconds", "5"), ("--steps", "5", "--cpu-seconds", "5")])
def test_family_has_one_limit(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit):
        family.main(["clip.mp4", "--only", "paired", *arguments])


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0", "a"])
def test_positive_float_refuses_other_values(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        positive_float(text)
    assert positive_float("0.5") == 0.5


def test_step_clock_reports_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "REPORT_SECONDS", 0.0)
    lines: list[str] = []
    clock = inputs.StepClock(lines.append)
    clock(StepEvent(3, 10, {}, elapsed_seconds=4.2))
    clock(StepEvent(4, None, {}, elapsed_seconds=5.0, max_seconds=30.0))
    inputs.StepClock(lines.append, limit=60.0)(StepEvent(1, None, {}, elapsed_seconds=1.0))
    assert lines == ["step 3 of 10, 4 s", "step 4, 5 of 30 s", "step 1, 0 of 60 s of processor time"]
