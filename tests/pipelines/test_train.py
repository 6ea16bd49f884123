"""`train` on a small dataset: output files, resuming, interruptions, and divergence."""

from __future__ import annotations

import dataclasses
import html
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.dots_conditioner import DOTS_PLUGIN
from helpers.factories import CPU, copy_weights, make_blob_video, tensors_equal, tiny_config

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import (
    DatasetError,
    DatasetMismatchError,
    DiskFullError,
    DivergenceError,
    MissingFileError,
    OutputExistsError,
    RunError,
)
from vid2vid_cli.engine import folder_lock
from vid2vid_cli.engine.checkpoint import load_checkpoint, save_checkpoint
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.event_log import read_event_log
from vid2vid_cli.engine.events import (
    ArtifactEvent,
    Event,
    InfoEvent,
    ProgressEvent,
    StepEvent,
    WarningEvent,
    ignore_events,
)
from vid2vid_cli.engine.run_folder import RunFolder, find_run
from vid2vid_cli.engine.state_files import STATE_FILE_NAME, mark_best, read_pointer
from vid2vid_cli.media.images import load_png
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import INTERRUPT_NOTICE, TrainRequest, TrainResult, plan_train, train
from vid2vid_cli.training import checkpointing, measurement

TESTS_FOLDER = Path(__file__).resolve().parents[1]


def run_train(config: Config | None = None, **changes: Any) -> TrainResult:
    emit = changes.pop("emit", ignore_events)
    return train(TrainRequest(config or tiny_config(), **{"preset": "tiny", "device": "cpu", **changes}), emit)


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def linked_dataset(dataset: Path) -> Path:
    """datasets/blob in the working directory, a link to `dataset`."""
    Path("datasets").mkdir()
    link = Path("datasets/blob")
    link.symlink_to(dataset)
    return link


def test_train_writes_expected_files(run_folder: Path) -> None:
    folder = RunFolder(run_folder)
    assert sorted(path.name for path in run_folder.iterdir()) == [
        "blob.ckpt",
        "checkpoints",
        "command.txt",
        "config.yaml",
        "env.json",
        "events.jsonl",
        "progress.mp4",
        "report.html",
        "run.json",
        "samples",
    ]
    assert [path.name for path in sorted(folder.samples.iterdir())] == [
        "newest.mp4",
        "step_0000002.png",
        "step_0000004.png",
    ]
    assert load_png(folder.samples / "step_0000004.png").shape[2] == 3
    metadata = load_metadata(folder.checkpoint_path)
    assert (metadata.name, metadata.fps, metadata.crop) == ("blob", "30000/1001", "subject")
    assert metadata.condition_spec.channels == 1
    assert metadata.training.keys() == {"steps", "seconds", "dataset", "footage_seconds", "psnr_val"}
    assert metadata.training["steps"] == 4
    assert metadata.training["dataset"] == "blob"
    assert (metadata.height, metadata.width, metadata.crop_view().height) == (40, 56, 24)
    assert [conditioner.name for conditioner in metadata.conditioners] == ["edges"]
    assert folder.load_config() == tiny_config()
    assert folder.load_record().precision == "fp32"
    assert read_pointer(folder.checkpoints, "last") == folder.checkpoints / "step_0000004"
    assert read_pointer(folder.checkpoints, "best") is not None


def test_train_checkpoint_holds_generator_ema(run_folder: Path) -> None:
    folder = RunFolder(run_folder)
    state = torch.load(folder.checkpoints / "step_0000004" / STATE_FILE_NAME, weights_only=True)["state"]
    generator, _ = load_checkpoint(folder.checkpoint_path, CPU)
    assert tensors_equal(copy_weights(generator), list(state["generator_ema"].values()))
    assert not tensors_equal(copy_weights(generator), list(state["generator"].values()))


