"""`vid2vid ui` in headless Chromium: prepare, train and transfer by clicks; the page with the keyboard and narrow."""

from __future__ import annotations

import functools
import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.chromium import CHROMIUM, Page, open_page

from vid2vid_cli.core.python_process import module_command
from vid2vid_cli.local_http.page_server import bind_server
from vid2vid_cli.ui.page_handler import UiHandler
from vid2vid_cli.ui.state import MAX_VIEWERS, UiState

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package: chromium)")
SMALL_MODEL = "--set data.height=32 --set generator.base_channels=8 --set schedule.clip_length=2"
STATES = "JSON.stringify([...document.querySelectorAll('#jobs .state')].map(state => state.textContent))"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, blob_video: Path) -> Path:
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(blob_video, folder / "blob.mp4")
    return folder


@pytest.fixture(scope="module")
def url(project: Path) -> Iterator[str]:
    """The address that the command prints; Ctrl-C ends it."""
    process = subprocess.Popen(
        module_command("vid2vid_cli", "ui", "--no-open", "--json", str(project)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    message = json.loads(process.stdout.readline())["message"]
    yield next(word for word in message.split() if word.startswith("http"))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(output.splitlines()[-1])["event"] == "result"


@pytest.fixture(scope="module")
def page(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_page(url, tmp_path_factory.mktemp("profile"), width=1300, height=1000) as page:
        page.wait_for("document.querySelector('#prepare-videos')?.value === 'blob.mp4'")
        yield page
        assert page.problems == []
        assert all(url.startswith(("http://127.0.0.1:", "data:")) for url in page.requests)


def type_text(page: Page, selector: str, text: str) -> None:
    page.evaluate(f"document.querySelector('{selector}').closest('details').open = true")
    page.click(selector)
    page.call("Input.insertText", text=text)


def start(page: Page, number: int) -> None:
    """Click on Start, and wait until the command has ended well."""
    page.click("form .primary")
    page.wait_for(f"document.querySelector('#jobs [data-key=\"{number}\"]') !== null")
    end = time.monotonic() + 120
    while (states := json.loads(page.evaluate(STATES)))[0] not in ("done", "failed"):
        assert time.monotonic() < end, page.evaluate("document.querySelector('#jobs').innerText")
        time.sleep(0.1)
    assert states == ["done"] * number, page.evaluate("document.querySelector('#jobs').innerText")


def shown_command(page: Page) -> str:
    return str(page.evaluate("document.querySelector('#form-panel .command code')?.textContent"))


def test_prepare_train_transfer_by_clicks(page: Page, project: Path) -> None:
    page.click("#prepare-conditioners-edges")
    page.wait_for("document.querySelector('#form-panel .command code')?.textContent.includes('--conditioner edges')")
    assert shown_command(page) == "vid2vid prepare --conditioner edges blob.mp4"
    start(page, 1)
    assert (project / "datasets" / "blob" / "dataset.json").is_file()

    page.click("#jobs [data-part=next]")
    page.wait_for("document.querySelector('#train-data')?.value === 'datasets/blob'")
    page.evaluate("document.querySelector('#train-preset').value = 'tiny'")
    type_text(page, "#train-max_steps", "2")
    type_text(page, "#train-extra", SMALL_MODEL)
    page.wait_for("document.querySelector('#form-panel .command code')?.textContent.includes('clip_length')")
    assert shown_command(page) == f"vid2vid train --data datasets/blob --preset tiny --steps 2 {SMALL_MODEL}"
    start(page, 2)
    page.wait_for("document.querySelector('#runs .picture img')?.naturalWidth > 0")
    assert "step 2 of 2" in page.evaluate("document.querySelector('#runs').innerText")

    page.click("#jobs [data-part=next]")
    page.wait_for("document.querySelector('#transfer-targets')?.value === 'runs/blob'")
    type_text(page, "#transfer-max_frames", "6")
    page.wait_for("document.querySelector('#form-panel .command code')?.textContent.includes('--max-frames')")
    assert shown_command(page) == "vid2vid transfer --target runs/blob --max-frames 6 blob.mp4"
    start(page, 3)
    page.wait_for("document.querySelector('#player video') !== null")
    page.wait_for("document.querySelector('#player video')?.readyState >= 2")
    page.evaluate("document.querySelector('#player video').currentTime = 0.1")
    page.wait_for("!document.querySelector('#player video').seeking")
    assert page.evaluate("document.querySelector('#player video').currentTime") == pytest.approx(0.1)
    assert page.evaluate("document.querySelectorAll('#results li').length") == 2


def test_report_opens_from_the_page_and_cannot_use_it(page: Page) -> None:
    """Needs the run of the test before. The scripts of the report run, and requests to the page are refused."""
    page.wait_for("document.querySelector('#runs [data-part=report]')?.href")
    report_url = page.evaluate("document.querySelector('#runs [data-part=report]')?.href")
    page_url = page.evaluate("location.href")
    page.call("Page.navigate", url=report_url)
    page.wait_for("document.readyState === 'complete' && document.querySelector('#panels canvas') !== null")
    assert page.evaluate("origin") == "null"
    page.wait_for("document.getElementById('source')?.readyState >= 2")
    assert page.evaluate(f"fetch({json.dumps(page_url)}).then(() => 'answered', () => 'refused')") == "refused"
    page.problems.clear()  # of the refused request
    page.call("Page.navigate", url=page_url)
    page.wait_for("document.querySelector('#runs li') !== null")


def test_tabs_with_the_keyboard_and_errors_at_the_field(page: Page) -> None:
    page.evaluate("document.querySelector('#tab-prepare').focus()")
    page.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-train"
    assert page.evaluate("document.querySelector('#train-data') !== null")
    page.press("ArrowLeft")
    type_text(page, "#prepare-end", "noon")
    page.evaluate("document.querySelector('#prepare-conditioners-edges').checked = true")
    page.evaluate("document.querySelector('form .primary').click()")
    page.wait_for("document.querySelector('[role=alert]')?.textContent.includes('noon')")
    assert page.evaluate("document.activeElement.id") == "prepare-end"
    page.problems.clear()  # the browser logs the status 400


def test_upload_stores_and_selects_a_video(page: Page, project: Path, tmp_path: Path) -> None:
    source = tmp_path / "added clip.mp4"
    source.write_bytes((project / "blob.mp4").read_bytes())
    page.evaluate("document.querySelector('#tab-prepare').click()")
    node = page.call("Runtime.evaluate", expression="document.querySelector('.upload input')")["result"]["objectId"]
    page.call("DOM.setFileInputFiles", files=[str(source)], objectId=node)
    page.wait_for("document.querySelector('#prepare-videos')?.value === 'added clip.mp4'")
    assert (project / source.name).read_bytes() == source.read_bytes()


def test_dataset_preview_plays(page: Page) -> None:
    page.click("#datasets [data-part=play]")
    page.wait_for("document.querySelector('#player p')?.textContent === 'datasets/blob/preview.mp4'")
    page.wait_for("document.querySelector('#player video').currentTime > 0")


def test_narrow_and_dark_page(page: Page) -> None:
    page.resize(360, 700)
    page.set_dark(True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 27)"
    page.resize(1300, 1000)


def test_page_beyond_the_limit_connects_as_soon_as_another_is_closed(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    state = UiState(tmp_path / "project")
    server = bind_server(functools.partial(UiHandler, state), "127.0.0.1", None, default_port=0, token=None)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    for _ in range(MAX_VIEWERS):
        state.viewers.acquire()
    with open_page(server.url, tmp_path / "profile") as page:
        page.wait_for("document.querySelector('#connection').textContent.includes('Trying again')")
        (tmp_path / "project" / "new.mp4").touch()
        state.viewers.release()
        page.wait_for("document.querySelector('#prepare-videos')?.value === 'new.mp4'")
        assert page.evaluate("document.querySelector('#connection').textContent") == ""
    state.close()
    server.shutdown()
    server.server_close()
