"""Models of the user through the real onnxruntime: tiny ones, made here, whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.synthetic_people import Points, face, hand, person

from vid2vid_cli.conditioning import Annotation, Bytes
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import MissingWeightsError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

HEIGHT, WIDTH = 256, 192
FRAME = np.full((240, 320, 3), 90, np.uint8)
PADDED = 1.25 * 1.1


def coco(body: Points) -> Points:
    return body[[0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]]


def halpe(body: Points) -> Points:
    return np.vstack([coco(body), body[[0, 1, 8, 19, 22, 20, 23, 21, 24]]])


def whole(body: Points) -> Points:
    parts = face(160, 40)[:68], hand(*body[7, :2]), hand(*body[4, :2])
    return np.vstack([coco(body), body[19:25], *parts])


def in_model(points: Points, height: int = HEIGHT, width: int = WIDTH) -> Points:
    """Where the model sees points of the frame when the whole frame is the person."""
    scale = min(width / 320, height / 240) / 1.25
    return np.column_stack([(points[:, :2] - [160 / 1.1, 120 / 1.1]) * scale + [width / 2, height / 2], points[:, 2]])


def curves(places: Points, size: int, axis: int) -> Any:
    bins = np.zeros((1, len(places), 2 * size), np.float32)
    for row, place in enumerate(places):
        bins[0, row, round(float(np.clip(2 * place[axis], 0, 2 * size - 1)))] = place[2]
    return bins


def constant_model(path: Path, outputs: Sequence[Any], shape: Sequence[int | str] = (1, 3, HEIGHT, WIDTH)) -> Path:
    """Answers the same whatever it sees; the input is used so that onnxruntime keeps it."""
    helper, numpy_helper, proto = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    nodes = [
        helper.make_node("ReduceSum", ["input"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
    ]
    values = [numpy_helper.from_array(np.zeros((), np.float32), "zero")]
    infos = []
    for name, value in zip(("simcc_x", "simcc_y", "more"), outputs, strict=False):
        values.append(numpy_helper.from_array(np.asarray(value, np.float32), f"{name}_value"))
        nodes.append(helper.make_node("Add", [f"{name}_value", "nothing"], [name]))
        infos.append(helper.make_tensor_value_info(name, proto.FLOAT, list(np.shape(value))))
    graph = helper.make_graph(
        nodes, "known", [helper.make_tensor_value_info("input", proto.FLOAT, list(shape))], infos, values
    )
    save(path, graph)
    return path


def save(path: Path, graph: Any) -> None:
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))


def projection_model(path: Path, height: int = 64, width: int = 48) -> Path:
    """Answers with the reddest column and row of what it sees, for all 17 points."""
    helper, numpy_helper, proto = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    nodes, values = [], []
    for name, axis, size in (("x", 2, width), ("y", 3, height)):
        double = np.zeros((size, 2 * size), np.float32)
        double[np.arange(size), 2 * np.arange(size)] = 1 / 16
        lift = np.full(2 * size, -1, np.float32)  # black gives 0, and nothing lies between two pixels
        lift[::2] = 123.675 / 58.395 * (height + width - size) / 16
        values += [
            numpy_helper.from_array(np.array([axis], np.int64), f"axis_{name}"),
            numpy_helper.from_array(double, f"double_{name}"),
            numpy_helper.from_array(lift, f"lift_{name}"),
        ]
        nodes += [
            helper.make_node("Slice", ["input", "from", "to", "channel"], [f"red_{name}"]),
            helper.make_node("ReduceSum", [f"red_{name}", f"axis_{name}"], [f"sum_{name}"], keepdims=0),
            helper.make_node("MatMul", [f"sum_{name}", f"double_{name}"], [f"bins_{name}"]),
            helper.make_node("Add", [f"bins_{name}", f"lift_{name}"], [f"lifted_{name}"]),
            helper.make_node("Expand", [f"lifted_{name}", "shape"], [f"simcc_{name}"]),
        ]
    values += [
        numpy_helper.from_array(np.array([value], np.int64), name)
        for name, value in (("from", 0), ("to", 1), ("channel", 1))
    ]
    values.append(numpy_helper.from_array(np.array([1, 17, 1], np.int64), "shape"))
    outputs = [
        helper.make_tensor_value_info(f"simcc_{name}", proto.FLOAT, [1, 17, 2 * size])
        for name, size in (("x", width), ("y", height))
    ]
    given = helper.make_tensor_value_info("input", proto.FLOAT, [1, 3, height, width])
    save(path, helper.make_graph(nodes, "reddest", [given], outputs, values))
    return path


def annotate(model: Path, frames: Sequence[Bytes], **options: object) -> list[Annotation]:
    return list(load_conditioner("pose", {"weights": str(model), "smooth": 0, **options}).annotate(frames))


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MediaPipe the whole frame is looked at first, so that the answer is known."""
    real = find_spec
    monkeypatch.setattr("vid2vid_pose.backends.find_spec", lambda name: None if name == "mediapipe" else real(name))