def test_train_event_log_matches_events(linked_dataset: Path) -> None:
    events: list[Event] = []
    result = run_train(max_steps=3, emit=events.append)
    assert (result.path, result.checkpoint, result.num_steps) == (Path("runs/blob"), Path("runs/blob/blob.ckpt"), 3)
    assert result.checkpoint.is_file()
    ((metric_name, quality),) = result.metrics.items()
    assert metric_name.startswith("PSNR")
    assert 0 < quality < 60
    step_events = [event for event in events if isinstance(event, StepEvent)]
    assert [event.step for event in step_events] == [1, 2, 3]
    logged_events = list(read_event_log(result.path))
    assert [event["step"] for event in logged_events if event["event"] == "step"] == [1, 2, 3]
    logged_losses = [event["losses"] for event in logged_events if event["event"] == "step"]
    assert logged_losses == [dict(event.losses) for event in step_events]
    assert [event.kind for event in events if isinstance(event, ArtifactEvent)] == [
        "checkpoint",
        "quality",
        "sample",
        "checkpoint",
        "quality",
        "sample",
        "comparison",
        "report",
    ]
    message = next(event.message for event in events if isinstance(event, InfoEvent))
    assert all(text in message for text in ("datasets/blob", "runs/blob", "cpu, fp32"))


def test_train_reports_unreachable_temporal_strides(linked_dataset: Path) -> None:
    events: list[Event] = []
    run_train(tiny_config(temporal_discriminator={"frame_strides": (1, 9)}), max_steps=1, emit=events.append)
    messages = [
        event.message
        for event in events
        if isinstance(event, InfoEvent) and "discriminators.temporal.frame_strides" in event.message
    ]
    assert len(messages) == 1
    assert re.findall(r"\d+", messages[0]) == ["9", "19", "4"]


def test_train_image_warmup_precedes_video(linked_dataset: Path) -> None:
    events: list[Event] = []
    config = tiny_config(schedule={"image_warmup_steps": 2})
    first = run_train(config, max_steps=4, emit=events.append)
    run_train(config, max_steps=2, init_from=first.path, emit=events.append)
    run_train(config, max_steps=3, emit=events.append)  # the warm-up is at most half of all steps
    loss_names = [set(event.losses) for event in events if isinstance(event, StepEvent)]
    has_motion = [{"flow", "temporal_discriminator_1"} <= names for names in loss_names]
    assert has_motion == [False, False, True, True, True, True, False, True, True]
    assert all({"l1", "adversarial"} <= names for names in loss_names)
    run_train(config, resume=first.path, max_steps=5, emit=events.append)
    assert "flow" in [event for event in events if isinstance(event, StepEvent)][-1].losses


def test_train_locks_run_folder(linked_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "LOCK_TIMEOUT_SECONDS", 0.0)

    def train_concurrently(event: Event) -> None:
        if isinstance(event, StepEvent):
            for changes in ({"resume": Path("runs/blob")}, {"overwrite": True}):
                with pytest.raises(OutputExistsError, match="runs/blob"):
                    run_train(**changes, max_steps=9)

    result = run_train(max_steps=1, emit=train_concurrently)
    assert run_train(resume=result.path, max_steps=2).num_steps == 2


def test_train_passes_on_licence(linked_dataset: Path, run_folder: Path) -> None:
    """From a checkpoint to a run that is initialised from it, and from that run to the next."""
    metadata = load_metadata(run_folder / "blob.ckpt")
    assert "licence" not in metadata.training
    licensed_metadata = metadata.model_copy(update={"training": {"licence": "non-commercial"}})
    save_checkpoint(Path("licensed.ckpt"), load_checkpoint(run_folder / "blob.ckpt", CPU)[0], licensed_metadata)
    first = run_train(init_from=Path("licensed.ckpt"), max_steps=1)
    second = run_train(init_from=first.path, max_steps=1)
    assert {load_metadata(result.checkpoint).training["licence"] for result in (first, second)} == {"non-commercial"}


