"""The report of a run: what its events and files contain."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.factories import tiny_config
from helpers.report_page import ReportPage

from vid2vid_cli.engine.event_log import log_events
from vid2vid_cli.engine.events import ArtifactEvent, Event, EventHandler, StepEvent, WarningEvent, ignore_events
from vid2vid_cli.engine.run_folder import RunFolder, RunRecord, create_run
from vid2vid_cli.training.report import RunReport
from vid2vid_cli.training.run_history import RunHistory


def finish_report(
    run: RunFolder, emit: EventHandler = ignore_events, phases: tuple[tuple[int, str], ...] = ()
) -> ReportPage:
    history = RunHistory.read(run.path)
    history.phases = phases
    with RunReport(run, history, emit) as report:
        pass
    return ReportPage(report.path)


def test_report_of_trained_run(run_folder: Path) -> None:
    page = ReportPage(run_folder / "report.html")
    captions = " ".join(page.texts["figcaption"])
    for name in ("adversarial", "l1", "flow", "image_discriminator", "temporal_adversarial"):
        assert f"{name}: " in captions
    assert page.data["samples"] == [["samples/step_0000002.png", "step 2"], ["samples/step_0000004.png", "step 4"]]
    assert page.files >= {"samples/newest.mp4"}
    assert all((run_folder / file).is_file() for file in page.files)
    assert page.texts["p"][0].startswith("4 steps in 0:")
    assert "dB PSNR" in page.texts["p"][0]
    video = page.data["video"]
    assert [panel[0] for panel in video["panels"]] == ["real", "condition", "generated"]
    assert len(video["strips"][0]["values"]) == video["frames"]
    assert {panel[4] for panel in video["panels"]} == {360}
    assert page.data["refresh"] is None
    assert page.sections == ["Frames", "Samples over time", "Curves", "Settings", "Command"]


@pytest.fixture
def empty_run(tmp_path: Path) -> RunFolder:
    record = RunRecord(
        dataset="d", preset="p", precision="fp32", device="cpu", setting_origins={"data.height": "--set"}
    )
    run = create_run(tmp_path / "a<b>&", tiny_config(), record, "vid2vid train <x> & y")
    run.samples.mkdir()
    return run


def test_report_lists_each_warning_once(empty_run: RunFolder) -> None:
    emit = log_events(empty_run.path, ignore_events)
    for message in ("first <b>", "second", "first <b>"):
        emit(WarningEvent(message))
    assert finish_report(empty_run).texts["li"] == ["first <b>", "second"]


def test_report_of_run_without_steps(empty_run: RunFolder) -> None:
    events: list[Event] = []
    page = finish_report(empty_run, events.append)
    assert events == [ArtifactEvent(str(empty_run.path / "report.html"), "report")]
    assert page.texts["h1"][0] == "a<b>&"
    assert page.texts["pre"] == ["vid2vid train <x> & y"]
    assert page.sections == ["Settings", "Command"]
    assert page.texts["td"].count("--set") == 1


def test_report_plots_losses_and_phases(empty_run: RunFolder) -> None:
    emit = log_events(empty_run.path, ignore_events)
    for step, value in ((1, 4.0), (2, float("nan")), (3, 0.0), (5, 2.0)):
        emit(StepEvent(step, None, {"l1": value, "flat": 1.0}, elapsed_seconds=step * 60.0))
    emit(ArtifactEvent("x", "quality", {"quality": float("inf")}))
    page = finish_report(empty_run, phases=((0, "first"), (3, "second"), (100, "later")))
    assert page.texts["figcaption"] == ["l1:", "flat:"]
    assert page.texts["output"] == ["2", "1"]
    assert page.texts["li"] == ["from 0: first", "from 3: second"]
    assert page.texts["p"][0] == "5 steps in 5:00."


def test_report_has_comparison_of_the_last_step_only(empty_run: RunFolder) -> None:
    emit = log_events(empty_run.path, ignore_events)
    emit(StepEvent(3, None, {"l1": 1.0}, elapsed_seconds=1.0))
    emit(ArtifactEvent("x", "comparison", {"step": 3, "text": "better in <b>"}))
    assert "Sample frames: better in <b>" in finish_report(empty_run).texts["p"]
    emit(StepEvent(4, None, {"l1": 1.0}, elapsed_seconds=2.0))
    assert "better in" not in finish_report(empty_run).text


def test_report_of_running_training_reloads_and_is_rarely_written(empty_run: RunFolder) -> None:
    with RunReport(empty_run, RunHistory(), ignore_events) as report:
        assert ReportPage(report.path).data["refresh"] == 15
        report.path.unlink()
        report.update()
        assert not report.path.exists()
    assert ReportPage(report.path).data["refresh"] is None


def test_report_that_cannot_be_written_is_a_warning(empty_run: RunFolder) -> None:
    (empty_run.path / "command.txt").unlink()
    events: list[Event] = []
    with RunReport(empty_run, RunHistory(), events.append) as report:
        report.update()
    assert [type(event) for event in events] == [WarningEvent, WarningEvent]


def test_report_is_finished_after_an_error(empty_run: RunFolder) -> None:
    with pytest.raises(KeyboardInterrupt), RunReport(empty_run, RunHistory(), ignore_events):
        raise KeyboardInterrupt
    assert ReportPage(empty_run.path / "report.html").data["refresh"] is None


def test_history_replaces_repeated_steps() -> None:
    history = RunHistory()
    emit = history.listen(ignore_events)
    for step, value in ((1, 1.0), (2, 2.0), (3, 3.0), (2, 7.0)):
        emit(StepEvent(step, None, {"l1": value}, elapsed_seconds=1.0))
    assert history.losses["l1"].points == [(1, 1.0), (2, 7.0)]
    assert history.num_steps == 2
