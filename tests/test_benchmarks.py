"""The benchmarks at toy scale: that they run and say what they should. No speed is asserted here."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from benchmarks import data, memory, prepare, quality, response, run, synthesis, training
from benchmarks.inputs import Case, Material, gather, looped, surroundings
from benchmarks.peak import peak_of
from benchmarks.tables import surroundings_line
from vid2vid_cli.core.errors import MissingFileError
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.synthetic import drawn_clip
from vid2vid_cli.media.writer import VideoWriter

TOY = (
    "generator.width=4",
    "generator.blocks=2",
    "generator.downsamples=1",
    "discriminator.width=4",
    "temporal.width=4",
    "schedule.clip=3",
)
CASE = Case("tiny", 32, TOY)


def say(line: str) -> None:
    assert line


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("benchmarks")
    with VideoWriter(folder / "clip.mp4", Fraction(25)) as writer:
        for frame in drawn_clip(20, 64, 80):
            writer.write(frame)
    return gather(folder, folder / "clip.mp4", conditioner="edges")


def rows(text: str) -> dict[str, list[str]]:
    """The tables of a text, by the first cell of each row."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return {row[0]: row[1:] for row in cells}


def test_a_clip_is_looped_back_and_forth(material: Material, tmp_path: Path) -> None:
    assert sum(1 for _ in VideoReader(looped(material.video, 50, tmp_path / "long.mp4"))) == 50
    assert sum(1 for _ in VideoReader(looped(material.video, 7, tmp_path / "short.mp4"))) == 7


def test_synthesis(material: Material) -> None:
    found = synthesis.measure(material, say, synthesis.SynthesisPlan((CASE,), frames=5, rounds=2))
    rates = found["frames_per_second"][CASE.name]
    assert set(synthesis.STAGES) | set(synthesis.WHOLE) <= set(rates)
    assert all(len(values) == 2 and min(values) > 0 for values in rates.values())
    assert rates["decode"] > rates["result alone, all in"]
    assert set(rows(synthesis.show(found))) >= {CASE.name, *synthesis.STAGES}


def test_data(material: Material) -> None:
    cases = (CASE, Case("street_256", 32, (*TOY, "data.aspect=2.0", "discriminator.layers=1", "temporal.layers=1")))
    found = data.measure(material, say, data.DataPlan(cases, seconds=0.0, street=(48, 96)))
    plain, labels = found["cases"].values()
    assert (plain["channels"], labels["channels"], labels["picture"]) == (1, 34, [32, 64])
    assert labels["megabytes"] == pytest.approx(3 * 32 * 64 * (34 + 3 * 4) / 1e6)  # a byte for each class
    assert [*rows(data.show(found))][2:] == [
        "tiny, 32²: 3 frames of 32x32, 1 channels",
        "street_256, 32²: 3 frames of 64x32, 34 channels",
    ]


def test_training(material: Material) -> None:
    found = training.measure(material, say, training.TrainingPlan((CASE,), rounds=2, block_seconds=0.0))
    case = found["cases"][CASE.name]
    assert {len(values) for values in case["steps_per_second"].values()} == {2}
    assert case["gain"] == case["median"]["bf16"] / case["median"]["fp32"]
    assert rows(training.show(found))[CASE.name][3] == "3"


def test_quality(material: Material) -> None:
    """At 32 pixels, two scales down to 16."""
    found = quality.measure(material, say, quality.QualityPlan(CASE, minutes=0.01))
    models: dict[str, Any] = found["models"]
    assert list(models) == ["vid2vid", "vid2vid, frame-wise", "pix2pixhd", "pix2pix"]
    assert all(one["steps"] >= 2 and one["metrics"]["psnr"] > 0 for one in models.values())
    shown = rows(quality.show(found))
    assert len(shown["warping error"]) == 4
    assert "landmark error, % of the distance of the eyes" not in shown  # edges know no landmarks


def test_memory(material: Material) -> None:
    plan = memory.MemoryPlan(CASE, short=3, long=6, rounds=1)
    found = memory.measure(material, say, plan)
    assert found["peaks_mib"]["short"][0] >= found["at_work_mib"]["short"][0] > 100  # torch alone is more than that
    assert abs(found["difference_percent"]) < 50
    assert rows(memory.show(found)).keys() >= {"3", "6"}


def test_prepare(material: Material) -> None:
    """What cannot work here is left out and said: there is no body to be seen, and no such file."""
    said: list[str] = []
    weights = {"backend": "litert", "weights": "nowhere.tflite"}
    cases = (prepare.Case("edges"), prepare.CASES[-1], prepare.Case("pose", "body"))
    cases += (prepare.Case("segmentation", options=weights),)
    plan = prepare.PreparePlan(cases, size=64, frames=12, seconds=5.0, rounds=2)
    found = prepare.measure(material, said.append, plan)
    assert list(found["cases"]) == ["edges", "labels"]
    assert sum("is left out" in line for line in said) == 2
    for case in found["cases"].values():
        assert (case["frames"], case["frames_size"]) == (12, "86x64")
        assert case["ratio"] == pytest.approx(sum(case["ratios"]) / 2)
        assert len(case["alone"]["rates"]) == len(case["whole"]["rates"]) == 2
        assert case["whole"]["work"] > case["alone"]["work"]
    shown = rows(prepare.show(found))
    assert shown["edges"][3] == f"{100 * found['cases']['edges']['ratio']:.0f} %"
    assert not list((material.folder / "prepare").rglob("dataset.json"))


def test_response(material: Material) -> None:
    found = response.measure(material, say, response.ResponsePlan(rounds=1, frames=2))
    assert found["help"].keys() == {"vid2vid --help", "vid2vid train --help", "vid2vid presets show --help"}
    assert {len(values) for values in found["draw"].values()} == {2}
    assert set(rows(response.show(found))) >= {*found["help"], "conditions at 256 px"}


def test_a_peak_is_the_command_s_own() -> None:
    """Not that of this process, which holds torch; and it grows with what the command takes."""
    small = peak_of([sys.executable, "-S", "-c", "pass"]).mebibytes
    large = peak_of([sys.executable, "-S", "-c", "x = b'x' * (200 << 20)"]).mebibytes
    assert small < 60
    assert 195 < large - small < 220
    with pytest.raises(RuntimeError, match="no such thing"):
        peak_of([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_one_command_runs_them(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["--only", "memory", "--video", str(tmp_path / "none.mp4")]) == MissingFileError.exit_code
    assert "none.mp4" in capsys.readouterr().err
    monkeypatch.setattr(run, "gather", lambda *_, **__: material)
    plan = training.TrainingPlan((CASE,), rounds=1, block_seconds=0.0)
    monkeypatch.setattr(training, "TrainingPlan", lambda: plan)
    out = tmp_path / "results.json"
    assert run.main(["--only", "training", "--video", str(material.video), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert surroundings_line(surroundings("cpu")).split(";")[0] in printed
    assert CASE.name in rows(printed)
    assert json.loads(out.read_text())["training"]["took_seconds"] > 0
