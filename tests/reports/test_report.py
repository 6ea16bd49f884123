"""`report.html`: valid HTML that refers to nothing outside its folder."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from helpers.report_page import ReportPage

from vid2vid_cli.core.errors import PermissionDeniedError
from vid2vid_cli.reports.plots import Curve, Phase
from vid2vid_cli.reports.report import (
    MAX_STRIP_VALUES,
    Mark,
    Panel,
    Picture,
    Report,
    Setting,
    Strip,
    Table,
    VideoView,
    frame_values,
    write_report,
)


def test_empty_report_has_no_sections(tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", Report(command_name="train", title="a<b>&"))
    page = ReportPage(tmp_path / "report.html")
    assert page.texts["h1"][0] == "a<b>&"
    assert page.sections == []
    assert page.files == set()
    assert page.data["video"] is page.data["refresh"] is None


def test_full_report_escapes_texts_and_needs_no_network(tmp_path: Path) -> None:
    values = frame_values("higher")
    for index, value in enumerate((1.0, math.nan, 0.123456)):
        values.add(index, value)
    text = "</script><b>"
    report = Report(
        command_name="transfer",
        title=text,
        summary=[text],
        facts=[(text, text)],
        warnings=[text, "second", text],
        video=VideoView(
            "v.mp4", 25.0, 3, [Panel(text, 0, 24, 8, 8)], strips=[Strip(text, values)], marks=[Mark(1, text)], note=text
        ),
        samples=[Picture("a.png", text), Picture("b.png", text)],
        curves=[Curve(text, [(1, 1.0), (2, 2.0)], unit="dB")],
        phases=[Phase(0, text), Phase(2, text)],
        tables=[Table(text, [text, "n"], [[text, "1"]], frames=[2])],
        pictures=[Picture("c.png", text)],
        settings=[Setting("data.height", text, "--set"), Setting("model", "x", "default")],
        environment={"gpu": None},
        command=text,
        refresh_seconds=30,
    )
    write_report(tmp_path / "report.html", report)
    page = ReportPage(tmp_path / "report.html")
    assert page.find_all("b") == []
    assert page.files == {"v.mp4", "a.png", "b.png", "c.png"}
    assert "http" not in page.text.replace("http://www.w3.org/2000/svg", "")
    assert page.texts["li"].count(text) == 1
    assert page.data["video"]["strips"][0]["values"] == [1.0, None, 0.1235]
    assert page.data["refresh"] == 30
    assert [attributes.get("class") for attributes in page.find_all("tr")].count("changed") == 1
    assert page.find_all("button")[-1]["data-frame"] == "2"


def test_strip_of_a_long_video_stays_small() -> None:
    values = frame_values("lower")
    for index in range(100_000):
        values.add(index, float(index == 54_321))
    assert len(values.points) <= MAX_STRIP_VALUES
    assert [index * values.block_size <= 54_321 for index, (_, y) in enumerate(values.points) if y] == [True]


def test_write_report_to_missing_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionDeniedError):
        write_report(tmp_path / "report.html", Report(command_name="train", title="x"))
