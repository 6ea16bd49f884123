"""The ONNX backend with the real onnxruntime, on tiny models with known outputs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.synthetic_people import Points, face_keypoints, hand_keypoints, person_keypoints

from vid2vid_cli.conditioning import Annotation, UInt8Array, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import MissingWeightsError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

HEIGHT, WIDTH = 256, 192
FRAME = np.full((240, 320, 3), 90, np.uint8)
PADDED = 1.25 * 1.1


def to_coco_17(body: Points) -> Points:
    return body[[0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]]


def to_halpe_26(body: Points) -> Points:
    return np.vstack([to_coco_17(body), body[[0, 1, 8, 19, 22, 20, 23, 21, 24]]])


def to_wholebody_133(body: Points) -> Points:
    parts = face_keypoints(160, 40)[:68], hand_keypoints(*body[7, :2]), hand_keypoints(*body[4, :2])
    return np.vstack([to_coco_17(body), body[19:25], *parts])


def to_model_pixels(points: Points, height: int = HEIGHT, width: int = WIDTH) -> Points:
    """Points in pixels of the model's input, if the box is the whole frame."""
    scale = min(width / 320, height / 240) / 1.25
    return np.column_stack([(points[:, :2] - [160 / 1.1, 120 / 1.1]) * scale + [width / 2, height / 2], points[:, 2]])


def simcc_output(points: Points, size: int, axis: int) -> Any:
    bins = np.zeros((1, len(points), 2 * size), np.float32)
    for row, point in enumerate(points):
        bins[0, row, round(float(np.clip(2 * point[axis], 0, 2 * size - 1)))] = point[2]
    return bins


def write_constant_model(
    path: Path, outputs: Sequence[Any], shape: Sequence[int | str] = (1, 3, HEIGHT, WIDTH)
) -> Path:
    """Write a model with constant outputs; it uses its input, because onnxruntime removes unused ones."""
    helper, numpy_helper, proto = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    nodes = [
        helper.make_node("ReduceSum", ["input"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
    ]
    initializers = [numpy_helper.from_array(np.zeros((), np.float32), "zero")]
    infos = []
    for name, value in zip(("simcc_x", "simcc_y", "more"), outputs, strict=False):
        initializers.append(numpy_helper.from_array(np.asarray(value, np.float32), f"{name}_value"))
        nodes.append(helper.make_node("Add", [f"{name}_value", "nothing"], [name]))
        infos.append(helper.make_tensor_value_info(name, proto.FLOAT, list(np.shape(value))))
    graph = helper.make_graph(
        nodes, "known", [helper.make_tensor_value_info("input", proto.FLOAT, list(shape))], infos, initializers
    )
    save_model(path, graph)
    return path


def save_model(path: Path, graph: Any) -> None:
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))


def write_projection_model(path: Path, height: int = 64, width: int = 48) -> Path:
    """Write a model that returns the column and the row with the most red for all 17 points."""
    helper, numpy_helper, proto = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    nodes, initializers = [], []
    for name, axis, size in (("x", 2, width), ("y", 3, height)):
        doubling_matrix = np.zeros((size, 2 * size), np.float32)
        doubling_matrix[np.arange(size), 2 * np.arange(size)] = 1 / 16
        offsets = np.full(2 * size, -1, np.float32)  # black gives 0, and -1 excludes bins between two pixels
        offsets[::2] = 123.675 / 58.395 * (height + width - size) / 16
        initializers += [
            numpy_helper.from_array(np.array([axis], np.int64), f"axis_{name}"),
            numpy_helper.from_array(doubling_matrix, f"double_{name}"),
            numpy_helper.from_array(offsets, f"lift_{name}"),
        ]
        nodes += [
            helper.make_node("Slice", ["input", "from", "to", "channel"], [f"red_{name}"]),
            helper.make_node("ReduceSum", [f"red_{name}", f"axis_{name}"], [f"sum_{name}"], keepdims=0),
            helper.make_node("MatMul", [f"sum_{name}", f"double_{name}"], [f"bins_{name}"]),
            helper.make_node("Add", [f"bins_{name}", f"lift_{name}"], [f"lifted_{name}"]),
            helper.make_node("Expand", [f"lifted_{name}", "shape"], [f"simcc_{name}"]),
        ]
    initializers += [
        numpy_helper.from_array(np.array([value], np.int64), name)
        for name, value in (("from", 0), ("to", 1), ("channel", 1))
    ]
    initializers.append(numpy_helper.from_array(np.array([1, 17, 1], np.int64), "shape"))
    outputs = [
        helper.make_tensor_value_info(f"simcc_{name}", proto.FLOAT, [1, 17, 2 * size])
        for name, size in (("x", width), ("y", height))
    ]
    input_info = helper.make_tensor_value_info("input", proto.FLOAT, [1, 3, height, width])
    save_model(path, helper.make_graph(nodes, "reddest", [input_info], outputs, initializers))
    return path


def annotate(model: Path, frames: Sequence[UInt8Array], **options: object) -> list[Annotation]:
    return list(
        load_conditioner("pose", {"weights": str(model), "smoothing": 0, **options}).annotate(detect_cuts(frames))
    )


