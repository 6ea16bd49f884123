"""The adapter to detectron2's DensePose, with answers of the real shapes and types, and the real one where it is."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from vid2vid_densepose import SPEC
from vid2vid_densepose.backend import R_50_FPN_S1X, bodies_of, settings
from vid2vid_densepose.body_boxes import Body, drawn

from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import LabelFilesError, MissingPackageError, MissingWeightsError

FRAME = np.full((40, 60, 3), (10, 20, 30), np.uint8)


def body(box: tuple[float, float, float, float], part: int, score: float = 0.9, uv: float = 0.5) -> Body:
    height, width = int(box[3]) - int(box[1]), int(box[2]) - int(box[0])
    return Body(box, score, np.full((height, width), part, np.uint8), np.full((2, height, width), uv, np.float32))


# From people to a picture


def test_a_body_lies_in_its_box() -> None:
    iuv = drawn([body((5.7, 3.2, 15.7, 9.2), 7, uv=0.2)], 20, 30)
    assert (iuv[3:9, 5:15] == (7, 51, 51)).all()
    assert iuv.sum() == 6 * 10 * (7 + 51 + 51)


def test_background_of_a_box_covers_nobody() -> None:
    near = body((0, 0, 20, 20), 0)
    near.parts[:, 10:] = 3
    iuv = drawn([near, body((5, 5, 15, 15), 9)], 20, 20)
    assert iuv[10, 7, 0] == 9
    assert iuv[10, 12, 0] == 3


def test_the_larger_box_is_in_front() -> None:
    small, large = body((4, 4, 12, 12), 1, score=0.99), body((0, 0, 16, 16), 2, score=0.81)
    for order in ([small, large], [large, small]):
        assert set(np.unique(drawn(order, 16, 16)[:, :, 0])) == {2}


def test_boxes_that_leave_the_frame_and_odd_numbers() -> None:
    outside = [body((-30, -30, -5, -5), 3), body((50, 5, 70, 20), 3)]
    assert not drawn(outside, 20, 30).any()
    odd = body((-4, -2, 6, 8), 5)
    odd.uv[0], odd.uv[1] = np.nan, 1.7
    odd.parts[-1] = 77
    iuv = drawn([odd], 20, 30)
    assert (iuv[:7, :6] == (5, 0, 255)).all()
    assert not iuv[7:].any()
    assert not iuv[:, 6:].any()


# What detectron2 answers


class Instances:
    """As detectron2's: fields of equal length, told of by `has`."""

    def __init__(self, boxes: list[tuple[float, ...]], scores: list[float], answers: list[Any]) -> None:
        self.pred_boxes = SimpleNamespace(tensor=torch.tensor(boxes).reshape(-1, 4))
        self.scores = torch.tensor(scores)
        self.pred_densepose = answers

    def __len__(self) -> int:
        return len(self.scores)

    def has(self, name: str) -> bool:
        return hasattr(self, name)


class Extractor:
    """As `DensePoseResultExtractor`: (results, boxes as x, y, width, height)."""

    def __call__(self, instances: Instances) -> tuple[list[Any], Any]:
        boxes = instances.pred_boxes.tensor.clone()
        boxes[:, 2:] -= boxes[:, :2]
        if any(answer is None for answer in instances.pred_densepose):
            raise KeyError("Could not find converter")
        return instances.pred_densepose, boxes


def answer(height: int, width: int, part: int) -> Any:
    labels = torch.zeros((height, width), dtype=torch.int64)
    labels[:, 1:] = part
    return SimpleNamespace(labels=labels, uv=torch.full((2, height, width), 0.4))


@dataclass
class Predictor:
    """As `DefaultPredictor`: takes a BGR frame; two people who walk apart, and nobody at last."""

    cfg: Any

    def __call__(self, bgr: Any) -> dict[str, Any]:
        assert tuple(bgr[0, 0]) == (30, 20, 10)
        Predictor.calls += 1
        if Predictor.calls > 3:
            return {"instances": Instances([], [], [])}
        step = float(Predictor.calls)
        boxes = [(5.5 - step, 4.0, 15.9 - step, 34.0), (30.0 + step, 10.0, 42.0 + step, 22.0)]
        return {"instances": Instances(boxes, [0.95, 0.85], [answer(30, 10, 15), answer(12, 12, 2)])}


Predictor.calls = 0  # type: ignore[attr-defined]


