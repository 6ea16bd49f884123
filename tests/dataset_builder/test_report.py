"""The report of a dataset: gaps, coverage of poses and the preview."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.fake_conditioners import Brightness, Marks, mark_frame, write_png_video
from helpers.report_page import ReportPage

from vid2vid_cli.conditioning import View
from vid2vid_cli.core.errors import PluginError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.dataset_builder.pose_coverage import measure_coverage
from vid2vid_cli.engine.events import ArtifactEvent, Event, WarningEvent
from vid2vid_cli.media.probe import probe
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with_conditioners

MISSING = (10, 11, 12, 20)
NUM_FRAMES = 40


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [mark_frame(index, has_mark=index not in MISSING) for index in range(NUM_FRAMES)]
    return write_png_video(tmp_path_factory.mktemp("video") / "v.mov", frames)


def run_prepare(video: Path, out: Path, events: list[Event]) -> Path:
    request = PrepareRequest((video,), (), out, command="vid2vid prepare <x>")
    return prepare_with_conditioners(request, [Marks(), Brightness()], events.append).path


def test_report_of_a_dataset(video: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    folder = run_prepare(video, tmp_path / "data", events)
    assert events[-1] == ArtifactEvent(str(folder / "report.html"), "report")
    page = ReportPage(folder / "report.html")
    assert page.files == {"preview.mp4", "contact_sheet.png"}
    assert page.texts["h1"][0] == "data"
    data = page.data["video"]
    assert data["frames"] == NUM_FRAMES
    assert [name for name, *_ in data["panels"]] == ["video", "marks", "bright"]
    _, x, y, width, height = data["panels"][-1]
    preview = probe(folder / "preview.mp4")
    assert 0 <= preview.width - (x + width) <= 1
    assert y + height == preview.height
    quality = data["strips"][0]["values"]
    assert [index for index, value in enumerate(quality) if value is None] == list(MISSING)
    assert "Frames without a detection" in page.sections
    jumps = [int(str(button["data-frame"])) for button in page.find_all("button") if "data-frame" in button]
    assert jumps[:2] == [10, 20]
    assert "Where the footage is thin" in page.sections
    assert len(page.find_all("circle")) == NUM_FRAMES - len(MISSING)
    assert [frame for frame, _ in data["marks"]][:2] == [10, 20]
    assert page.texts["pre"] == ["vid2vid prepare <x>"]
    events.clear()
    run_prepare(video, tmp_path / "data", events)
    assert events[-1] == ArtifactEvent(str(folder / "report.html"), "report")


def test_coverage_finds_the_pose_that_is_shown_once(tmp_path: Path) -> None:
    """The brightness is 10 on most frames, and 200 on one."""
    frames = [np.full((32, 32, 3), 200 if index == 7 else 10, np.uint8) for index in range(60)]
    path = write_png_video(tmp_path / "v.mov", frames)
    request = PrepareRequest((path,), (), tmp_path / "data", split_shots=False)
    dataset = Dataset(prepare_with_conditioners(request, [Brightness()], lambda _: None).path)
    coverage = measure_coverage(dataset, [Brightness()], View.from_box((0, 0, 32, 32), 32, 32))
    assert coverage is not None
    assert coverage.frames[int(coverage.distances.argmax())] == (0, 7)
    assert np.sort(coverage.distances)[-2] == 0
    assert coverage.is_val.sum() == 12
    assert np.abs(coverage.positions[:, 0]).argmax() == 7


def test_report_that_cannot_be_made_is_a_warning(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PluginError("marks: describe returned None", "Report it.")

    monkeypatch.setattr(Marks, "describe", fail)
    events: list[Event] = []
    folder = run_prepare(video, tmp_path / "data", events)
    assert not (folder / "report.html").exists()
    assert any("describe returned None" in event.message for event in events if isinstance(event, WarningEvent))
