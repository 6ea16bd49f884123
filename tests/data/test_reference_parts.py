"""Reference frames whose parts have different shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.motion_models import face, motion_model
from helpers.synthetic_faces import place_face, schematic_face

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.alignment import grid_nodes
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import PluginError
from vid2vid_cli.data.encoded_frames import EncodedFrames
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.reference_parts import SHAPE_WEIGHT, PartShapes
from vid2vid_cli.data.reference_points import shape_part_rows
from vid2vid_cli.data.reference_selection import ReferenceSelector
from vid2vid_cli.data.scene_positions import Positions
from vid2vid_cli.media.images import encode_jpeg

SIZE = 128
EYES, MOUTH = np.arange(36, 48), np.arange(48, 68)


def changed(rows: np.ndarray, factor: float, **pose: float) -> Positions:
    """A face whose points `rows` are spread vertically."""
    points = face(**pose)
    part = points[rows]
    points[rows] = part.real + 1j * (part.imag.mean() + factor * (part.imag - part.imag.mean()))
    return points


def test_differences_are_those_of_the_shape_of_each_part() -> None:
    frames = np.stack([face(), changed(MOUTH, 3.0), changed(EYES, 0.2, x=0.1, angle=0.2)])
    shapes = PartShapes(motion_model(), (EYES, MOUTH), frames)
    same, mouth, eyes = shapes.differences(face(x=-0.05, angle=0.1))
    assert same == pytest.approx(0, abs=1e-5)
    assert mouth[1] > 10 * mouth[0]
    assert eyes[0] > 3 * eyes[1]  # the pose, fitted to all points, changes slightly
    opened = face()
    opened[MOUTH[:4]] = np.nan
    assert shapes.differences(opened) is None  # the motion model needs all points


def test_differences_leave_out_missing_points() -> None:
    points = np.concatenate([face(), [np.nan, 0.1]])  # a point that the motion model does not need
    shapes = PartShapes(motion_model(), (np.arange(36, 48), np.array([40, 68, 69])), np.stack([points, points]))
    differences = shapes.differences(points)
    assert differences is not None
    assert differences == pytest.approx(0, abs=1e-6)


def test_mismatch_is_that_of_the_part_nearby() -> None:
    points = face()
    shapes = PartShapes(motion_model(), (EYES, MOUTH), points[None])
    nodes = np.array([[points[EYES].mean(), points[MOUTH].mean(), 0.5 + 0.5j]])
    mismatch = shapes.mismatch(np.array([0.0, 0.1, 0.2], np.float32), nodes, points)
    at_eyes, at_mouth, far = mismatch[0] * SHAPE_WEIGHT
    assert at_mouth == pytest.approx(0.2, rel=0.2)
    assert 0 < at_eyes < at_mouth
    assert far == pytest.approx(0, abs=1e-3)
    assert shapes.mismatch(np.array([1.0, 0.0, 0.0], np.float32), nodes, points)[0, 2] > 1


def test_differences_of_a_missing_part_are_the_largest() -> None:
    frames = np.stack([face(), changed(MOUTH, 3.0), face()])
    frames = np.concatenate([frames, frames[:, MOUTH]], axis=1)  # a part of its own points
    frames[2, 68:] = np.nan
    shapes = PartShapes(motion_model(), (np.arange(68, 88),), frames)
    differences = shapes.differences(frames[0])
    assert differences is not None
    assert differences[0, 0] == pytest.approx(0, abs=1e-6)
    assert differences[2, 0] == differences[1, 0] > 0.01


def test_mismatch_of_flipped_frames_is_on_the_right_side() -> None:
    left_eye = np.arange(36, 42)
    flip_rows = np.array(load_conditioner("landmarks", {}).flip_indices["face"], np.intp)
    points = face()
    flipped = -points.conj()[flip_rows]
    nodes = np.array([[points[left_eye].mean(), -points[left_eye].mean().conjugate()]])
    differences = np.array([0.0, 0.1], np.float32)
    near, far = PartShapes(motion_model(), (left_eye,), points[None]).mismatch(differences, nodes, points)[0]
    assert near > 10 * far
    mirrored = PartShapes(motion_model().mirrored(flip_rows), (left_eye,), flipped[None])
    far, near = mirrored.mismatch(differences, nodes, flipped)[0]
    assert near > 10 * far


def make_bank(gaps: list[tuple[float, float]]) -> ReferenceBank:
    """Frames of a face with these heights of the eyes and gaps of the mouth."""
    view = View.from_box((0, 0, SIZE, SIZE), SIZE, SIZE)
    conditioners = (load_conditioner("landmarks", {"iris": False, "torso": False}),)
    annotations = tuple((annotation(*gap),) for gap in gaps)
    model = motion_model()
    model = replace(model, poses=replace(model.poses, components=np.zeros((1, 136), np.float32)))
    frames = EncodedFrames([encode_jpeg(np.zeros((SIZE, SIZE, 3), np.uint8))] * len(gaps))
    return ReferenceBank(frames, annotations, conditioners, view, view, 2, motion=model)


def annotation(eyes: float, mouth: float) -> Annotation:
    points = place_face(schematic_face(mouth), 25.0, 64, 60).copy()
    points[36:48, 1] = points[36:48, 1].mean() + eyes * (points[36:48, 1] - points[36:48, 1].mean())
    return Annotation(SIZE, SIZE, 1.0, {"face": points.astype(np.float32)})


@pytest.mark.parametrize("is_flipped", [False, True])
def test_selector_takes_the_eyes_of_one_frame_and_the_mouth_of_another(is_flipped: bool) -> None:
    bank = make_bank([(1.0, 0.05), (1.0, 0.06), (1.0, 0.3), (0.2, 0.05)])
    wanted = annotation(0.2, 0.3)  # closed eyes and an open mouth: no frame has both
    if is_flipped:
        bank, wanted = bank.mirrored, bank.conditioners[0].hflip(wanted)
    selected = ReferenceSelector(bank)((wanted,), bank.output_views)
    assert set(selected.indices) == {2, 3}
    nodes = grid_nodes(SIZE, SIZE)
    of_mouth, of_eyes = (selected.log_weights[list(selected.indices).index(index), 0] for index in (2, 3))
    points = wanted.points["face"]
    for rows, right, wrong in ((MOUTH, of_mouth, of_eyes), (EYES[:6], of_eyes, of_mouth)):
        near = np.abs(nodes - points[rows].mean(axis=0)).max(axis=-1) <= 4
        assert (right[near] > wrong[near] + 0.4).all()


def test_shape_part_rows_count_all_points_of_the_conditioner() -> None:
    conditioner = load_conditioner("landmarks", {})
    points = {"face": np.zeros((68, 2), np.float32), "iris": np.zeros((10, 2), np.float32)}
    eyes, mouth = shape_part_rows((conditioner,), (Annotation(8, 8, 1.0, points),))
    assert eyes.tolist() == [*range(36, 48), *range(68, 78)]
    assert mouth.tolist() == list(range(48, 68))
    without_iris = Annotation(8, 8, 1.0, {"face": points["face"]})
    assert shape_part_rows((conditioner,), (without_iris,))[0].tolist() == list(range(36, 48))
    with pytest.raises(PluginError, match="shape_parts"):
        shape_part_rows((conditioner,), (Annotation(8, 8, 1.0, {"face": points["face"][:50]}),))
