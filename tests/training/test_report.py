"""`report.html`: it parses, its pictures are there, and its curves are the losses."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.factories import tiny_config

from vid2vid_cli.engine.event_log import journal
from vid2vid_cli.engine.events import Event, Stepped, Wrote, silent
from vid2vid_cli.engine.run_folder import RunFolder, RunRecord, create_run
from vid2vid_cli.training.report import POINTS, _thin, write_report


class Page(HTMLParser):
    """The tags of a page; fails where one is closed that is not open."""

    VOID = ("meta", "img", "input", "polyline", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> was never opened"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def test_of_a_real_run(run_folder: Path) -> None:
    page = Page((run_folder / "report.html").read_text(encoding="utf-8"))
    assert set(page.open) <= {"p"}
    captions = " ".join(page.texts["figcaption"])
    for name in ("adversarial", "pixel", "flow", "discriminator", "temporal_adversarial"):
        assert f"{name}: " in captions
    assert len(page.all("polyline")) == len(page.texts["figcaption"])
    samples = json.loads(re.search(r"SAMPLES = (.*?\]\]);", page.texts["script"][0])[1].replace("'", '"'))
    assert samples == [["samples/step_0000002.png", 2], ["samples/step_0000004.png", 4]]
    assert [page.all("img")[0]["src"]] == [samples[-1][0]]
    assert all((run_folder / path).is_file() for path, _ in samples)
    assert "4 steps in 0.0 minutes" in page.texts["p"][0]
    assert "dB PSNR" in page.texts["p"][0]
    assert any("frames_per_update: 2" in text for text in page.texts["pre"])
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "http" not in text


@pytest.fixture
def fresh(tmp_path: Path) -> RunFolder:
    run = create_run(tmp_path / "a<b>&", tiny_config(), RunRecord("d", "p", "fp32", "cpu"), "vid2vid train <x> & y")
    run.samples.mkdir()
    return run


def test_of_a_run_that_never_stepped(fresh: RunFolder) -> None:
    events: list[Event] = []
    path = write_report(fresh, events.append)
    assert events == [Wrote(str(path), "report")]
    page = Page(path.read_text())
    assert page.texts["h1"] == ["a<b>&"]
    assert page.texts["pre"][0] == "vid2vid train <x> & y\n"
    assert page.all("img") == page.all("polyline") == []


def test_curves_go_through_the_losses(fresh: RunFolder) -> None:
    tell = journal(fresh.path, silent)
    for step, value in ((1, 4.0), (2, float("nan")), (3, 0.0), (5, 2.0)):
        tell(Stepped(step, None, {"pixel": value, "flat": 1.0}, step * 60.0))
    tell(Wrote("x", "checkpoint", {"quality": float("inf")}))
    page = Page(write_report(fresh, silent).read_text())
    pixel, flat = (line["points"] for line in page.all("polyline"))
    # Steps 1 to 5 over a width of 300; from 95 below (the least) to 5 above (the most). What is NaN is left out.
    assert pixel == "0.0,5.0 150.0,95.0 300.0,50.0"
    assert flat == "0.0,95.0 75.0,95.0 150.0,95.0 300.0,95.0"
    assert page.texts["figcaption"] == ["pixel: 2", "flat: 1"]
    assert "5 steps in 5.0 minutes" in page.texts["p"][0]


def test_long_curves_are_thinned_to_means() -> None:
    points = [(float(index), float(index % 2)) for index in range(10 * POINTS)]
    thin = _thin(points)
    assert len(thin) == POINTS
    assert {y for _, y in thin} == {0.5}
    assert thin[0][0] == 4.5
    assert _thin(points[:5]) == points[:5]