def test_train_output_names_and_overwrite(linked_dataset: Path) -> None:
    first = run_train(max_steps=1)
    second = run_train(max_steps=1)
    assert (first.path, second.path) == (Path("runs/blob"), Path("runs/blob-2"))
    assert second.checkpoint == Path("runs/blob-2/blob-2.ckpt")
    (first.path / "old.txt").touch()
    assert run_train(max_steps=1, overwrite=True).path == first.path
    assert not (first.path / "old.txt").exists()
    Path("photos").mkdir()
    with pytest.raises(OutputExistsError):
        run_train(out=Path("photos"), overwrite=True)


def test_plan_train_writes_nothing(linked_dataset: Path) -> None:
    rows = dict(plan_train(TrainRequest(tiny_config(), "tiny", device="cpu")).rows)
    assert rows["run"] == "runs/blob"
    assert rows["dataset"].startswith("datasets/blob (19 ")
    assert rows["stop at"] == "step 4"
    assert (rows["preset"], rows["image size"][:15]) == ("tiny", "24x24 of 56x40:")
    assert not Path("runs").exists()


@pytest.mark.slow
def test_train_resume_in_new_process_is_bit_exact(dataset: Path) -> None:
    """Eight steps at once give the same state, bit for bit, as four steps and four more in another process."""
    config = tiny_config(
        schedule={
            "max_steps": 8,
            "clip_length": 2,
            "clip_growth_interval": 3,
            "lr_decay_start": 2,
            "lr_decay_steps": 20,
        },
        data={"height": 24},
        augmentation={"max_translate": 0.05, "max_zoom": 0.05},
        checkpoint={"save_interval": 4, "sample_interval": 3},
    )
    uninterrupted = run_train(config, data=dataset, out=Path("uninterrupted"))
    run_train(config, data=dataset, out=Path("resumed"), max_steps=4)
    code = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from vid2vid_cli.config.config import Config\n"
        "from vid2vid_cli.engine.events import ignore_events\n"
        "from vid2vid_cli.pipelines.train import TrainRequest, train\n"
        "print(train(TrainRequest(Config(), resume=Path(sys.argv[1]), device='cpu'), ignore_events).num_steps)"
    )
    completed = subprocess.run([sys.executable, "-c", code, "resumed"], check=True, capture_output=True, text=True)
    assert completed.stdout.strip() == "8"
    first, second = (
        torch.load(folder / "checkpoints" / "step_0000008" / STATE_FILE_NAME, weights_only=True)["state"]
        for folder in (uninterrupted.path, Path("resumed"))
    )
    assert first.keys() == second.keys()
    for name in ("generator", "generator_ema", "image_discriminator", "temporal_discriminators"):
        assert tensors_equal(list(first[name].values()), list(second[name].values())), name
    for name in ("generator_optimizer", "discriminator_optimizer"):
        assert str(first[name]) == str(second[name])
    logged_losses, resumed_losses = (
        [event["losses"] for event in read_event_log(path) if event["event"] == "step"]
        for path in (uninterrupted.path, Path("resumed"))
    )
    assert logged_losses == resumed_losses


def test_train_resume_of_finished_run(linked_dataset: Path) -> None:
    run_train(max_steps=2)
    events: list[Event] = []
    assert run_train(resume="newest", max_steps=2, emit=events.append).num_steps == 2
    assert not [event for event in events if isinstance(event, StepEvent)]
    result = run_train(resume=Path("runs/blob"), max_steps=3)
    assert (result.num_steps, result.path) == (3, Path("runs/blob"))


def test_train_time_budget_restarts_on_resume(linked_dataset: Path) -> None:
    first = run_train(max_seconds=0.05)
    assert first.num_steps >= 1
    second = run_train(resume="newest", max_seconds=0.05)
    assert second.num_steps > first.num_steps
    assert second.elapsed_seconds > first.elapsed_seconds


