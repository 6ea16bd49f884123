"""The script of the report in headless Chromium, opened from a file."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.chromium import CHROMIUM, Page, open_page

from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.reports.comparison_video import compose_panels, panels_of
from vid2vid_cli.reports.plots import Curve
from vid2vid_cli.reports.report import Mark, Picture, Report, Setting, Strip, VideoView, frame_values, write_report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package: chromium)")
NUM_FRAMES, FPS = 40, Fraction(30000, 1001)
GREY = "document.querySelector('#panels canvas').getContext('2d').getImageData({x}, 180, 1, 1).data[0]"


def grey_level(frame: int) -> int:
    return 30 + 5 * frame


@pytest.fixture(scope="module")
def report_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    quality = frame_values("higher")
    with VideoWriter(folder / "v.mp4", FPS) as writer:
        for index in range(NUM_FRAMES):
            images = {
                "source": np.full((32, 48, 3), grey_level(index), np.uint8),
                "result": np.full((32, 32, 3), 255 - grey_level(index), np.uint8),
            }
            writer.write(compose_panels(images, 32))
            quality.add(index, float("nan") if index == 20 else index / NUM_FRAMES)
    report = Report(
        command_name="transfer",
        title="test",
        video=VideoView(
            "v.mp4",
            float(FPS),
            NUM_FRAMES,
            panels_of(images, 32),
            strips=[Strip("quality", quality)],
            marks=[Mark(20, "no detection")],
        ),
        samples=[Picture("v.mp4", "step 1"), Picture("v.mp4", "step 2")],
        curves=[Curve("l1", [(0, 1.0), (10, 3.0)])],
        settings=[Setting("data.height", "64", "--set"), Setting("model", "x", "default")],
    )
    write_report(folder / "report.html", report)
    return folder / "report.html"


@pytest.fixture(scope="module")
def page(report_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_page(report_path, tmp_path_factory.mktemp("profile")) as page:
        page.wait_for("document.getElementById('source').readyState >= 2")
        yield page
        assert page.problems == []
        assert all(url.startswith(("file://", "data:")) for url in page.requests)


def check_frame(page: Page, frame: int) -> None:
    """Position and pixels are those of a frame; decoded grey levels differ by a few levels."""
    page.wait_for(f"document.getElementById('position').textContent.startsWith('frame {frame} of 40')")
    page.wait_for(f"Math.abs({GREY.format(x=100)} - {grey_level(frame)}) <= 2")


def test_keys_and_scrubber_show_the_exact_frame(page: Page) -> None:
    page.press("Home")
    check_frame(page, 0)
    page.press("ArrowRight")
    page.press("ArrowRight", shift=True)
    check_frame(page, 11)
    page.press("ArrowLeft")
    check_frame(page, 10)
    page.press("End")
    check_frame(page, 39)
    page.evaluate("frame.value = 17, frame.dispatchEvent(new Event('input'))")
    check_frame(page, 17)
    assert page.evaluate("document.querySelectorAll('#panels canvas').length") == 2


def test_click_on_strip_and_marks_jump(page: Page) -> None:
    page.click(".strip canvas", 0.5 / NUM_FRAMES)
    check_frame(page, 0)
    page.press("n")
    check_frame(page, 20)
    assert page.evaluate("mark.textContent") == "no detection"
    assert "none" in page.evaluate("document.querySelector('.strip span').textContent")
    page.click(".strip canvas", 30.5 / NUM_FRAMES)
    check_frame(page, 30)


def test_wipe_shows_both_panels_of_the_same_frame(page: Page) -> None:
    page.press("Home")
    page.press("w")
    page.click("#panels canvas", 0.25)
    page.wait_for(f"Math.abs({GREY.format(x=10)} - {grey_level(0)}) <= 2")
    assert page.evaluate(f"Math.abs({GREY.format(x=200)} - {255 - grey_level(0)}) <= 2")
    page.press("w")


def test_video_plays_to_its_end(page: Page) -> None:
    page.press("Home")
    page.press(" ")
    page.wait_for("document.getElementById('source').ended")
    check_frame(page, 39)


def test_filter_samples_and_curve(page: Page) -> None:
    page.evaluate("changed.click()")
    visible = "[...document.querySelectorAll('#settings tbody tr')].filter(row => !row.hidden).length"
    assert page.evaluate(visible) == 1
    page.evaluate("sample.value = 0, sample.dispatchEvent(new Event('input'))")
    assert page.evaluate("document.getElementById('sample-label').textContent") == "step 1"
    page.evaluate(
        "(() => { const svg = document.querySelector('svg.plot'), box = svg.getBoundingClientRect();"
        "svg.dispatchEvent(new PointerEvent('pointermove', {clientX: box.right, clientY: box.top})); })()"
    )
    assert page.evaluate("document.querySelector('#curves output').textContent") == "3.000 at step 10"


def test_narrow_and_dark_pages(page: Page) -> None:
    page.resize(360, 700)
    page.set_dark(True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 27)"
    page.resize(1200, 900)
