"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
from pathlib import Path

# Before torch is imported, and for every process that a test starts: test processes run side by side, and a second
# thread for networks as small as these only waits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from helpers.factories import make_film, tiny_config

from vid2vid_cli.engine.events import silent
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import TrainRequest, train

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real video; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("VID2VID_TEST_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the development data is not on this machine")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """The networks of the tests are so small that a second thread only waits; and sums keep their order."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 frames of a moving blob, 56 x 40, 29.97 per second, with sound."""
    return make_film(tmp_path_factory.mktemp("film") / "blob.mp4")


@pytest.fixture(scope="session")
def dataset(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`film`, prepared with the real `edges`; only to be read."""
    out = tmp_path_factory.mktemp("datasets") / "blob"
    return prepare(PrepareRequest((film,), ("edges",), out), silent).path


@pytest.fixture(scope="session")
def run_folder(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps on `dataset`; only to be read."""
    out = tmp_path_factory.mktemp("runs") / "blob"
    return train(TrainRequest(tiny_config(), "tiny", dataset, out, device="cpu"), silent).path
