"""The adapter to detectron2's DensePose, with stubs of the same shapes and types, and with detectron2 if installed."""

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
from vid2vid_densepose.backend import R_50_FPN_S1X_CONFIG, build_config, extract_people
from vid2vid_densepose.body_boxes import DetectedPerson, draw_iuv

from vid2vid_cli.conditioning import detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import LabelFileError, MissingPackageError, MissingWeightsError

FRAME = np.full((40, 60, 3), (10, 20, 30), np.uint8)


def make_person(
    box: tuple[float, float, float, float], part: int, score: float = 0.9, uv: float = 0.5
) -> DetectedPerson:
    height, width = int(box[3]) - int(box[1]), int(box[2]) - int(box[0])
    return DetectedPerson(
        box, score, np.full((height, width), part, np.uint8), np.full((2, height, width), uv, np.float32)
    )


# draw_iuv


def test_draw_iuv_places_person_in_its_box() -> None:
    iuv = draw_iuv([make_person((5.7, 3.2, 15.7, 9.2), 7, uv=0.2)], 20, 30)
    assert (iuv[3:9, 5:15] == (7, 51, 51)).all()
    assert iuv.sum() == 6 * 10 * (7 + 51 + 51)


def test_draw_iuv_background_of_a_box_is_transparent() -> None:
    large_person = make_person((0, 0, 20, 20), 0)
    large_person.part_map[:, 10:] = 3
    iuv = draw_iuv([large_person, make_person((5, 5, 15, 15), 9)], 20, 20)
    assert iuv[10, 7, 0] == 9
    assert iuv[10, 12, 0] == 3


def test_draw_iuv_larger_box_is_in_front() -> None:
    small, large = make_person((4, 4, 12, 12), 1, score=0.99), make_person((0, 0, 16, 16), 2, score=0.81)
    for order in ([small, large], [large, small]):
        assert set(np.unique(draw_iuv(order, 16, 16)[:, :, 0])) == {2}


def test_draw_iuv_clips_boxes_and_invalid_values() -> None:
    outside = [make_person((-30, -30, -5, -5), 3), make_person((50, 5, 70, 20), 3)]
    assert not draw_iuv(outside, 20, 30).any()
    invalid_person = make_person((-4, -2, 6, 8), 5)
    invalid_person.uv[0], invalid_person.uv[1] = np.nan, 1.7
    invalid_person.part_map[-1] = 77
    iuv = draw_iuv([invalid_person], 20, 30)
    assert (iuv[:7, :6] == (5, 0, 255)).all()
    assert not iuv[7:].any()
    assert not iuv[:, 6:].any()


# Stubs of detectron2


class Instances:
    """Stub of detectron2's `Instances`: fields of equal length."""

    def __init__(self, boxes: list[tuple[float, ...]], scores: list[float], results: list[Any]) -> None:
        self.pred_boxes = SimpleNamespace(tensor=torch.tensor(boxes).reshape(-1, 4))
        self.scores = torch.tensor(scores)
        self.pred_densepose = results

    def __len__(self) -> int:
        return len(self.scores)

    def has(self, name: str) -> bool:
        return hasattr(self, name)


class Extractor:
    """Stub of `DensePoseResultExtractor`: returns (results, boxes as x, y, width, height)."""

    def __call__(self, instances: Instances) -> tuple[list[Any], Any]:
        boxes = instances.pred_boxes.tensor.clone()
        boxes[:, 2:] -= boxes[:, :2]
        if any(result is None for result in instances.pred_densepose):
            raise KeyError("Could not find converter")
        return instances.pred_densepose, boxes


def make_result(height: int, width: int, part: int) -> Any:
    labels = torch.zeros((height, width), dtype=torch.int64)
    labels[:, 1:] = part
    return SimpleNamespace(labels=labels, uv=torch.full((2, height, width), 0.4))