class Node(SimpleNamespace):
    """As a `CfgNode`, with the settings that are merged into it."""

    def merge_from_list(self, words: list[Any]) -> None:
        self.merged = dict(zip(words[::2], words[1::2], strict=True))

    def merge_from_file(self, path: str) -> None:
        self.merged = path

    def freeze(self) -> None:
        self.frozen = True


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules in the place of detectron2 and densepose."""

    def module(name: str, **attributes: Any) -> None:
        made = ModuleType(name)
        made.__spec__ = SimpleNamespace(name=name)  # type: ignore[assignment]
        vars(made).update(attributes)
        monkeypatch.setitem(sys.modules, name, made)

    Predictor.calls = 0  # type: ignore[attr-defined]
    module("detectron2")
    module("detectron2.engine", DefaultPredictor=Predictor)
    module("detectron2.config", get_cfg=lambda: Node(MODEL=Node(ROI_HEADS=Node())))
    module("densepose", add_densepose_config=lambda cfg: vars(cfg).update(known=True))
    module("densepose.vis")
    module("densepose.vis.extractor", DensePoseResultExtractor=Extractor)


def live(tmp_path: Path, **options: Any) -> Any:
    (tmp_path / "model.pkl").touch()
    return load_conditioner("densepose", {"weights": tmp_path / "model.pkl", **options})


@pytest.mark.usefixtures("stubs")
def test_one_person_is_followed(tmp_path: Path) -> None:
    found = list(live(tmp_path).annotate([FRAME] * 4))
    assert [one.quality for one in found] == pytest.approx([0.95, 0.95, 0.95, 0])
    for step, one in zip((1, 2, 3), found, strict=False):
        iuv = one.images["iuv"]
        left = int(5.5 - step)
        assert set(np.unique(iuv[:, :, 0])) == {0, 15}, "the other one is not drawn"
        assert (iuv[4:34, left + 1 : left + 10] == (15, 102, 102)).all()
    assert not found[3].images["iuv"].any()


@pytest.mark.usefixtures("stubs")
def test_another_person_and_several(tmp_path: Path) -> None:
    second = next(live(tmp_path, person=2).annotate([FRAME]))
    assert set(np.unique(second.images["iuv"][:, :, 0])) == {0, 2}
    assert second.quality == pytest.approx(0.85)
    both = next(live(tmp_path, people=2).annotate([FRAME]))
    assert set(np.unique(both.images["iuv"][:, :, 0])) == {0, 2, 15}


def test_a_person_is_followed_until_the_scene_changes() -> None:
    """The first from the left walks past the other; after a cut the first from the left is somebody else."""
    scenes = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3)).astype(np.uint8).repeat(8, 1).repeat(10, 2)
    frames = [scenes[0]] * 12 + [scenes[1]]
    places = iter([3.0 * step for step in range(12)] + [33.0])

    def finder(frame: Any) -> list[Body]:
        x = next(places)
        return [body((18, 6, 26, 36), 2), body((x, 5, x + 8, 35), 1)]

    found = list(load_conditioner("densepose", {"person": 1}).found(frames, finder))  # type: ignore[attr-defined]
    shown = [set(np.unique(one.images["iuv"][:, :, 0])) - {0} for one in found]
    assert shown == [{1}] * 12 + [{2}]


@pytest.mark.usefixtures("stubs")
def test_settings_are_those_of_the_published_model(tmp_path: Path) -> None:
    cfg = settings("model.pkl", None, 0.7)
    assert (cfg.known, cfg.frozen, cfg.merged) == (True, True, R_50_FPN_S1X)
    assert (cfg.MODEL.WEIGHTS, cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST) == ("model.pkl", 0.7)
    assert settings("model.pkl", tmp_path / "own.yaml", 0.7).merged == str(tmp_path / "own.yaml")


@pytest.mark.usefixtures("stubs")
def test_weights_must_be_named_and_there(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="weights of a model") as caught:
        next(load_conditioner("densepose").annotate([FRAME]))
    assert "model_final_162be9.pkl" in caught.value.hint
    assert "densepose.weights=" in caught.value.hint
    for option in ("weights", "config"):
        with pytest.raises(MissingWeightsError, match=rf"nowhere does not exist \(densepose\.{option}\)"):
            next(live(tmp_path, **{option: "nowhere"}).annotate([FRAME]))


@pytest.mark.usefixtures("stubs")
def test_a_model_of_embeddings_is_refused() -> None:
    with pytest.raises(LabelFilesError, match="embeddings"):
        bodies_of(Instances([(0.0, 0.0, 4.0, 4.0)], [0.9], [None]))


def test_without_the_packages_it_says_how_to_install_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vid2vid_densepose.backend.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="detectron2 and densepose, which are not installed") as caught:
        next(live(tmp_path).annotate([FRAME]))
    for requirement in SPEC.requires:
        assert requirement.install in caught.value.hint
    assert "--no-build-isolation" in caught.value.hint


def test_fingerprint_knows_the_weights_and_not_their_place(tmp_path: Path) -> None:
    marks = []
    for name, content in (("a.pkl", b"one"), ("b.pkl", b"one"), ("c.pkl", b"two")):
        (tmp_path / name).write_bytes(content)
        marks.append(load_conditioner("densepose", {"weights": tmp_path / name}).fingerprint())
    assert marks[0] == marks[1] != marks[2]


# The real thing


def test_the_real_modules_with_random_weights_and_given_boxes() -> None:
    pytest.importorskip("detectron2")
    pytest.importorskip("densepose")
    from detectron2.engine import DefaultPredictor
    from detectron2.structures import Boxes
    from detectron2.structures import Instances as Real

    torch.manual_seed(0)
    model = DefaultPredictor(settings("", None, 0.5)).model
    picture = torch.rand(3, 160, 240) * 255
    given = Real((160, 240))
    given.pred_boxes = Boxes(torch.tensor([[20.4, 10.0, 90.0, 150.5], [100.0, 30.0, 180.0, 130.0]]))
    given.scores, given.pred_classes = torch.tensor([0.9, 0.8]), torch.zeros(2, dtype=torch.int64)
    with torch.no_grad():
        features = model.backbone(model.preprocess_image([{"image": picture}]).tensor)
        (seen,) = model.roi_heads.forward_with_given_boxes(features, [given])
    bodies = bodies_of(seen)
    assert [one.score for one in bodies] == pytest.approx([0.9, 0.8])
    assert bodies[0].parts.shape == (140, 69)
    assert bodies[0].uv.shape == (2, 140, 69)
    assert bodies[0].parts.max() <= 24
    assert drawn(bodies, 160, 240).shape == (160, 240, 3)