@pytest.mark.parametrize("points", [coco, halpe, whole], ids=["17", "26", "133"])
def test_peaks_become_points(tmp_path: Path, points: Any) -> None:
    truth = person(120, 30, 170, 0.8)
    seen = in_model(points(truth))
    model = constant_model(tmp_path / "m.onnx", [curves(seen, WIDTH, 0), curves(seen, HEIGHT, 1)])
    (one,) = annotate(model, [FRAME])
    body, known = one.points["body"], 25 if points is not coco else 19
    pixel = 0.5 / (min(WIDTH / 320, HEIGHT / 240) / 1.25)
    np.testing.assert_allclose(body[:known, :2], truth[:known, :2], atol=pixel)
    np.testing.assert_allclose(body[:known, 2], 0.8, atol=1e-4)
    assert np.isnan(body[known:]).all()
    if points is whole:
        np.testing.assert_allclose(one.points["left_hand"][:, :2], hand(*truth[7, :2])[:, :2], atol=pixel)
        np.testing.assert_allclose(one.points["face"][:, :2], face(160, 40)[:, :2], atol=pixel + 0.5)
    else:
        assert list(one.points) == ["body"]


def test_the_lower_of_both_peaks_is_the_confidence(tmp_path: Path) -> None:
    seen = in_model(coco(person(120, 30, 170, 0.8)))
    low = curves(seen, HEIGHT, 1) * 0.5
    low[0, 9] = 0
    (one,) = annotate(constant_model(tmp_path / "m.onnx", [curves(seen, WIDTH, 0), low]), [FRAME])
    assert one.points["body"][0, 2] == pytest.approx(0.4)
    assert np.isnan(one.points["body"][7]).all()


def test_nobody_is_what_the_model_is_not_sure_of(tmp_path: Path) -> None:
    seen = in_model(coco(person(120, 30, 170, 0.15)))
    model = constant_model(tmp_path / "m.onnx", [curves(seen, WIDTH, 0), curves(seen, HEIGHT, 1)])
    assert [one.quality for one in annotate(model, [FRAME] * 3)] == [0.0] * 3


def test_the_model_sees_the_person_in_rgb(tmp_path: Path) -> None:
    """A red spot is found where it is, through the cut, on every frame; a blue one beside it is not seen."""
    frames = []
    for index in range(3):
        frame = np.zeros((240, 320, 3), np.uint8)
        y, x = np.mgrid[:240, :320]
        frame[..., 0] = 255 * np.exp(-((x - 155 - 8 * index) ** 2 + (y - 105) ** 2) / 72)
        frame[40:60, 60:80, 2] = 255
        frames.append(frame)
    from vid2vid_pose.rtmpose import TopDown

    with TopDown(projection_model(tmp_path / "m.onnx"), None) as backend:
        for index, frame in enumerate(frames):
            found = backend._person(frame, (110.0, 60.0, 210.0, 160.0))
            assert found is not None
            assert found.points["body"][0, :2] == pytest.approx([155 + 8 * index, 105], abs=2)


@pytest.mark.parametrize(
    ("outputs", "shape", "found"),
    [
        ([np.zeros((1, 17, 64, 48))], (1, 3, HEIGHT, WIDTH), r"\(1, 17, 64, 48\)"),
        ([np.zeros((1, 20, 384)), np.zeros((1, 20, 512))], (1, 3, HEIGHT, WIDTH), "17 or 26 or 133"),
        ([np.zeros((1, 17, 384)), np.zeros((1, 17, 512))], (1, HEIGHT, WIDTH, 3), "not one picture"),
        ([np.zeros((1, 17, 384)), np.zeros((1, 17, 512))], (1, 3, "h", "w"), "not one picture"),
    ],
)
def test_other_models_are_refused(tmp_path: Path, outputs: Any, shape: Any, found: str) -> None:
    model = constant_model(tmp_path / "other.onnx", outputs, shape)
    with pytest.raises(MissingWeightsError, match=found) as caught:
        annotate(model, [FRAME])
    assert "other.onnx" in caught.value.message
    assert "pose.weights=FILE.onnx" in caught.value.hint


def test_a_missing_and_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"absent\.onnx does not exist"):
        annotate(tmp_path / "absent.onnx", [FRAME])
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(MissingWeightsError, match=r"broken\.onnx is no model"):
        annotate(tmp_path / "broken.onnx", [FRAME])
    with pytest.raises(MissingWeightsError, match="needs a model"):
        list(load_conditioner("pose", {"backend": "onnx"}).annotate([FRAME]))


def test_the_fingerprint_is_the_models_content_and_not_its_place(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    prints = [load_conditioner("pose", {"weights": str(tmp_path / name)}).fingerprint() for name in "abc"]
    assert prints[0] == prints[1] != prints[2]
    assert prints[0]["backend"] == "onnx"
    assert str(tmp_path) not in str(prints)