@dataclass
class Predictor:
    """Stub of `DefaultPredictor`: two people who move apart on three BGR frames, then no person."""

    cfg: Any

    def __call__(self, bgr: Any) -> dict[str, Any]:
        assert tuple(bgr[0, 0]) == (30, 20, 10)
        Predictor.calls += 1
        if Predictor.calls > 3:
            return {"instances": Instances([], [], [])}
        step = float(Predictor.calls)
        boxes = [(5.5 - step, 4.0, 15.9 - step, 34.0), (30.0 + step, 10.0, 42.0 + step, 22.0)]
        return {"instances": Instances(boxes, [0.95, 0.85], [make_result(30, 10, 15), make_result(12, 12, 2)])}


Predictor.calls = 0  # type: ignore[attr-defined]


class ConfigNode(SimpleNamespace):
    """Stub of `CfgNode` that records the merged settings."""

    def merge_from_list(self, items: list[Any]) -> None:
        self.merged = dict(zip(items[::2], items[1::2], strict=True))

    def merge_from_file(self, path: str) -> None:
        self.merged = path

    def freeze(self) -> None:
        self.frozen = True


@pytest.fixture
def detectron2_stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stub modules for detectron2 and densepose."""

    def add_module(name: str, **attributes: Any) -> None:
        module = ModuleType(name)
        module.__spec__ = SimpleNamespace(name=name)  # type: ignore[assignment]
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)

    Predictor.calls = 0  # type: ignore[attr-defined]
    add_module("detectron2")
    add_module("detectron2.engine", DefaultPredictor=Predictor)
    add_module("detectron2.config", get_cfg=lambda: ConfigNode(MODEL=ConfigNode(ROI_HEADS=ConfigNode())))
    add_module("densepose", add_densepose_config=lambda cfg: vars(cfg).update(has_densepose=True))
    add_module("densepose.vis")
    add_module("densepose.vis.extractor", DensePoseResultExtractor=Extractor)


def load_densepose(tmp_path: Path, **options: Any) -> Any:
    (tmp_path / "model.pkl").touch()
    return load_conditioner("densepose", {"weights": tmp_path / "model.pkl", **options})


@pytest.mark.usefixtures("detectron2_stubs")
def test_annotate_tracks_one_person(tmp_path: Path) -> None:
    annotations = list(load_densepose(tmp_path).annotate(detect_cuts([FRAME] * 4)))
    assert [annotation.quality for annotation in annotations] == pytest.approx([0.95, 0.95, 0.95, 0])
    for step, annotation in zip((1, 2, 3), annotations, strict=False):
        iuv = annotation.images["iuv"]
        left = int(5.5 - step)
        assert set(np.unique(iuv[:, :, 0])) == {0, 15}, "only the tracked person is annotated"
        assert (iuv[4:34, left + 1 : left + 10] == (15, 102, 102)).all()
    assert not annotations[3].images["iuv"].any()


@pytest.mark.usefixtures("detectron2_stubs")
def test_annotate_selects_second_or_several_people(tmp_path: Path) -> None:
    second = next(load_densepose(tmp_path, person=2).annotate(detect_cuts([FRAME])))
    assert set(np.unique(second.images["iuv"][:, :, 0])) == {0, 2}
    assert second.quality == pytest.approx(0.85)
    both = next(load_densepose(tmp_path, num_people=2).annotate(detect_cuts([FRAME])))
    assert set(np.unique(both.images["iuv"][:, :, 0])) == {0, 2, 15}


def test_annotate_tracks_person_until_cut() -> None:
    """The leftmost person walks past the other; after a cut, another person is leftmost."""
    scenes = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3)).astype(np.uint8).repeat(8, 1).repeat(10, 2)
    frames = [scenes[0]] * 12 + [scenes[1]]
    left_edges = iter([3.0 * step for step in range(12)] + [33.0])

    def detect_people(frame: Any) -> list[DetectedPerson]:
        x = next(left_edges)
        return [make_person((18, 6, 26, 36), 2), make_person((x, 5, x + 8, 35), 1)]

    conditioner = load_conditioner("densepose", {"person": 1})
    annotations = conditioner.annotate_with(detect_cuts(frames), detect_people)  # type: ignore[attr-defined]
    parts = [set(np.unique(annotation.images["iuv"][:, :, 0])) - {0} for annotation in annotations]
    assert parts == [{1}] * 12 + [{2}]


@pytest.mark.usefixtures("detectron2_stubs")
def test_build_config_uses_published_settings(tmp_path: Path) -> None:
    cfg = build_config("model.pkl", None, 0.7)
    assert (cfg.has_densepose, cfg.frozen, cfg.merged) == (True, True, R_50_FPN_S1X_CONFIG)
    assert (cfg.MODEL.WEIGHTS, cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST) == ("model.pkl", 0.7)
    assert build_config("model.pkl", tmp_path / "own.yaml", 0.7).merged == str(tmp_path / "own.yaml")


@pytest.mark.usefixtures("detectron2_stubs")
def test_missing_weights_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"densepose\.weights") as caught:
        next(load_conditioner("densepose").annotate(detect_cuts([FRAME])))
    assert "model_final_162be9.pkl" in caught.value.hint
    assert "densepose.weights=" in caught.value.hint
    for option in ("weights", "config"):
        with pytest.raises(MissingWeightsError, match=rf"nowhere.*densepose\.{option}"):
            next(load_densepose(tmp_path, **{option: "nowhere"}).annotate(detect_cuts([FRAME])))


@pytest.mark.usefixtures("detectron2_stubs")
def test_extract_people_rejects_embeddings() -> None:
    with pytest.raises(LabelFileError, match="embeddings"):
        extract_people(Instances([(0.0, 0.0, 4.0, 4.0)], [0.9], [None]))


def test_missing_packages_hint_has_install_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vid2vid_densepose.backend.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="detectron2 and densepose") as caught:
        next(load_densepose(tmp_path).annotate(detect_cuts([FRAME])))
    for requirement in SPEC.requires:
        assert requirement.install_command in caught.value.hint
    assert "--no-build-isolation" in caught.value.hint


def test_fingerprint_depends_on_weights_not_on_their_path(tmp_path: Path) -> None:
    fingerprints = []
    for name, content in (("a.pkl", b"one"), ("b.pkl", b"one"), ("c.pkl", b"two")):
        (tmp_path / name).write_bytes(content)
        fingerprints.append(load_conditioner("densepose", {"weights": tmp_path / name}).fingerprint())
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


# detectron2


def test_extract_people_from_detectron2_output() -> None:
    pytest.importorskip("detectron2")
    pytest.importorskip("densepose")
    from detectron2.engine import DefaultPredictor
    from detectron2.structures import Boxes
    from detectron2.structures import Instances as DetectronInstances

    torch.manual_seed(0)
    model = DefaultPredictor(build_config("", None, 0.5)).model
    image = torch.rand(3, 160, 240) * 255
    instances = DetectronInstances((160, 240))
    instances.pred_boxes = Boxes(torch.tensor([[20.4, 10.0, 90.0, 150.5], [100.0, 30.0, 180.0, 130.0]]))
    instances.scores, instances.pred_classes = torch.tensor([0.9, 0.8]), torch.zeros(2, dtype=torch.int64)
    with torch.no_grad():
        features = model.backbone(model.preprocess_image([{"image": image}]).tensor)
        (predicted,) = model.roi_heads.forward_with_given_boxes(features, [instances])
    people = extract_people(predicted)
    assert [person.score for person in people] == pytest.approx([0.9, 0.8])
    assert people[0].part_map.shape == (140, 69)
    assert people[0].uv.shape == (2, 140, 69)
    assert people[0].part_map.max() <= 24
    assert draw_iuv(people, 160, 240).shape == (160, 240, 3)
