"""`transfer` with backgrounds, alpha and the full size of the source, on drawn heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import tiny_config
from helpers.video_files import write_video

from vid2vid_cli.core.errors import ConfigError, Vid2VidError
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.media.images import load_png
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.synthetic import synthetic_clip, synthetic_face
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.pipelines.transfer_plan import plan_transfer
from vid2vid_cli.requests.background import BackgroundOptions

pytest.importorskip("mediapipe")
SIZE = 600


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a drawn head."""
    folder = tmp_path_factory.mktemp("face")
    video = write_video(folder / "head.mov", synthetic_clip(8), 25, codec="png", pixel_format="rgb24")
    dataset = prepare(PrepareRequest((video,), ("landmarks",), folder / "head"), ignore_events).path
    config = tiny_config().with_settings({"conditioners": ("landmarks",), "schedule.max_steps": 1})
    return train(TrainRequest(config, "tiny", dataset, folder / "run", device="cpu"), ignore_events).path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames of a head on a larger, textured picture."""
    noise = np.random.default_rng(0).integers(-20, 20, (SIZE, SIZE + 40, 1))
    frames = [
        np.clip(synthetic_face(SIZE, SIZE + 40, x=300.0 + 4 * i) + noise, 0, 255).astype(np.uint8) for i in range(3)
    ]
    path = tmp_path_factory.mktemp("source") / "s.mov"
    return write_video(path, frames, 25, codec="png", pixel_format="rgb24")


@pytest.fixture(autouse=True)
def _working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def request(source: Path, target: Path, out: str | None, **options: Any) -> TransferRequest:
    background = BackgroundOptions(
        options.pop("background", None), options.pop("keep_size", False), options.pop("match_colours", True)
    )
    settings = {"device": "cpu", "precision": "fp32", "compare": False, **options}
    return TransferRequest(
        source, target, None if out is None else Path(out), background_options=background, **settings
    )


def run(*arguments: Any, **options: Any) -> Path:
    return transfer(request(*arguments, **options), ignore_events).path


def read(path: Path) -> list[UInt8Array]:
    return list(VideoReader(path))


def test_transfer_keep_size_changes_the_face_only(source: Path, target: Path) -> None:
    frames = read(run(source, target, "out.mkv", keep_size=True))
    originals = read(source)
    assert len(frames) == len(originals)
    for index, (frame, original) in enumerate(zip(frames, originals, strict=True)):
        assert frame.shape == original.shape
        changed = (frame != original).any(axis=2)
        rows, columns = np.nonzero(changed)
        assert 0.02 < changed.mean() < 0.25
        centre = 300 + 4 * index
        assert abs(columns.mean() - centre) < 15, "the face lies on that of the source"
        assert columns.min() > centre - 0.3 * SIZE
        assert rows.max() < 0.9 * SIZE


def test_transfer_pastes_on_the_cropped_source(source: Path, target: Path) -> None:
    plain, pasted = (read(run(source, target, f"{name}.mkv", background=name)) for name in ("target", "source"))
    unmatched = read(run(source, target, "u.mkv", background="source", match_colours=False))
    assert plain[0].shape == pasted[0].shape == (24, 24, 3)
    assert not np.array_equal(plain[1], pasted[1])
    assert not np.array_equal(unmatched[1], pasted[1])
    corner = pasted[0][:2, :2].astype(float).mean(axis=(0, 1))
    assert np.abs(corner - read(source)[0][:40, :40].mean(axis=(0, 1))).max() < 12


def test_transfer_alpha_is_exact_in_images(source: Path, target: Path) -> None:
    green = read(run(source, target, "g.mkv", background="#00ff00"))
    plain = read(run(source, target, "p.mkv"))
    for name, dtype in (("png", np.uint8), ("png16", np.uint16)):
        folder = run(source, target, name, background="alpha", format=name)
        image = load_png(folder / "000001.png")
        assert (image.shape, image.dtype) == ((24, 24, 4), dtype)
        share = image[:, :, 3:] / np.iinfo(dtype).max
        assert {0.0, 1.0} <= set(np.unique(share).tolist())
        rgb = image[:, :, :3] / np.iinfo(dtype).max * 255
        assert np.abs(rgb - plain[1]).max() <= 0.5
        expected = rgb * share + np.array([0, 255, 0]) * (1 - share)
        assert np.abs(green[1] - expected).max() <= 1


def test_transfer_alpha_defaults_to_prores(source: Path, target: Path) -> None:
    plan = dict(plan_transfer(request(source, target, None, background="alpha")).rows)
    path = run(source, target, None, background="alpha")
    assert str(path) == plan["video"]
    assert (path.suffix, probe(path).codec) == (".mov", "prores")


@pytest.mark.parametrize(
    "options",
    [
        {"background": "alpha", "out": "a.mp4"},
        {"background": "alpha", "out": "a.gif"},
        {"background": "alpha", "format": "mp4"},
        {"background": "target", "keep_size": True},
        {"background": "#12345"},
        {"background": "missing.png"},
        {"format": "mov", "out": "a.mkv"},
        {"format": "png", "out": "a.mkv"},
        {"out": "a.avi"},
    ],
)
def test_transfer_and_its_plan_reject_the_same(source: Path, target: Path, options: dict[str, Any]) -> None:
    options = dict(options)
    transfer_request = request(source, target, options.pop("out", None), **options)
    with pytest.raises(Vid2VidError) as planned:
        plan_transfer(transfer_request)
    with pytest.raises(type(planned.value)) as caught:
        transfer(transfer_request, ignore_events)
    assert caught.value.message == planned.value.message
    assert not list(Path.cwd().iterdir())


def test_transfer_background_needs_a_subject(blob_video: Path, run_folder: Path) -> None:
    with pytest.raises(ConfigError, match="edges"):
        transfer(request(blob_video, run_folder, None, background="alpha"), ignore_events)
