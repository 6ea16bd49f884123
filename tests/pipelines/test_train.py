"""`train` on a small real dataset: what a run leaves behind, resuming, kills, Ctrl-C, and losses that break."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.factories import CPU, make_film, same, tiny_config, weights_of

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import (
    DatasetError,
    DatasetMismatchError,
    DiskFullError,
    DivergedError,
    ExistsError,
    MissingFileError,
    RunError,
)
from vid2vid_cli.engine import folder_lock
from vid2vid_cli.engine.checkpoint import STATE_FILE, load_checkpoint, load_info, pointed, save_checkpoint
from vid2vid_cli.engine.event_log import read_journal
from vid2vid_cli.engine.events import Event, Noticed, Stepped, Wrote, silent
from vid2vid_cli.engine.run_folder import RunFolder, find_run
from vid2vid_cli.media.images import load_png
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import Trained, TrainRequest, plan_train, train
from vid2vid_cli.training import checkpointing

TESTS = Path(__file__).resolve().parents[1]


def run(config: Config | None = None, **changes: Any) -> Trained:
    tell = changes.pop("tell", silent)
    return train(TrainRequest(config or tiny_config(), **{"preset": "tiny", "device": "cpu", **changes}), tell)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def shelf(dataset: Path) -> Path:
    """datasets/blob here, as a user has it."""
    Path("datasets").mkdir()
    link = Path("datasets/blob")
    link.symlink_to(dataset)
    return link


def test_what_a_run_leaves_behind(run_folder: Path) -> None:
    folder = RunFolder(run_folder)
    assert sorted(path.name for path in run_folder.iterdir()) == [
        "blob.ckpt",
        "checkpoints",
        "command.txt",
        "config.yaml",
        "env.json",
        "events.jsonl",
        "report.html",
        "run.json",
        "samples",
    ]
    assert [path.name for path in sorted(folder.samples.iterdir())] == ["step_0000002.png", "step_0000004.png"]
    assert load_png(folder.samples / "step_0000004.png").shape[2] == 3
    info = load_info(folder.result)
    assert (info.name, info.fps, info.layout.channels, info.crop) == ("blob", "30000/1001", 1, "focus")
    assert info.training["steps"] == 4
    assert info.training["dataset"] == "blob"
    assert (info.height, info.width, info.frame_view().height) == (40, 56, 24)
    assert [use.name for use in info.conditioners] == ["edges"]
    assert folder.config() == tiny_config()
    assert folder.record().precision == "fp32"
    assert pointed(folder.checkpoints, "last") == folder.checkpoints / "step_0000004"
    assert pointed(folder.checkpoints, "best") is not None


def test_the_checkpoint_holds_the_average(run_folder: Path) -> None:
    folder = RunFolder(run_folder)
    saved = torch.load(folder.checkpoints / "step_0000004" / STATE_FILE, weights_only=True)["state"]
    generator, _ = load_checkpoint(folder.result, CPU)
    assert same(weights_of(generator), list(saved["average"].values()))
    assert not same(weights_of(generator), list(saved["generator"].values()))


def test_the_journal_and_the_events_tell_the_same(shelf: Path) -> None:
    events: list[Event] = []
    done = run(steps=3, tell=events.append)
    assert (done.path, done.checkpoint, done.steps) == (Path("runs/blob"), Path("runs/blob/blob.ckpt"), 3)
    assert done.checkpoint.is_file()
    assert list(done.metrics) == ["PSNR on held-out frames (dB)"]
    assert 0 < done.metrics["PSNR on held-out frames (dB)"] < 60
    stepped = [event for event in events if isinstance(event, Stepped)]
    assert [event.step for event in stepped] == [1, 2, 3]
    written = list(read_journal(done.path))
    assert [event["step"] for event in written if event["event"] == "stepped"] == [1, 2, 3]
    assert [event["losses"] for event in written if event["event"] == "stepped"] == [dict(e.losses) for e in stepped]
    assert [e.what for e in events if isinstance(e, Wrote)] == [
        "sample",
        "checkpoint",
        "sample",
        "checkpoint",
        "report",
    ]
    assert "datasets/blob -> runs/blob on cpu, fp32" in next(e.message for e in events if isinstance(e, Noticed))


def test_a_spacing_that_no_clip_is_long_enough_for_is_said(shelf: Path) -> None:
    events: list[Event] = []
    run(tiny_config(temporal={"rates": (1, 9)}), steps=1, tell=events.append)
    said = [event.message for event in events if isinstance(event, Noticed) and "temporal.rates" in event.message]
    assert len(said) == 1
    assert said[0].startswith("temporal.rates 9: nothing is judged at that spacing")
    assert "groups span up to 19 frames and clips grow to 4 here" in said[0]


def test_single_frames_come_before_motion_unless_it_begins_with_what_can_draw(shelf: Path) -> None:
    events: list[Event] = []
    config = tiny_config(schedule={"stills": 2})
    first = run(config, steps=4, tell=events.append)
    run(config, steps=2, start=first.path, tell=events.append)
    run(config, steps=3, tell=events.append)  # half of them at most
    terms = [set(event.losses) for event in events if isinstance(event, Stepped)]
    motion = [{"flow", "temporal_discriminator_1"} <= names for names in terms]
    assert motion == [False, False, True, True, True, True, False, True, True]
    assert all({"pixel", "adversarial"} <= names for names in terms)
    run(config, resume=first.path, steps=5, tell=events.append)
    assert "flow" in [event for event in events if isinstance(event, Stepped)][-1].losses


def test_a_run_that_is_being_trained_is_not_trained_by_another(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "PATIENCE", 0.0)

    def meanwhile(event: Event) -> None:
        if isinstance(event, Stepped):
            for ways in ({"resume": Path("runs/blob")}, {"overwrite": True}):
                with pytest.raises(ExistsError, match="Another vid2vid"):
                    run(**ways, steps=9)

    done = run(steps=1, tell=meanwhile)
    assert run(resume=done.path, steps=2).steps == 2


def test_a_licence_is_passed_on(shelf: Path, run_folder: Path) -> None:
    """From a checkpoint to the run that begins with it, and from that run to the next; ours has none."""
    info = load_info(run_folder / "blob.ckpt")
    assert "licence" not in info.training
    lent = info.model_copy(update={"training": {"licence": "for play alone"}})
    save_checkpoint(Path("lent.ckpt"), load_checkpoint(run_folder / "blob.ckpt", CPU)[0], lent)
    first = run(start=Path("lent.ckpt"), steps=1)
    second = run(start=first.path, steps=1)
    assert {load_info(made.checkpoint).training["licence"] for made in (first, second)} == {"for play alone"}


def test_names_that_are_taken_and_what_may_be_overwritten(shelf: Path) -> None:
    first = run(steps=1)
    second = run(steps=1)
    assert (first.path, second.path) == (Path("runs/blob"), Path("runs/blob-2"))
    assert second.checkpoint == Path("runs/blob-2/blob-2.ckpt")
    (first.path / "mark").touch()
    assert run(steps=1, overwrite=True).path == first.path
    assert not (first.path / "mark").exists()
    Path("photos").mkdir()
    with pytest.raises(ExistsError):
        run(out=Path("photos"), overwrite=True)


def test_the_plan_writes_nothing(shelf: Path) -> None:
    rows = dict(plan_train(TrainRequest(tiny_config(), "tiny", device="cpu")).rows)
    assert rows["run"] == "runs/blob"
    assert rows["dataset"].startswith("datasets/blob (19 frames")
    assert rows["until"] == "step 4"
    assert not Path("runs").exists()


def test_resuming_in_a_fresh_process_is_as_if_never_stopped(dataset: Path) -> None:
    """Eight steps at once, and four and four with the command typed again elsewhere: every bit of the state."""
    config = tiny_config(
        schedule={"steps": 8, "clip": 2, "grow_every": 3, "decay_from": 2, "decay_steps": 20},
        data={"size": 24, "shift": 0.05, "zoom": 0.05},
        output={"save_every": 4, "sample_every": 3},
    )
    whole = run(config, data=dataset, out=Path("whole"))
    run(config, data=dataset, out=Path("parts"), steps=4)
    code = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from vid2vid_cli.config.config import Config\n"
        "from vid2vid_cli.engine.events import silent\n"
        "from vid2vid_cli.pipelines.train import TrainRequest, train\n"
        "print(train(TrainRequest(Config(), resume=Path(sys.argv[1]), device='cpu'), silent).steps)"
    )
    done = subprocess.run([sys.executable, "-c", code, "parts"], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "8"
    first, second = (
        torch.load(folder / "checkpoints" / "step_0000008" / STATE_FILE, weights_only=True)["state"]
        for folder in (whole.path, Path("parts"))
    )
    assert first.keys() == second.keys()
    for name in ("generator", "average", "discriminator", "temporal"):
        assert same(list(first[name].values()), list(second[name].values())), name
    for name in ("generator_optimizer", "discriminator_optimizer"):
        assert str(first[name]) == str(second[name])
    told = [e["losses"] for e in read_journal(whole.path) if e["event"] == "stepped"]
    assert told == [e["losses"] for e in read_journal(Path("parts")) if e["event"] == "stepped"]


def test_a_finished_run_resumed_is_finished_and_goes_on_with_more_steps(shelf: Path) -> None:
    run(steps=2)
    events: list[Event] = []
    assert run(resume="newest", steps=2, tell=events.append).steps == 2
    assert not [event for event in events if isinstance(event, Stepped)]
    again = run(resume=Path("runs/blob"), steps=3)
    assert (again.steps, again.path) == (3, Path("runs/blob"))


def test_a_time_budget_counts_from_the_resumption(shelf: Path) -> None:
    first = run(seconds=0.05)
    assert first.steps >= 1
    second = run(resume="newest", seconds=0.05)
    assert second.steps > first.steps
    assert second.seconds > first.seconds


def test_a_sample_or_a_checkpoint_changes_no_training(shelf: Path) -> None:
    """Saved at every step or only at the end: the weights are the same."""
    often = run(tiny_config(output={"save_every": 1, "sample_every": 1, "keep": 1}), out=Path("often"))
    seldom = run(tiny_config(output={"save_every": 100, "sample_every": 100}), out=Path("seldom"))
    generators = [load_checkpoint(done.checkpoint, CPU)[0] for done in (often, seldom)]
    assert same(weights_of(generators[0]), weights_of(generators[1]))
    held = {place.name for name in ("last", "best") if (place := pointed(often.path / "checkpoints", name))}
    assert {path.name for path in (often.path / "checkpoints").glob("step_*")} == held


def test_a_loss_that_breaks_keeps_the_last_good_checkpoint(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vid2vid_cli.engine import loop

    steps = loop.train_step

    def poisoned(trainer: Any, state: Any, batch: Any) -> dict[str, float]:
        if state.step == 3:
            with torch.no_grad():
                next(state.generator.parameters()).fill_(torch.nan)
        return steps(trainer, state, batch)

    monkeypatch.setattr(loop, "train_step", poisoned)
    with pytest.raises(
        DivergedError, match=r"became nan at step 4, so training stopped; .*blob\.ckpt of step 2 is kept"
    ) as caught:
        run(steps=9)
    assert caught.value.hint.endswith(f"--set optimizer.rate={tiny_config().optimizer.rate / 4:g}")
    assert caught.value.exit_code == 50
    generator, info = load_checkpoint(Path("runs/blob/blob.ckpt"), CPU)
    assert info.training["steps"] == 2
    assert all(weight.isfinite().all() for weight in weights_of(generator))
    monkeypatch.setattr(loop, "train_step", steps)
    assert run(resume="newest", steps=4).steps == 4


@pytest.mark.parametrize("part", ["generator", "temporal"])
@pytest.mark.parametrize("at", [4, 5])
def test_weights_that_break_are_never_saved(shelf: Path, monkeypatch: pytest.MonkeyPatch, part: str, at: int) -> None:
    """A step may break the weights and not its own losses, and be the very step that is to be saved."""
    from vid2vid_cli.engine import loop

    steps = loop.train_step

    def breaking(trainer: Any, state: Any, batch: Any) -> dict[str, float]:
        terms = steps(trainer, state, batch)
        if state.step == at:
            with torch.no_grad():
                next(getattr(state, part).parameters())[0, 0, 0, 0] = torch.inf
        return terms

    monkeypatch.setattr(loop, "train_step", breaking)
    with pytest.raises(DivergedError, match=r"blob\.ckpt of step (2|4) is kept"):
        run(steps=at)
    last = pointed(Path("runs/blob/checkpoints"), "last")
    assert last is not None
    saved = torch.load(last / STATE_FILE, weights_only=True)["state"]
    assert saved["step"] < at
    assert all(weight.isfinite().all() for name in ("generator", part) for weight in saved[name].values())


def test_a_loss_that_breaks_at_once(shelf: Path) -> None:
    with pytest.raises(DivergedError, match="no checkpoint had been written yet"):
        run(tiny_config(optimizer={"rate": 1e38, "discriminator_rate": 1e38}, output={"save_every": 100}), steps=20)


def test_a_full_disk_says_how_to_go_on(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise DiskFullError("No space left on the device while writing x.", "Free some space.")

    monkeypatch.setattr(checkpointing, "save_checkpoint", full)
    with pytest.raises(DiskFullError) as caught:
        run()
    assert caught.value.hint == "Free some space, then continue: vid2vid train --resume runs/blob"
    monkeypatch.setattr(checkpointing, "save_checkpoint", save_checkpoint)
    assert run(resume="runs/blob").steps == 4


def test_ctrl_c_finishes_the_step_and_saves(shelf: Path) -> None:
    def tell(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(steps=1000, tell=tell)
    folder = find_run("newest")
    assert pointed(folder.checkpoints, "last") == folder.checkpoints / "step_0000003"
    assert load_info(folder.result).training["steps"] == 3
    assert run(resume="newest", steps=4).steps == 4


def test_a_kill_at_any_moment_leaves_a_run_to_resume(dataset: Path, tmp_path: Path) -> None:
    """Saving at every step, so that the kill falls into or beside a save."""
    code = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "import torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from helpers.factories import tiny_config\n"
        "from vid2vid_cli.engine.events import silent\n"
        "from vid2vid_cli.pipelines.train import TrainRequest, train\n"
        "config = tiny_config(output={'save_every': 1, 'sample_every': 1})\n"
        "train(TrainRequest(config, data=Path(sys.argv[1]), out=Path('killed'), steps=10**6, device='cpu'), silent)"
    )
    folder = RunFolder(Path("killed"))
    child = subprocess.Popen([sys.executable, "-c", code, str(dataset)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and child.poll() is None:
        last = pointed(folder.checkpoints, "last")
        if last is not None and int(last.name[5:]) >= 4:
            break
        time.sleep(0.003)
    assert child.poll() is None, "it ended by itself"
    child.send_signal(signal.SIGKILL)
    child.wait()
    last = pointed(folder.checkpoints, "last")
    assert last is not None
    reached = int(last.name[5:])
    assert reached >= 4
    load_checkpoint(folder.result, CPU)
    events: list[Event] = []
    done = run(resume=folder.path, steps=reached + 1, tell=events.append)
    assert [event.step for event in events if isinstance(event, Stepped)] == [reached + 1]
    assert load_info(done.checkpoint).training["steps"] == reached + 1


def test_no_dataset_none_that_fits_and_another_ones(shelf: Path, dataset: Path, tmp_path: Path) -> None:
    face = tiny_config().model_copy(update={"conditioners": ("landmarks",)})
    with pytest.raises(DatasetMismatchError, match="no dataset under datasets/ has landmarks") as caught:
        run(face, preset="face")
    assert "vid2vid prepare --conditioner landmarks" in caught.value.hint
    with pytest.raises(DatasetMismatchError, match="was prepared with edges, and the preset needs landmarks"):
        run(face, data=Path("datasets/blob"))
    assert not Path("runs").exists()
    shelf.unlink()
    with pytest.raises(MissingFileError, match="there is no dataset under datasets/"):
        run()
    with pytest.raises(MissingFileError):
        run(data=Path("none"))
    Path("photos").mkdir()
    with pytest.raises(DatasetError, match="photos is not a dataset"):
        run(data=Path("photos"))


def test_the_newest_dataset_that_fits_is_taken(shelf: Path, dataset: Path) -> None:
    make_film(Path("second.mp4"), 8)
    prepare(PrepareRequest((Path("second.mp4"),), ("edges",)), silent)
    os.utime(dataset / "dataset.json", ns=(1, 1))
    assert run(steps=1).path == Path("runs/second")
    request = TrainRequest(tiny_config(), data=Path("datasets/blob"), device="cpu")
    assert dict(plan_train(request).rows)["run"] == "runs/blob"
    assert dataclasses.replace(request, data=None).data is None


def test_what_cannot_be_resumed(shelf: Path) -> None:
    with pytest.raises(MissingFileError):
        run(resume="newest")
    with pytest.raises(RunError, match="is not a run"):
        run(resume=Path("datasets"))
    done = run(steps=1)
    (done.path / "checkpoints" / "step_0000001" / STATE_FILE).write_bytes(b"torn")
    with pytest.raises(RunError, match=r"state\.pt cannot be resumed from"):
        run(resume="newest", steps=2)