def test_train_is_unaffected_by_save_and_sample_intervals(linked_dataset: Path) -> None:
    """Saving at every step or only at the end gives the same weights."""
    frequent = run_train(
        tiny_config(checkpoint={"save_interval": 1, "sample_interval": 1, "keep_last": 1}), out=Path("frequent")
    )
    infrequent = run_train(
        tiny_config(checkpoint={"save_interval": 100, "sample_interval": 100}), out=Path("infrequent")
    )
    generators = [load_checkpoint(result.checkpoint, CPU)[0] for result in (frequent, infrequent)]
    assert tensors_equal(copy_weights(generators[0]), copy_weights(generators[1]))
    pointed_names = {
        path.name for name in ("last", "best") if (path := read_pointer(frequent.path / "checkpoints", name))
    }
    assert {path.name for path in (frequent.path / "checkpoints").glob("step_*")} == pointed_names


def test_train_nan_loss_keeps_last_checkpoint(linked_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vid2vid_cli.engine import loop

    original_train_step = loop.train_step

    def poisoned_train_step(context: Any, state: Any, batch: Any) -> dict[str, float]:
        if state.step == 3:
            with torch.no_grad():
                next(state.generator.parameters()).fill_(torch.nan)
        return original_train_step(context, state, batch)

    monkeypatch.setattr(loop, "train_step", poisoned_train_step)
    with pytest.raises(DivergenceError, match=r"nan at step 4.*blob\.ckpt of step 2") as caught:
        run_train(max_steps=9)
    assert caught.value.hint.endswith(f"--set optimizer.lr={tiny_config().optimizer.lr / 4:g}")
    assert caught.value.exit_code == 50
    generator, metadata = load_checkpoint(Path("runs/blob/blob.ckpt"), CPU)
    assert metadata.training["steps"] == 2
    assert all(weight.isfinite().all() for weight in copy_weights(generator))
    monkeypatch.setattr(loop, "train_step", original_train_step)
    assert run_train(resume="newest", max_steps=4).num_steps == 4


@pytest.mark.parametrize("network_name", ["generator", "temporal_discriminators"])
@pytest.mark.parametrize("break_step", [4, 5])
def test_train_never_saves_infinite_weights(
    linked_dataset: Path, monkeypatch: pytest.MonkeyPatch, network_name: str, break_step: int
) -> None:
    """The weights become infinite in a step with finite losses, after which a checkpoint is due or not."""
    from vid2vid_cli.engine import loop

    original_train_step = loop.train_step

    def breaking_train_step(context: Any, state: Any, batch: Any) -> dict[str, float]:
        losses = original_train_step(context, state, batch)
        if state.step == break_step:
            with torch.no_grad():
                next(getattr(state, network_name).parameters())[0, 0, 0, 0] = torch.inf
        return losses

    monkeypatch.setattr(loop, "train_step", breaking_train_step)
    with pytest.raises(DivergenceError, match=r"blob\.ckpt of step (2|4)"):
        run_train(max_steps=break_step)
    last = read_pointer(Path("runs/blob/checkpoints"), "last")
    assert last is not None
    saved_state = torch.load(last / STATE_FILE_NAME, weights_only=True)["state"]
    assert saved_state["step"] < break_step
    assert all(weight.isfinite().all() for name in ("generator", network_name) for weight in saved_state[name].values())


def test_train_divergence_before_first_checkpoint(linked_dataset: Path) -> None:
    with pytest.raises(DivergenceError, match="no checkpoint"):
        run_train(
            tiny_config(optimizer={"lr": 1e38, "discriminator_lr": 1e38}, checkpoint={"save_interval": 100}),
            max_steps=20,
        )


def test_train_full_disk_hints_at_resume(linked_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_disk_full(*_: Any, **__: Any) -> None:
        raise DiskFullError("No space left on the device while writing x.", "Free some space.")

    monkeypatch.setattr(checkpointing, "save_checkpoint", raise_disk_full)
    with pytest.raises(DiskFullError) as caught:
        run_train()
    assert "vid2vid train --resume runs/blob" in caught.value.hint
    monkeypatch.setattr(checkpointing, "save_checkpoint", save_checkpoint)
    assert run_train(resume="runs/blob").num_steps == 4


def test_train_interrupt_finishes_step_and_saves(linked_dataset: Path) -> None:
    """The state is saved, and nothing is measured or drawn after Ctrl-C."""
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        if isinstance(event, StepEvent) and event.step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_train(max_steps=1000, emit=emit)
    folder = find_run("newest")
    assert read_pointer(folder.checkpoints, "last") == folder.checkpoints / "step_0000004"
    metadata = load_metadata(folder.checkpoint_path)
    assert metadata.training["steps"] == 4
    assert InfoEvent(INTERRUPT_NOTICE) in events
    kinds = [event.kind for event in events if isinstance(event, ArtifactEvent)]
    assert kinds == ["checkpoint", "quality", "sample", "checkpoint", "report"]
    assert run_train(resume="newest", max_steps=5).num_steps == 5


def test_train_interrupt_ends_a_measurement(linked_dataset: Path) -> None:
    def emit(event: Event) -> None:
        if isinstance(event, ProgressEvent) and event.stage == "sample":
            assert event.done == 1
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_train(max_steps=1000, emit=emit)
    folder = find_run("newest")
    assert read_pointer(folder.checkpoints, "last") == folder.checkpoints / "step_0000002"
    assert load_metadata(folder.checkpoint_path).training["steps"] == 2


@pytest.mark.parametrize("name", ["validation_psnr", "sample_sheet", "find_baselines"])
def test_train_failed_measurement_keeps_training(
    linked_dataset: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """State and checkpoint are on the disk before anything is measured; what fails is named and left out."""
    saved_steps: list[int] = []
    events: list[Event] = []

    def fail(*_: Any, **__: Any) -> None:
        last = read_pointer(Path("runs/blob/checkpoints"), "last")
        assert last is not None
        saved_steps.append(int(last.name.removeprefix("step_")))
        assert load_metadata(Path("runs/blob/blob.ckpt")).training["steps"] == saved_steps[-1]
        raise ZeroDivisionError("no frames")

    monkeypatch.setattr(measurement, name, fail)
    result = run_train(max_steps=4, emit=events.append)
    assert result.num_steps == 4
    assert load_metadata(result.checkpoint).training["steps"] == 4
    assert saved_steps == ([4] if name == "find_baselines" else [2, 4])
    warnings = [event.message for event in events if isinstance(event, WarningEvent)]
    assert len(warnings) == len(saved_steps)
    assert all("ZeroDivisionError: no frames" in message for message in warnings)
    assert bool(result.metrics) == (name != "validation_psnr")
    assert bool(result.comparison) == (name != "find_baselines")


def test_train_compares_with_nearest_training_frame(linked_dataset: Path) -> None:
    result = run_train(max_steps=2)
    assert all(name in result.comparison for name in ("PSNR", "SSIM", "sharpness"))
    assert html.escape(result.comparison) in (result.path / "report.html").read_text(encoding="utf-8")


def test_train_without_validation_frames_is_not_compared(blob_video: Path) -> None:
    data = prepare(PrepareRequest((blob_video,), ("edges",), Path("set"), val_fraction=0), ignore_events).path
    events: list[Event] = []
    assert run_train(data=data, max_steps=2, emit=events.append).comparison == ""
    assert not [event for event in events if isinstance(event, ArtifactEvent) and event.kind == "comparison"]
    assert sum("no validation frames" in event.message for event in events if isinstance(event, InfoEvent)) == 1


def test_train_compares_points_that_are_detected_again(blob_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disc is not found on the frames of an untrained model, which counts as worse."""
    monkeypatch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)
    data = prepare(PrepareRequest((blob_video,), ("dots",), Path("set")), ignore_events).path
    events: list[Event] = []
    result = run_train(data=data, max_steps=1, emit=events.append)
    assert "dot distance (nothing detected against " in result.comparison
    assert sum(isinstance(event, ProgressEvent) and event.stage == "detect" for event in events) == 2 * 5 + 1


def test_read_best_quality_of_training_states(tmp_path: Path) -> None:
    folder = tmp_path / "step_0000001"
    folder.mkdir()
    (folder / STATE_FILE_NAME).touch()
    assert measurement.read_best_quality(tmp_path) is None
    mark_best(tmp_path, folder)
    assert measurement.read_best_quality(tmp_path) is None
    for quality, expected in ((31.25, 31.25), (float("inf"), float("inf")), (float("nan"), None)):
        measurement.write_quality(folder, quality)
        assert measurement.read_best_quality(tmp_path) == expected


@pytest.mark.slow
def test_train_killed_run_can_be_resumed(dataset: Path, tmp_path: Path) -> None:
    """Every step saves, so that the process is killed during or between saves."""
    code = (
        f"import sys; sys.path.insert(0, {str(TESTS_FOLDER)!r})\n"
        "import torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from helpers.factories import tiny_config\n"
        "from vid2vid_cli.engine.events import ignore_events\n"
        "from vid2vid_cli.pipelines.train import TrainRequest, train\n"
        "config = tiny_config(checkpoint={'save_interval': 1, 'sample_interval': 1})\n"
        "request = TrainRequest(config, data=Path(sys.argv[1]), out=Path('killed'), max_steps=10**6, device='cpu')\n"
        "train(request, ignore_events)"
    )
    folder = RunFolder(Path("killed"))
    process = subprocess.Popen([sys.executable, "-c", code, str(dataset)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and process.poll() is None:
        last = read_pointer(folder.checkpoints, "last")
        if last is not None and int(last.name[5:]) >= 4:
            break
        time.sleep(0.003)
    assert process.poll() is None, "the process ended before it was killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    last = read_pointer(folder.checkpoints, "last")
    assert last is not None
    last_step = int(last.name[5:])
    assert last_step >= 4
    load_checkpoint(folder.checkpoint_path, CPU)
    events: list[Event] = []
    result = run_train(resume=folder.path, max_steps=last_step + 1, emit=events.append)
    assert [event.step for event in events if isinstance(event, StepEvent)] == [last_step + 1]
    assert load_metadata(result.checkpoint).training["steps"] == last_step + 1


def test_train_rejects_missing_or_mismatched_dataset(linked_dataset: Path, dataset: Path, tmp_path: Path) -> None:
    face_config = tiny_config().with_settings({"conditioners": ("landmarks",)})
    with pytest.raises(DatasetMismatchError, match="landmarks") as caught:
        run_train(face_config, preset="face")
    assert "vid2vid prepare --conditioner landmarks" in caught.value.hint
    with pytest.raises(DatasetMismatchError, match=r"edges.*landmarks"):
        run_train(face_config, data=Path("datasets/blob"))
    assert not Path("runs").exists()
    linked_dataset.unlink()
    with pytest.raises(MissingFileError, match="datasets/"):
        run_train()
    with pytest.raises(MissingFileError):
        run_train(data=Path("none"))
    Path("photos").mkdir()
    with pytest.raises(DatasetError, match="photos"):
        run_train(data=Path("photos"))


def test_train_uses_newest_matching_dataset(linked_dataset: Path, dataset: Path) -> None:
    make_blob_video(Path("second.mp4"), 8)
    prepare(PrepareRequest((Path("second.mp4"),), ("edges",)), ignore_events)
    os.utime(dataset / "dataset.json", ns=(1, 1))
    assert run_train(max_steps=1).path == Path("runs/second")
    request = TrainRequest(tiny_config(), data=Path("datasets/blob"), device="cpu")
    assert dict(plan_train(request).rows)["run"] == "runs/blob"
    assert dataclasses.replace(request, data=None).data is None


def test_train_rejects_unresumable_runs(linked_dataset: Path) -> None:
    with pytest.raises(MissingFileError):
        run_train(resume="newest")
    with pytest.raises(RunError, match="datasets"):
        run_train(resume=Path("datasets"))
    result = run_train(max_steps=1)
    (result.path / "checkpoints" / "step_0000001" / STATE_FILE_NAME).write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"state\.pt"):
        run_train(resume="newest", max_steps=2)
