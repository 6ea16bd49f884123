"""The linear model that aligns reference frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.motion_models import NUM_VALUES, ROWS, face, motion_model

from vid2vid_cli.conditioning.annotation_json import array_to_json
from vid2vid_cli.data.linear_motion import MAX_NODES, LinearMotion, _basis
from vid2vid_cli.data.point_pose import NUM_PLACE_VALUES, fit_to_shape, place_values
from vid2vid_cli.data.scene_positions import Positions, as_complex
from vid2vid_cli.training_data.motion_fit import MAX_COMPONENTS, MAX_CONTEXT_COMPONENTS

NODES: Positions = (np.linspace(-0.6, 0.6, 7) + 1j * np.linspace(-0.5, 0.5, 5)[:, None]).astype(np.complex128)


def test_align_moves_everything_with_the_points() -> None:
    """A similarity transform of the points is that of all nodes, without coefficients."""
    rotation = 1.2 * np.exp(0.1j)
    aligned = motion_model().align(NODES, face(), rotation * face() + 0.05 - 0.02j)
    assert aligned is not None
    np.testing.assert_allclose(aligned, rotation * NODES + 0.05 - 0.02j, atol=1e-6)


def test_align_passes_near_the_points_and_leaves_the_rest() -> None:
    points, opened = face(), face(mouth_gap=0.3)
    aligned = motion_model().align(np.concatenate([points[[33, 57]], [0.6 + 0.5j]]), points, opened)
    assert aligned is not None
    nose, lower_lip, corner = aligned - [points[33], points[57], 0.6 + 0.5j]
    expected = opened[57] - points[57]
    assert abs(expected) > 0.02
    assert abs(lower_lip - expected) < 0.4 * abs(expected)
    assert abs(nose) < 0.3 * abs(expected)
    assert abs(corner) < 0.6 * abs(expected)  # by the similarity transform: the face becomes longer


def test_basis_functions_far_from_the_points_are_not_denormal() -> None:
    """Products with denormal numbers take many times as long."""
    nodes, points = np.array([0j, 0.5 + 0j, 2.8 + 0j, 50 + 50j], np.complex64), np.array([0j], np.complex64)
    values = _basis(nodes, points, np.float32(0.2))[:, 0]
    assert values[:2] == pytest.approx([1, np.exp(-0.5 * 2.5**2)])
    assert np.finfo(np.float32).tiny < values[2:].min()
    assert values[2:].max() < 1e-20


def test_align_adds_what_the_coefficients_predict() -> None:
    still, moving = motion_model(), motion_model(0.5)
    points, opened = face(), face(mouth_gap=0.3)
    far_node = np.array([[0.9 + 0.6j]])
    poses = [moving.pose(frame) for frame in (points, opened)]
    assert poses[0] is not None
    assert poses[1] is not None
    difference = poses[1].values[4] - poses[0].values[4]
    aligned = [model.align(far_node, points, opened) for model in (still, moving)]
    assert aligned[0] is not None
    assert aligned[1] is not None
    predicted = poses[1].denormalise(np.array(0.5 * difference + 0j)) - poses[1].denormalise(np.array(0j))
    assert abs(predicted) > 0.01
    assert aligned[1] - aligned[0] == pytest.approx(predicted, abs=1e-3)
    limits = np.array([*[np.inf] * NUM_PLACE_VALUES, 0], np.float32)
    limited = replace(moving, max_differences=limits).align(far_node, points, opened)
    assert limited == pytest.approx(aligned[0], abs=1e-6)


def test_align_leaves_the_surroundings_in_place_beyond_the_limits() -> None:
    """The face moves by 6 % of the height, grows by 3 % and turns; far from it everything stays."""
    poses = motion_model().poses
    place_mean = place_values(*fit_to_shape(face(), as_complex(poses.mean_shape))).astype(np.float32)
    model = replace(
        motion_model(),
        poses=replace(poses, place_mean=place_mean),
        max_differences=np.zeros(NUM_VALUES, np.float32),
        origin=np.full(2, -7, np.float32),
        step=0.5,
        coefficients=np.zeros((29, 29, 2, NUM_VALUES), np.float32),
    )
    nodes: Positions = np.array([[0.9 + 0.6j, -0.85 - 0.7j, 0.02 - 0.02j]])
    points, moved = face(), face(angle=0.04) * 1.03 + 0.06 - 0.02j
    aligned = model.align(nodes, points, moved)
    assert aligned is not None
    assert np.abs(aligned - nodes)[0, :2].max() < 0.006
    assert abs(aligned[0, 2] - nodes[0, 2]) > 0.05


def test_subject_share_follows_from_the_coefficients() -> None:
    """Everything moves with the points without coefficients; far from them nothing with static ones. Also mirrored."""
    moving = motion_model()
    static = replace(moving, coefficients=moving.static_coefficients)
    nodes: Positions = np.array([[2.5 + 1.5j, -2.5 - 1.5j], [0.1 - 0.1j, -0.1j]])
    flip = np.arange(68)[::-1]
    for model, positions, points in (
        (static, nodes, face()),
        (static.mirrored(flip), -nodes.conj(), -face().conj()[flip]),
    ):
        share = model.subject_share(positions, points)
        assert share is not None
        np.testing.assert_allclose(share, [[0, 0], [1, 1]], atol=1e-3)
    everywhere = moving.subject_share(nodes, face())
    assert everywhere is not None
    assert everywhere.min() == 1
    missing = np.full(68, complex(np.nan))
    assert moving.subject_share(nodes, missing) is None


def test_subject_offset_is_the_displacement_in_radii() -> None:
    model, points = motion_model(), face()
    radius = float(np.sqrt((np.abs(points - points.mean()) ** 2).mean()))
    assert model.subject_offset(points, points) == pytest.approx(0, abs=1e-9)
    assert model.subject_offset(points, points + 0.3 * radius) == pytest.approx(0.3, rel=1e-6)
    enlarged = points.mean() + 1.2 * (points - points.mean())
    assert model.subject_offset(points, enlarged) == pytest.approx(0.2, rel=1e-6)
    flip = np.arange(68)[::-1]
    mirrored = (-positions.conj()[flip] for positions in (points, points + 0.3j * radius))
    assert model.mirrored(flip).subject_offset(*mirrored) == pytest.approx(0.3, rel=1e-6)
    assert model.subject_offset(points, np.full(68, complex(np.nan))) == np.inf


def test_align_returns_none_without_the_points_of_the_model() -> None:
    model, points = motion_model(), face()
    missing = points.copy()
    missing[3] = np.nan
    assert model.align(NODES, missing, points) is None
    assert model.align(NODES, points, missing) is None
    assert model.align(NODES, points[:10], points) is None
    poses = replace(
        model.poses, rows=ROWS[4:], mean_shape=model.poses.mean_shape[4:], components=np.zeros((1, 128), np.float32)
    )
    aligned = replace(model, poses=poses).align(NODES, missing, points)
    assert aligned is not None
    assert np.isfinite(aligned).all()


def test_align_accepts_the_grid_of_a_large_image() -> None:
    x, y = np.meshgrid(np.linspace(-0.9, 0.9, 241), np.linspace(-0.5, 0.5, 136))
    aligned = motion_model(0.1).align(x + 1j * y, face(), face(mouth_gap=0.2))
    assert aligned is not None
    assert np.isfinite(aligned).all()


def test_mirrored_model_aligns_mirrored_frames() -> None:
    model = motion_model(0.3)
    flip = np.arange(68)[::-1]
    points, reference = face(x=0.1), face(mouth_gap=0.3, angle=0.1)
    aligned = model.align(NODES, points, reference)
    mirrored = model.mirrored(flip)
    result = mirrored.align(-NODES.conj(), -points.conj()[flip], -reference.conj()[flip])
    assert aligned is not None
    assert result is not None
    np.testing.assert_allclose(-result.conj(), aligned, atol=1e-9)
    assert mirrored.mirrored(flip).flip_rows is None


def test_json_restores_the_model() -> None:
    model = motion_model(0.3)
    restored = LinearMotion.from_json(model.to_json())
    for points in (face(), face(mouth_gap=0.2)):
        expected, result = (item.align(NODES, face(angle=0.2), points) for item in (model, restored))
        assert expected is not None
        assert result is not None
        assert np.array_equal(expected, result)


@pytest.mark.parametrize(
    "name", ["rows", "mean_shape", "components", "origin", "coefficients", "step", "missing", "scalar", "types"]
)
def test_from_json_rejects_other_data(name: str) -> None:
    data = motion_model().to_json()
    if name == "missing":
        del data["origin"]
    elif name == "scalar":
        data["components"] = array_to_json(np.float32(1))
    elif name == "types":
        data["rows"] = array_to_json(ROWS.astype(np.float32))
    elif name == "step":
        data["step"] = 0.0
    else:
        model = motion_model()
        data[name] = replace_array(getattr(model.poses if hasattr(model.poses, name) else model, name))
    with pytest.raises(ValueError, match="motion model"):
        LinearMotion.from_json(data)


def replace_array(array: np.ndarray) -> dict[str, object]:
    """The array without its first row, or with a value that is not finite, as JSON data."""
    if array.ndim < 4:
        return array_to_json(array[1:])
    changed = array.copy()
    changed[0, 0, 0, 0] = np.nan
    return array_to_json(changed)


def context_model(coefficients: float = 0.5) -> LinearMotion:
    """The model of faces with one context point, row 68, usually at CONTEXT; x of everything follows its x."""
    model = motion_model()
    pose = model.pose(face())
    assert pose is not None
    mean = pose.normalise(np.array([CONTEXT]))
    grid = np.zeros((6, 6, 2, NUM_VALUES + 2), np.float32)
    grid[:, :, 0, NUM_VALUES] = coefficients
    return replace(
        model,
        poses=replace(
            model.poses,
            context_rows=np.array([68], np.uint16),
            context_mean=np.stack([mean.real, mean.imag], axis=1).astype(np.float32),
            context_components=np.eye(2, dtype=np.float32),
        ),
        max_differences=np.full(NUM_VALUES + 2, 10, np.float32),
        coefficients=grid,
    )


CONTEXT = 0.02 + 0.4j


def with_context(points: Positions, context: complex = CONTEXT) -> Positions:
    return np.append(points, context)


def test_context_points_move_the_picture_and_not_the_pose() -> None:
    model = context_model()
    points, moved = with_context(face()), with_context(face(), CONTEXT + 0.06)
    poses = model.pose(points), model.pose(moved)
    assert poses[0] is not None
    assert poses[1] is not None
    assert poses[0].factor == poses[1].factor
    assert poses[0].values[:NUM_VALUES].tolist() == poses[1].values[:NUM_VALUES].tolist()
    far_node = np.array([[-0.5 - 0.4j]])
    aligned = model.align(far_node, points, moved)
    assert aligned == pytest.approx(far_node + 0.5 * 0.06, abs=1e-4)
    at_context = model.align(np.array([[CONTEXT]]), points, moved)
    assert at_context is not None
    assert abs(at_context[0, 0] - CONTEXT - 0.06) < abs(0.5 * 0.06 - 0.06)  # towards its known place


@pytest.mark.parametrize("missing", [np.array([np.nan + 0j]), np.empty(0, complex)])
def test_missing_context_points_do_not_move_the_picture(missing: Positions) -> None:
    model, far_node = context_model(), np.array([[-0.5 - 0.4j]])
    known, unknown = with_context(face(), CONTEXT + 0.06), np.append(face(), missing)
    if len(missing):
        assert model.align(far_node, unknown, known) == pytest.approx(far_node, abs=1e-6)
        assert model.align(far_node, known, unknown) == pytest.approx(far_node, abs=1e-6)
    assert model.align(far_node, unknown, unknown) == pytest.approx(far_node, abs=1e-6)


def test_context_points_are_no_part_of_the_subject() -> None:
    model = context_model(0.0)
    still = replace(model, coefficients=model.static_coefficients)
    place = np.array([[CONTEXT]])
    share = still.subject_share(place, with_context(face()))
    assert share is not None
    assert share[0, 0] < 0.5 < motion_model().subject_share(np.array([[face()[30]]]), face())[0, 0]  # type: ignore[index]
    assert still.subject_share(place, with_context(face(), np.nan)) == pytest.approx(share)


def test_json_restores_context_points_and_reads_models_without() -> None:
    model = context_model()
    points = with_context(face()), with_context(face(), CONTEXT + 0.06)
    restored = LinearMotion.from_json(model.to_json())
    assert restored.align(NODES, *points) == pytest.approx(model.align(NODES, *points))
    data = motion_model().to_json()
    for name in ("context_rows", "context_mean", "context_components"):
        del data[name]
    assert len(LinearMotion.from_json(data).poses.context_rows) == 0


@pytest.mark.parametrize("name", ["context_rows", "context_mean", "context_components"])
def test_from_json_rejects_context_arrays_that_do_not_fit(name: str) -> None:
    data = context_model().to_json()
    data[name] = array_to_json(getattr(context_model().poses, name)[1:])
    with pytest.raises(ValueError, match="motion model"):
        LinearMotion.from_json(data)


def test_json_restores_the_largest_model() -> None:
    """8 components of the shape and 4 of context points, at as many nodes as a model can have."""
    model = context_model()
    poses = replace(
        model.poses,
        components=np.resize(model.poses.components, (MAX_COMPONENTS, 136)),
        context_rows=np.array([68, 69], np.uint16),
        context_mean=np.zeros((2, 2), np.float32),
        context_components=np.eye(MAX_CONTEXT_COMPONENTS, dtype=np.float32),
    )
    num_values = poses.num_values
    largest = replace(
        model,
        poses=poses,
        max_differences=np.ones(num_values, np.float32),
        coefficients=np.zeros((MAX_NODES, MAX_NODES, 2, num_values), np.float32),
    )
    assert LinearMotion.from_json(largest.to_json()).coefficients.shape == largest.coefficients.shape
