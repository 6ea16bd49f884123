"""The report of `evaluate`, and in headless Chromium its video, strips and tables."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.chromium import CHROMIUM, Page, open_page

from vid2vid_cli.core.errors import NoFramesError
from vid2vid_cli.data.dataset import FrameRange
from vid2vid_cli.data.manifest import read_manifest, write_manifest
from vid2vid_cli.engine.events import ArtifactEvent, Event
from vid2vid_cli.evaluation.measured import Measured, measured_frames
from vid2vid_cli.evaluation.recorder import ComparisonRecorder
from vid2vid_cli.evaluation.result import EvaluatedClip
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateModelsRequest, evaluate

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package: chromium)")


@pytest.fixture(scope="module")
def report_path(run_folder: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, with equal weights, on two clips of six frames."""
    folder = tmp_path_factory.mktemp("evaluation")
    clips_dataset = shutil.copytree(dataset, folder / "clips")
    manifest = read_manifest(clips_dataset)
    splits = manifest.splits.model_copy(update={"train": ((0, 0, 10),), "val": ((0, 10, 16), (0, 18, 24))})
    write_manifest(clips_dataset, manifest.model_copy(update={"splits": splits}))
    models = tuple(shutil.copy(run_folder / "blob.ckpt", folder / f"{name}.ckpt") for name in ("<a>", "b"))
    events: list[Event] = []
    request = EvaluateModelsRequest(models, clips_dataset, folder / "out", device="cpu", command="vid2vid evaluate")
    result = evaluate(request, events.append)
    assert [event.path for event in events if isinstance(event, ArtifactEvent)] == [str(result.report_path)]
    assert result.report_path is not None
    return result.report_path


def page_data(path: Path) -> dict[str, Any]:
    match = re.search(r'<script id="data" type="application/json">(.*?)</script>', path.read_text(), re.DOTALL)
    assert match is not None
    data: dict[str, Any] = json.loads(match[1])
    return data


def test_report_has_video_strips_and_tables(report_path: Path) -> None:
    video = page_data(report_path)["video"]
    assert [panel[0] for panel in video["panels"]] == ["real", "condition", "nearest", "<a>", "b"]
    assert video["frames"] == len(list(VideoReader(report_path.with_name("comparison.mp4")))) == 12
    assert [mark[0] for mark in video["marks"]] == [0, 6]
    strips = video["strips"]
    assert {strip["group"] for strip in strips} >= {"psnr", "ssim", "sharpness", "warping_error"}
    assert all(len(strip["values"]) == 12 and None not in strip["values"] for strip in strips)
    text = report_path.read_text()
    assert "&lt;a&gt;" in text
    assert "<a>" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles[:3] == ["Metrics", "Frames", "Models"]
    assert "Clips" in titles
    assert any(title.startswith("Worst frames of b: ") for title in titles)


@pytest.fixture(scope="module")
def page(report_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_page(report_path, tmp_path_factory.mktemp("profile")) as page:
        page.wait_for("document.getElementById('source').readyState >= 2")
        yield page
        assert page.problems == []
        assert all(url.startswith(("file://", "data:")) for url in page.requests)


@needs_chromium
def test_strips_and_tables_jump_to_the_frame(page: Page) -> None:
    page.press("Home")
    page.press("n")
    page.wait_for("document.getElementById('position').textContent.startsWith('frame 6 of 12')")
    assert "frames 18 to 23" in page.evaluate("mark.textContent")
    page.click(".strip canvas", 2.5 / 12)
    page.wait_for("document.getElementById('position').textContent.startsWith('frame 2 of 12')")
    assert page.evaluate("document.querySelectorAll('#panels canvas').length") == 5
    page.evaluate("[...document.querySelectorAll('button.jump')].at(-1).click()")
    frame = page.evaluate("[...document.querySelectorAll('button.jump')].at(-1).dataset.frame")
    page.wait_for(f"document.getElementById('position').textContent.startsWith('frame {frame} of 12')")


@needs_chromium
def test_strips_of_a_metric_have_one_scale(page: Page) -> None:
    texts = page.evaluate("[...document.querySelectorAll('.strip span')].map(span => span.textContent)")
    scales = [text.partition("(")[2] for text in texts if text.startswith("SSIM")]
    assert len(scales) == 2
    assert scales[0] == scales[1]


@needs_chromium
def test_page_is_not_wider_than_a_narrow_screen(page: Page) -> None:
    page.resize(360, 700)
    page.set_dark(True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.resize(1200, 900)


def test_recorder_marks_frames_without_a_value(tmp_path: Path) -> None:
    """A model that lacks a metric on one clip has no value there; the other model has all."""
    images = [np.zeros((16, 16, 3), np.uint8)] * 2
    full, empty = measured_frames({"eye_error": np.array([1.0, 2.0])}), Measured({})
    with ComparisonRecorder(tmp_path, Fraction(25), {"eye_error": "%"}) as recorder:
        for clip, second in (("000", empty), ("001", full)):
            evaluated = EvaluatedClip(clip, FrameRange(0, 4, 6), {"a": full, "b": second})
            recorder.add_clip(evaluated, {"real": images, "a": images}, ["a", "b"])
    strips = {strip.name: [value for _, value in strip.values.points] for strip in recorder.view().strips}
    assert strips["eye error: a"] == [1, 2, 1, 2]
    assert strips["eye error: b"] == pytest.approx([np.nan, np.nan, 1, 2], nan_ok=True)
    assert recorder.view().strips[0].unit == "%"
    assert recorder.frame_numbers["001", 5] == 3
    with pytest.raises(NoFramesError), ComparisonRecorder(tmp_path / "none", Fraction(25)):
        pass
