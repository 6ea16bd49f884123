"""`report.html`: valid HTML, existing images, and loss curves."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.factories import tiny_config

from vid2vid_cli.engine.event_log import log_events
from vid2vid_cli.engine.events import ArtifactEvent, Event, StepEvent, WarningEvent, ignore_events
from vid2vid_cli.engine.run_folder import RunFolder, RunRecord, create_run
from vid2vid_cli.training.report import MAX_CURVE_POINTS, _downsample_points, write_report


class ReportPage(HTMLParser):
    """The elements of a page; parsing fails at a closing tag without an opening tag."""

    VOID_TAGS = ("meta", "img", "input", "polyline", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open_tags: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts_by_tag: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID_TAGS:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags, f"</{tag}> without an opening tag"
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open_tags:
            self.texts_by_tag.setdefault(self.open_tags[-1], []).append(data)

    def find_all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_write_report_of_trained_run(run_folder: Path) -> None:
    page = ReportPage((run_folder / "report.html").read_text(encoding="utf-8"))
    assert set(page.open_tags) <= {"p"}
    captions = " ".join(page.texts_by_tag["figcaption"])
    for name in ("adversarial", "l1", "flow", "image_discriminator", "temporal_adversarial"):
        assert f"{name}: " in captions
    assert len(page.find_all("polyline")) == len(page.texts_by_tag["figcaption"])
    samples = json.loads(re.search(r"SAMPLES = (.*?\]\]);", page.texts_by_tag["script"][0])[1].replace("'", '"'))
    assert samples == [["samples/step_0000002.png", 2], ["samples/step_0000004.png", 4]]
    assert [page.find_all("img")[0]["src"]] == [samples[-1][0]]
    assert all((run_folder / path).is_file() for path, _ in samples)
    assert re.match(r"4 steps in \d+\.\d minutes", page.texts_by_tag["p"][0])
    assert "dB PSNR" in page.texts_by_tag["p"][0]
    assert any("frames_per_update: 2" in text for text in page.texts_by_tag["pre"])
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "http" not in text


@pytest.fixture
def empty_run(tmp_path: Path) -> RunFolder:
    record = RunRecord(dataset="d", preset="p", precision="fp32", device="cpu")
    run = create_run(tmp_path / "a<b>&", tiny_config(), record, "vid2vid train <x> & y")
    run.samples.mkdir()
    return run


def test_write_report_lists_each_warning_once(empty_run: RunFolder) -> None:
    emit = log_events(empty_run.path, ignore_events)
    for message in ("first <b>", "second", "first <b>"):
        emit(WarningEvent(message))
    page = ReportPage(write_report(empty_run, emit).read_text(encoding="utf-8"))
    assert page.texts_by_tag["li"] == ["first <b>", "second"]


def test_write_report_of_run_without_steps(empty_run: RunFolder) -> None:
    events: list[Event] = []
    path = write_report(empty_run, events.append)
    assert events == [ArtifactEvent(str(path), "report")]
    page = ReportPage(path.read_text())
    assert page.texts_by_tag["h1"] == ["a<b>&"]
    assert page.texts_by_tag["pre"][0] == "vid2vid train <x> & y\n"
    assert page.find_all("img") == page.find_all("polyline") == []


def test_write_report_plots_losses(empty_run: RunFolder) -> None:
    emit = log_events(empty_run.path, ignore_events)
    for step, value in ((1, 4.0), (2, float("nan")), (3, 0.0), (5, 2.0)):
        emit(StepEvent(step, None, {"l1": value, "flat": 1.0}, elapsed_seconds=step * 60.0))
    emit(ArtifactEvent("x", "quality", {"quality": float("inf")}))
    page = ReportPage(write_report(empty_run, ignore_events).read_text())
    l1_points, flat_points = (line["points"] for line in page.find_all("polyline"))
    # x: steps 1 to 5 over a width of 300; y: from 95 (minimum) to 5 (maximum). NaN is left out.
    assert l1_points == "0.0,5.0 150.0,95.0 300.0,50.0"
    assert flat_points == "0.0,95.0 75.0,95.0 150.0,95.0 300.0,95.0"
    assert page.texts_by_tag["figcaption"] == ["l1: 2", "flat: 1"]
    assert "5 steps in 5.0 minutes" in page.texts_by_tag["p"][0]


def test_write_report_has_comparison_of_the_last_step_only(empty_run: RunFolder) -> None:
    emit = log_events(empty_run.path, ignore_events)
    emit(StepEvent(3, None, {"l1": 1.0}, elapsed_seconds=1.0))
    emit(ArtifactEvent("x", "comparison", {"step": 3, "text": "better in <b>"}))
    page = ReportPage(write_report(empty_run, ignore_events).read_text())
    assert "Sample frames: better in <b>" in page.texts_by_tag["p"]
    emit(StepEvent(4, None, {"l1": 1.0}, elapsed_seconds=2.0))
    assert "better in" not in write_report(empty_run, ignore_events).read_text()


def test_downsample_points_averages() -> None:
    points = [(float(index), float(index % 2)) for index in range(10 * MAX_CURVE_POINTS)]
    downsampled = _downsample_points(points)
    assert len(downsampled) == MAX_CURVE_POINTS
    assert {y for _, y in downsampled} == {0.5}
    assert downsampled[0][0] == 4.5
    assert _downsample_points(points[:5]) == points[:5]