@pytest.fixture(autouse=True)
def _without_mediapipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MediaPipe the first box is the whole frame, so the output is known."""
    original_find_spec = find_spec
    monkeypatch.setattr(
        "vid2vid_pose.backends.find_spec", lambda name: None if name == "mediapipe" else original_find_spec(name)
    )


@pytest.mark.parametrize("convert", [to_coco_17, to_halpe_26, to_wholebody_133], ids=["17", "26", "133"])
def test_simcc_peaks_become_points(tmp_path: Path, convert: Any) -> None:
    expected = person_keypoints(120, 30, 170, 0.8)
    model_points = to_model_pixels(convert(expected))
    model = write_constant_model(
        tmp_path / "m.onnx", [simcc_output(model_points, WIDTH, 0), simcc_output(model_points, HEIGHT, 1)]
    )
    (annotation,) = annotate(model, [FRAME])
    body, num_known = annotation.points["body"], 25 if convert is not to_coco_17 else 19
    tolerance = 0.5 / (min(WIDTH / 320, HEIGHT / 240) / 1.25)
    np.testing.assert_allclose(body[:num_known, :2], expected[:num_known, :2], atol=tolerance)
    np.testing.assert_allclose(body[:num_known, 2], 0.8, atol=1e-4)
    assert np.isnan(body[num_known:]).all()
    if convert is to_wholebody_133:
        np.testing.assert_allclose(
            annotation.points["left_hand"][:, :2], hand_keypoints(*expected[7, :2])[:, :2], atol=tolerance
        )
        np.testing.assert_allclose(
            annotation.points["face"][:, :2], face_keypoints(160, 40)[:, :2], atol=tolerance + 0.5
        )
    else:
        assert list(annotation.points) == ["body"]


def test_confidence_is_the_smaller_peak(tmp_path: Path) -> None:
    model_points = to_model_pixels(to_coco_17(person_keypoints(120, 30, 170, 0.8)))
    low_output = simcc_output(model_points, HEIGHT, 1) * 0.5
    low_output[0, 9] = 0
    (annotation,) = annotate(
        write_constant_model(tmp_path / "m.onnx", [simcc_output(model_points, WIDTH, 0), low_output]), [FRAME]
    )
    assert annotation.points["body"][0, 2] == pytest.approx(0.4)
    assert np.isnan(annotation.points["body"][7]).all()


def test_low_scores_give_empty_annotations(tmp_path: Path) -> None:
    model_points = to_model_pixels(to_coco_17(person_keypoints(120, 30, 170, 0.15)))
    model = write_constant_model(
        tmp_path / "m.onnx", [simcc_output(model_points, WIDTH, 0), simcc_output(model_points, HEIGHT, 1)]
    )
    assert [annotation.quality for annotation in annotate(model, [FRAME] * 3)] == [0.0] * 3


def test_model_input_is_the_cropped_person_in_rgb(tmp_path: Path) -> None:
    """A red spot is located through the crop on every frame; a blue one is ignored."""
    frames = []
    for index in range(3):
        frame = np.zeros((240, 320, 3), np.uint8)
        y, x = np.mgrid[:240, :320]
        frame[..., 0] = 255 * np.exp(-((x - 155 - 8 * index) ** 2 + (y - 105) ** 2) / 72)
        frame[40:60, 60:80, 2] = 255
        frames.append(frame)
    from vid2vid_pose.rtmpose import RTMPoseBackend

    with RTMPoseBackend(write_projection_model(tmp_path / "m.onnx"), None) as backend:
        for index, frame in enumerate(frames):
            person = backend._estimate_pose(frame, (110.0, 60.0, 210.0, 160.0))
            assert person is not None
            assert person.points["body"][0, :2] == pytest.approx([155 + 8 * index, 105], abs=2)


@pytest.mark.parametrize(
    ("outputs", "shape", "message"),
    [
        ([np.zeros((1, 17, 64, 48))], (1, 3, HEIGHT, WIDTH), r"\(1, 17, 64, 48\)"),
        ([np.zeros((1, 20, 384)), np.zeros((1, 20, 512))], (1, 3, HEIGHT, WIDTH), "17 or 26 or 133"),
        ([np.zeros((1, 17, 384)), np.zeros((1, 17, 512))], (1, HEIGHT, WIDTH, 3), r"\(1, 3, h, w\)"),
        ([np.zeros((1, 17, 384)), np.zeros((1, 17, 512))], (1, 3, "h", "w"), r"\(1, 3, h, w\)"),
    ],
)
def test_models_of_other_shapes_raise_error(tmp_path: Path, outputs: Any, shape: Any, message: str) -> None:
    model = write_constant_model(tmp_path / "other.onnx", outputs, shape)
    with pytest.raises(MissingWeightsError, match=message) as error_info:
        annotate(model, [FRAME])
    assert "other.onnx" in error_info.value.message
    assert "pose.weights=FILE.onnx" in error_info.value.hint


def test_missing_or_broken_model_file_raises_error(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"absent\.onnx"):
        annotate(tmp_path / "absent.onnx", [FRAME])
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(MissingWeightsError, match=r"broken\.onnx"):
        annotate(tmp_path / "broken.onnx", [FRAME])
    with pytest.raises(MissingWeightsError, match=r"pose\.weights"):
        list(load_conditioner("pose", {"backend": "onnx"}).annotate(detect_cuts([FRAME])))


def test_fingerprint_contains_the_models_hash_and_not_its_path(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    fingerprints = [load_conditioner("pose", {"weights": str(tmp_path / name)}).fingerprint() for name in "abc"]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    assert fingerprints[0]["backend"] == "onnx"
    assert str(tmp_path) not in str(fingerprints)
