"""What the recursion begins with in synthesis: nothing, a real frame, a picture, or what a frame-wise model draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.factories import COUNT, CPU, blob_frame, make_film, tiny_config, tiny_sampler

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError, MissingFileError, Vid2VidError
from vid2vid_cli.data.dataset import Dataset, Span
from vid2vid_cli.engine.checkpoint import load_checkpoint, load_info, save_checkpoint
from vid2vid_cli.engine.events import Event, Warned, silent
from vid2vid_cli.engine.inference import generate, held_out_quality, to_picture
from vid2vid_cli.engine.rollout import rollout
from vid2vid_cli.media.images import resize_to, save_png, view_image
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.frame_renderer import Rendered
from vid2vid_cli.rendering.initial_frame import choose_first, fitted

FRAME_WISE = {"generator": {"past": 0, "flow": False}, "temporal": {"rates": ()}}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trained(config: Config, dataset: Path, out: Path) -> Path:
    return train(TrainRequest(config, "tiny", dataset, out, steps=1, device="cpu"), silent).checkpoint


@pytest.fixture(scope="module")
def single(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frame-wise model of the same conditions and size."""
    return trained(tiny_config(**FRAME_WISE), dataset, tmp_path_factory.mktemp("single") / "single")


@pytest.fixture(scope="module")
def from_real(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned to go on from real frames."""
    config = tiny_config(schedule={"first": "real"})
    return trained(config, dataset, tmp_path_factory.mktemp("real") / "real")


def changed(checkpoint: Path, out: Path, **changes: Any) -> Path:
    """The same model, remembered differently."""
    generator, info = load_checkpoint(checkpoint, CPU)
    save_checkpoint(out, generator, info.model_copy(update=changes))
    return out


def run(checkpoint: Path, source: Path, tell: Callable[[Event], None] = silent, **changes: Any) -> Rendered:
    settings = {"device": "cpu", "precision": "fp32", "compare": False, "split": "holdout", **changes}
    return synthesize(SynthesizeRequest(checkpoint, source, **settings), tell)


def alike(path: Path, expected: list[np.ndarray]) -> bool:
    """Whether a video shows these pictures, as nearly as its codec keeps them."""
    found = list(VideoReader(path))
    return len(found) == len(expected) and all(
        np.abs(a.astype(int) - b).mean() < 6 for a, b in zip(found, expected, strict=True)
    )


def drawn(checkpoint: Path, conditions: torch.Tensor, begin: torch.Tensor | None) -> list[np.ndarray]:
    return [to_picture(o.image[0]) for o in generate(load_checkpoint(checkpoint, CPU)[0], conditions, CPU, begin)]


def test_what_is_begun_with_and_every_frame_is_written(run_folder: Path, dataset: Path, single: Path) -> None:
    checkpoint, clip = run_folder / "blob.ckpt", tiny_sampler(dataset).span(Span(0, 19, 24))
    by_single = next(rollout(load_checkpoint(single, CPU)[0], [clip.conditions[:, 0]])).image[:, None].detach()
    save_png(Path("frame.png"), to_picture(-clip.frames[0, 0]))
    begins = {
        "zeros": None,
        "real": clip.frames[:, :1],
        str(single): by_single,
        str(single.parent): by_single,
        "frame.png": -clip.frames[:, :1],
    }
    pictures = {first: drawn(checkpoint, clip.conditions, begin) for first, begin in begins.items()}
    assert np.abs(pictures["zeros"][0].astype(int) - pictures["frame.png"][0]).mean() > 6
    for first, expected in pictures.items():
        done = run(checkpoint, dataset, first=first)
        assert done.frames == 5
        assert alike(done.path, expected), first


def test_at_a_cut_it_begins_anew(run_folder: Path, dataset: Path, single: Path) -> None:
    """The training part and the held-out part are two clips: the second shows nothing of the first."""
    done = run(run_folder / "blob.ckpt", dataset, split="all", first=str(single))
    assert done.frames == COUNT
    alone = run(run_folder / "blob.ckpt", dataset, first=str(single))
    assert alike(alone.path, list(VideoReader(done.path))[19:])


def test_transfer_begins_with_it_too(run_folder: Path, single: Path) -> None:
    source = make_film(Path("other.mp4"), 6)
    made = [
        transfer(TransferRequest(source, run_folder, first=first, compare=False, device="cpu"), silent)
        for first in (None, str(single))
    ]
    assert [one.frames for one in made] == [6, 6]
    nothing, begun = (list(VideoReader(one.path)) for one in made)
    assert not all(np.array_equal(a, b) for a, b in zip(nothing, begun, strict=True))
    with pytest.raises(ConfigError, match="only a dataset has real frames"):
        transfer(TransferRequest(source, run_folder, first="real", device="cpu"), silent)


def test_as_it_was_trained_unless_told_otherwise(from_real: Path, run_folder: Path, dataset: Path) -> None:
    assert load_info(from_real).first == "real"
    assert load_info(run_folder / "blob.ckpt").first == "zeros"
    info = load_info(from_real)
    assert choose_first(None, info, from_real, real=True).kind == "real"
    told: list[Event] = []
    done = run(from_real, dataset, told.append, first="zeros")
    assert ["schedule.first=real" in e.message for e in told if isinstance(e, Warned)] == [True]
    clip = tiny_sampler(dataset).span(Span(0, 19, 24))
    assert alike(done.path, drawn(from_real, clip.conditions, None))
    told.clear()
    real = run(from_real, dataset, told.append)
    assert alike(real.path, drawn(from_real, clip.conditions, clip.frames[:, :1]))
    assert not any(isinstance(e, Warned) for e in told)
    assert choose_first(None, info, from_real, real=False).notices


def test_a_run_looks_at_its_held_out_frames_as_it_was_trained(from_real: Path, dataset: Path) -> None:
    generator, info = load_checkpoint(from_real, CPU)
    clip = tiny_sampler(dataset).span(Span(0, 19, 24))
    real, nothing = (
        held_out_quality(generate(generator, clip.conditions, CPU, begin), clip) for begin in (clip.frames[:, :1], None)
    )
    assert info.training["psnr_held_out"] == pytest.approx(real, abs=0.01)
    assert abs(real - nothing) > 0.05


def test_evaluate_measures_from_the_same_start(from_real: Path, dataset: Path, single: Path) -> None:
    found = {}
    for first in (None, "real", "zeros", str(single)):
        request = EvaluateRequest(from_real, dataset, Path("e.json"), "cpu", precision="fp32", first=first)
        found[first] = evaluate(request, silent).metrics["psnr"]
    assert found[None] == found["real"]
    assert len(set(found.values())) == 3


def test_the_plan_says_it(run_folder: Path, dataset: Path, single: Path) -> None:
    def rows(first: str | None) -> dict[str, str]:
        return dict(plan_synthesize(SynthesizeRequest(run_folder, dataset, first=first)).rows)

    assert rows(None)["begins with"] == "nothing"
    assert rows("real")["begins with"] == "the first real frame"
    assert rows(str(single))["begins with"] == f"what {single} draws"


def refusal(first: str, checkpoint: Path, dataset: Path) -> Vid2VidError:
    with pytest.raises(Vid2VidError) as caught:
        run(checkpoint, dataset, first=first)
    return caught.value


def test_what_does_not_fit_is_said(run_folder: Path, dataset: Path, single: Path, tmp_path: Path) -> None:
    checkpoint = run_folder / "blob.ckpt"
    (use,) = load_info(single).conditioners
    other = changed(single, tmp_path / "o.ckpt", conditioners=(use.model_copy(update={"name": "pose"}),))
    error = refusal(str(other), checkpoint, dataset)
    assert isinstance(error, DatasetMismatchError)
    assert "draws from pose (1 channels), and" in error.message
    assert "--set model=pix2pixhd --data datasets/blob" in error.hint
    view = {**load_info(single).view, "height": 48, "width": 48}
    assert "48x48, and" in refusal(str(changed(single, tmp_path / "s.ckpt", view=view)), checkpoint, dataset).message
    assert "sees frames before" in refusal(str(checkpoint), checkpoint, dataset).message
    assert isinstance(refusal("none.png", checkpoint, dataset), MissingFileError)
    Path("text.txt").write_text("no picture")
    assert "neither a picture nor a .ckpt" in refusal("text.txt", checkpoint, dataset).message
    assert "draws each frame alone" in refusal("real", single, dataset).message
    assert run(single, dataset).frames == 5


def test_other_options_and_another_part_of_the_frames_are_warned_of(
    run_folder: Path, dataset: Path, single: Path, tmp_path: Path
) -> None:
    info = load_info(single)
    (use,) = info.conditioners
    view = {**info.view, "matrix": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]}
    odd = changed(
        single, tmp_path / "o.ckpt", conditioners=(use.model_copy(update={"options": {"sigma": 9.0}}),), view=view
    )
    notices = choose_first(str(odd), load_info(run_folder / "blob.ckpt"), run_folder, real=True).notices
    assert len(notices) == 2
    assert "other options of edges" in notices[0]


def test_a_picture_is_fitted_to_the_view(run_folder: Path, dataset: Path) -> None:
    """As it is in the model's size; through the model's view where it is shaped like the frames; else its middle."""
    info = load_info(run_folder / "blob.ckpt")
    frame = Dataset(dataset).frame(0, 3)
    seen = view_image(frame, info.frame_view())
    assert np.array_equal(fitted(seen, info), seen)
    twice = resize_to(frame, frame.shape[0] * 2, frame.shape[1] * 2)
    assert np.abs(fitted(twice, info).astype(int) - seen).mean() < 3
    tall = blob_frame(4, 60, 30)
    assert fitted(tall, info).shape == (24, 24, 3)
    assert np.abs(fitted(tall, info).astype(int) - resize_to(tall[15:45], 24, 24)).mean() < 3
