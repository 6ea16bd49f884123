"""Fixtures shared by all test packages."""

from __future__ import annotations

import os
from pathlib import Path

# Set before torch is imported, and for every process that a test starts: test processes run in parallel, and the
# networks are too small for a second thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test downloads weight files; those of the download use their own server.
os.environ["VID2VID_OFFLINE"] = "1"
# Nothing that one test measures has an effect on another one, or on the user's commands.
os.environ["VID2VID_CACHE_DIR"] = ""

import pytest
import torch
from helpers.factories import make_blob_video, tiny_config

from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import TrainRequest, train

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real video. Tests that need it are skipped if it does not exist."""
    folder = Path(os.environ.get("VID2VID_TEST_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the development data is not on this machine")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _single_thread() -> None:
    """One thread, because the networks are small, and because sums then have a fixed order."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def blob_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 frames of a moving blob, 56 x 40 pixels, 29.97 fps, with audio."""
    return make_blob_video(tmp_path_factory.mktemp("video") / "blob.mp4")


@pytest.fixture(scope="session")
def dataset(blob_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`blob_video`, prepared with the edges conditioner. Read-only."""
    out = tmp_path_factory.mktemp("datasets") / "blob"
    return prepare(PrepareRequest((blob_video,), ("edges",), out), ignore_events).path


@pytest.fixture(scope="session")
def run_folder(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps on `dataset`. Read-only."""
    out = tmp_path_factory.mktemp("runs") / "blob"
    return train(TrainRequest(tiny_config(), "tiny", dataset, out, device="cpu"), ignore_events).path
