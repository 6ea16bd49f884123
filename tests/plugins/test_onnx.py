"""The onnx plugin: the contract with a network of 20 kB, every kind and layout, and networks that do not fit."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from vid2vid_cli.conditioning import Annotation, Conditioner, VideoFrame, View, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import LabelFileError, MissingPackageError, MissingWeightsError
from vid2vid_cli.media.synthetic import synthetic_clip
from vid2vid_cli.testing import ConditionerContract

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
FLOAT = 1
FRAME = np.zeros((48, 64, 3), np.uint8)
FRAME[:, 32:] = (255, 51, 0)


def write_network(
    path: Path,
    weights: Sequence[np.ndarray],
    *,
    shape: Sequence[int | str] = (1, 3, "h", "w"),
    last_op: str = "Identity",
    description: Mapping[str, Any] | None = None,
    num_outputs: int = 1,
) -> Path:
    """A chain of convolutions (o, i, k, k) with ReLU between them; `last_op` is applied to the result."""
    helper, nodes, initializers, name = onnx.helper, [], [], "image"
    if shape[1] != 3:  # channels last
        nodes.append(helper.make_node("Transpose", [name], ["first"], perm=[0, 3, 1, 2]))
        name = "first"
    for index, weight in enumerate(weights):
        initializers.append(onnx.numpy_helper.from_array(weight.astype(np.float32), f"w{index}"))
        pads = [weight.shape[2] // 2] * 4
        nodes.append(helper.make_node("Conv", [name, f"w{index}"], [f"c{index}"], pads=pads))
        name = f"c{index}"
        if index < len(weights) - 1:
            nodes.append(helper.make_node("Relu", [name], [f"r{index}"]))
            name = f"r{index}"
    names = [f"map{index}" for index in range(num_outputs)]
    attributes = {"axis": 1, "keepdims": 0} if last_op == "ArgMax" else {}
    nodes += [helper.make_node(last_op, [name], [output], **attributes) for output in names]
    output_type, rank = (7, 3) if last_op == "ArgMax" else (FLOAT, 4)
    outputs = [helper.make_tensor_value_info(output, output_type, [None] * rank) for output in names]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("image", FLOAT, list(shape))], outputs, initializers
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    if description is not None:
        path.with_suffix(".json").write_text(json.dumps(description))
    return path


def pointwise(rows: Sequence[Sequence[float]]) -> np.ndarray:
    """A 1x1 convolution."""
    return np.array(rows, np.float32)[:, :, None, None]


RAW = {"mean": [0, 0, 0], "std": [1, 1, 1], "multiple": 16, "size": 48}
"""The input is RGB in 0 to 1, at the size of FRAME."""


def annotate(model: Path, frames: Sequence[np.ndarray] = (FRAME,), **options: object) -> list[Annotation]:
    conditioner = load_conditioner("onnx", {"model": str(model), "smoothing": 0, **options})
    return list(conditioner.annotate(detect_cuts(frames)))


def render(model: Path, **options: object) -> np.ndarray:
    conditioner = load_conditioner("onnx", {"model": str(model), "smoothing": 0, **options})
    (annotation,) = conditioner.annotate([VideoFrame(FRAME)])
    return conditioner.render(annotation, View.from_box((0, 0, 64, 48), 48, 64))


class OnnxContract(ConditionerContract):
    name = "onnx"
    output_channels: ClassVar[int] = 1

    def make_conditioner(self) -> Conditioner:
        return load_conditioner(self.name, {**self.options, **self.input_options()})

    def input_options(self) -> Mapping[str, Any]:
        return {"model": str(self.network())}

    def network(self) -> Path:
        """A network of 20 kB with random weights."""
        if "_network" not in vars(type(self)):
            rng = np.random.default_rng(0)
            shapes = ((24, 3, 3, 3), (20, 24, 3, 3), (self.output_channels, 20, 1, 1))
            weights = [rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape) for shape in shapes]
            super().input_options()
            folder = Path(type(self)._input_folder.name)
            type(self)._network = write_network(folder / "net.onnx", weights, description={"size": 64, "multiple": 8})
        return type(self)._network

    _network: ClassVar[Path]


class TestDepthContract(OnnxContract):
    alternative_options: ClassVar = {"smoothing": "0.2"}

    def test_network_has_20_kilobytes(self) -> None:
        assert 15_000 < self.network().stat().st_size < 25_000


class TestLabelsContract(OnnxContract):
    options: ClassVar = {"kind": "labels", "num_classes": "5"}
    output_channels = 5


class TestNormalContract(OnnxContract):
    options: ClassVar = {"kind": "normal"}
    output_channels = 3


@pytest.mark.parametrize("shape", [(1, 3, "h", "w"), (1, 3, 48, 64), (1, "h", "w", 3), ("n", 48, 64, 3)])
def test_depth_is_scaled_to_its_range_in_every_layout(tmp_path: Path, shape: Sequence[int | str]) -> None:
    model = write_network(tmp_path / "a.onnx", [pointwise([[5, 0, 0]])], shape=shape, description=RAW)
    channels = render(model)
    assert channels.shape == (1, 48, 64)
    assert channels[0, 24, 8] == -1  # 0, the smallest value
    assert channels[0, 24, 56] == 1  # 5


def test_normalisation_and_channel_order_follow_the_json_file(tmp_path: Path) -> None:
    description = {**RAW, "scale": 1, "mean": [0, 51, 155], "std": [1, 1, 2], "order": "bgr", "range": [0, 100]}
    model = write_network(tmp_path / "a.onnx", [pointwise([[1, 0, 0], [0, 1, 0], [0, 0, 1]])], description=description)
    values = (render(model, kind="rgb")[:, 24, 56] + 1) * 50
    assert values == pytest.approx([0, 0, 50], abs=0.5)  # (0, 51, 255) - (0, 51, 155), over (1, 1, 2)


def test_labels_from_scores_and_from_ids(tmp_path: Path) -> None:
    weights = [pointwise([[0, 0, 0], [1, 0, 0], [0, 1, 0]])]
    for last_op in ("Identity", "ArgMax"):
        model = write_network(tmp_path / f"{last_op}.onnx", weights, last_op=last_op, description=RAW)
        channels = render(model, kind="labels", num_classes=3)
        assert channels.dtype == np.int8
        assert channels[:, 24, 8].tolist() == [1, -1, -1]
        assert channels[:, 24, 56].tolist() == [-1, 1, -1]
    conditioner = load_conditioner("onnx", {"kind": "labels", "num_classes": 3})
    assert conditioner.spec.output == "labels"
    assert len(conditioner.classes()) == 3


def test_edges_take_the_last_output_and_logits(tmp_path: Path) -> None:
    model = write_network(tmp_path / "a.onnx", [pointwise([[-20, 25, 0]])], num_outputs=3, description=RAW)
    channels = render(model, kind="edges")
    assert channels[0, 24, 8] == pytest.approx(0, abs=0.01)  # sigmoid(0)
    assert channels[0, 24, 56] == -1  # sigmoid(-15)


def test_normals_have_length_one_and_x_changes_its_sign_when_flipped(tmp_path: Path) -> None:
    model = write_network(tmp_path / "a.onnx", [pointwise([[1, 0, 0], [0, 0, 0], [0, 0, 0]])], description={
        **RAW, "range": [-1, 1]
    })  # fmt: skip
    conditioner = load_conditioner("onnx", {"model": str(model), "kind": "normal", "smoothing": 0})
    (annotation,) = conditioner.annotate([VideoFrame(FRAME)])
    view = View.from_box((0, 0, 64, 48), 48, 64)
    assert conditioner.render(annotation, view)[:, 24, 56] == pytest.approx([1, 0, 0], abs=0.01)
    assert conditioner.render(conditioner.hflip(annotation), view)[:, 24, 8] == pytest.approx([-1, 0, 0], abs=0.01)


def test_smoothing_averages_static_pixels_and_follows_changes(tmp_path: Path) -> None:
    model = write_network(tmp_path / "a.onnx", [pointwise([[1, 0, 0]])], description={**RAW, "range": [0, 1]})
    frames = [np.full((48, 64, 3), 100, np.uint8) for _ in range(2)]
    frames[0][:, 32:], frames[1][:, 32:] = 0, 200
    frames[1][:, :16] += 4  # a small change
    smoothed = annotate(model, frames, kind="lineart", smoothing=0.5)[1].images["map"]
    assert smoothed[24, 56] == 200  # a large change: no past
    assert 101 < smoothed[24, 4] < 104
    assert annotate(model, frames, kind="lineart")[1].images["map"][24, 4] == 104


@pytest.mark.parametrize(
    ("shape", "weights", "options", "found"),
    [
        ((1, 4, "h", "w"), np.ones((1, 4, 1, 1)), {}, "image (1, 4, h, w)"),
        ((1, 3, "h", "w"), np.ones((2, 3, 1, 1)), {}, "(1, 2, 48, 64)"),
        ((1, 3, "h", "w"), np.ones((2, 3, 1, 1)), {"kind": "labels", "num_classes": 3}, "(1, 2, 48, 64)"),
    ],
)
def test_unknown_layout_is_answered_with_the_shapes(
    tmp_path: Path, shape: Sequence[int | str], weights: np.ndarray, options: Mapping[str, Any], found: str
) -> None:
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "w"], ["map"])],
        "net",
        [helper.make_tensor_value_info("image", FLOAT, list(shape))],
        [helper.make_tensor_value_info("map", FLOAT, [None] * 4)],
        [onnx.numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    path = tmp_path / "a.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    path.with_suffix(".json").write_text(json.dumps(RAW))
    with pytest.raises(MissingWeightsError) as raised:
        annotate(path, **options)
    assert found in raised.value.message


def test_missing_and_foreign_files_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("no network")
    model = write_network(tmp_path / "a.onnx", [pointwise([[1, 0, 0]])], description={"sise": 3})
    with pytest.raises(LabelFileError, match="sise"):
        annotate(model)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # no published network is there, and tests are offline
    monkeypatch.delenv("TORCH_HOME", raising=False)
    for path in (text, tmp_path / "nope.onnx", Path("midas-v2.1-small.onnx")):
        with pytest.raises(MissingWeightsError) as raised:
            annotate(path)
        assert path.name in raised.value.message
    with pytest.raises(MissingWeightsError):
        list(load_conditioner("onnx").annotate([VideoFrame(FRAME)]))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError) as missing:
        annotate(write_network(tmp_path / "b.onnx", [pointwise([[1, 0, 0]])]))
    assert missing.value.hint == 'pip install "vid2vid-cli[onnx]"'


def test_fingerprint_names_the_content_of_the_network(tmp_path: Path) -> None:
    model = write_network(tmp_path / "a.onnx", [pointwise([[1, 0, 0]])])
    (tmp_path / "other").mkdir()
    copy = tmp_path / "other" / "b.onnx"
    copy.write_bytes(model.read_bytes())
    first, second = (load_conditioner("onnx", {"model": str(path)}).fingerprint() for path in (model, copy))
    assert first == second
    copy.with_suffix(".json").write_text("{}")
    assert load_conditioner("onnx", {"model": str(copy)}).fingerprint() != first


def test_assumptions_are_reported(tmp_path: Path) -> None:
    frames = synthetic_clip(2)
    context = TestDepthContract().video_context(frames)
    model = write_network(tmp_path / "a.onnx", [pointwise([[1, 0, 0]] * 3)], num_outputs=2)
    conditioner = load_conditioner("onnx", {"model": str(model), "kind": "rgb", "size": 32}).bind(context)
    list(conditioner.annotate(detect_cuts(frames)))
    assert len(context.notices) == 3  # the input, the output, its range
