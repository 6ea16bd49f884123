"""`evaluate`: the numbers are those of the metrics on the frames that were held out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers.factories import CPU, tiny_sampler

from vid2vid_cli.core.errors import DatasetMismatchError, MissingFileError
from vid2vid_cli.data.dataset import Span
from vid2vid_cli.data.manifest import read_manifest, write_manifest
from vid2vid_cli.engine.checkpoint import load_checkpoint
from vid2vid_cli.engine.events import Advanced, Event, silent
from vid2vid_cli.engine.inference import generate
from vid2vid_cli.metrics.image import psnr, ssim
from vid2vid_cli.metrics.temporal import warping_error
from vid2vid_cli.networks.flow_estimator import DisTeacher
from vid2vid_cli.pipelines.evaluate import EvaluateRequest, evaluate


def test_the_numbers_are_those_of_the_held_out_frames(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    out = tmp_path / "deep" / "e.json"
    request = EvaluateRequest(run_folder / "blob.ckpt", dataset, out, "cpu", precision="fp32")
    done = evaluate(request, events.append)
    generator, _ = load_checkpoint(run_folder / "blob.ckpt", CPU)
    clip = tiny_sampler(dataset).span(Span(0, 19, 24))
    images, real = torch.cat([o.image for o in generate(generator, clip.conditions, CPU)]), clip.frames[0]
    flow, confidence = (torch.cat([part[:1] * 0, part]) for part in DisTeacher()(real[:-1], real[1:]))
    expected = {
        "psnr": float(psnr(images, real).mean()),
        "ssim": float(ssim(images, real).mean()),
        "warping_error": float(warping_error(images, flow, confidence)),
        "warping_error_real": float(warping_error(real, flow, confidence)),
    }
    assert done.metrics == pytest.approx(expected, rel=1e-5)
    written = json.loads(out.read_text())
    assert {key: written[key] for key in expected} == pytest.approx(expected, rel=1e-5)
    assert (written["split"], written["frames"]) == ("holdout", 5)
    assert events == [Advanced("evaluate", 1, 1, "clips")]


def test_frames_to_learn_from_are_not_needed(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    only = shutil.copytree(dataset, tmp_path / "only")
    manifest = read_manifest(only)
    write_manifest(only, manifest.model_copy(update={"splits": manifest.splits.model_copy(update={"train": ()})}))
    request = EvaluateRequest(run_folder / "blob.ckpt", only, tmp_path / "e.json", "cpu")
    assert "psnr" in evaluate(request, silent).metrics


def test_it_lies_beside_the_checkpoint_and_a_run_stands_for_it(run_folder: Path, dataset: Path) -> None:
    done = evaluate(EvaluateRequest(run_folder, dataset, device="cpu", split="train"), silent)
    assert done.path == run_folder / "evaluation.json"
    assert json.loads(done.path.read_text())["frames"] == 19
    done.path.unlink()


def test_bad_input(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        evaluate(EvaluateRequest(tmp_path / "none.ckpt", dataset, device="cpu"), silent)
    with pytest.raises(MissingFileError):
        evaluate(EvaluateRequest(run_folder, tmp_path / "none", device="cpu"), silent)
    from helpers.fake_conditioners import Marks, film, picture

    from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare_with

    path = film(tmp_path / "m.mov", [picture(index) for index in range(6)])
    marks = prepare_with(PrepareRequest((path,), (), tmp_path / "marks"), [Marks()], silent).path
    with pytest.raises(DatasetMismatchError, match="needs edges"):
        evaluate(EvaluateRequest(run_folder, marks, device="cpu"), silent)
