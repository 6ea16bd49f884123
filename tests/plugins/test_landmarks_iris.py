"""Irises: detection on real and synthetic eyes, drawing, flipping, retargeting, description and error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_faces import place_face, schematic_face
from vid2vid_landmarks.tracking import LandmarkSmoother

from vid2vid_cli.conditioning import (
    Annotation,
    FloatArray,
    MissingPackageError,
    UInt8Array,
    View,
    detect_cuts,
    requirements,
)
from vid2vid_cli.conditioning.combine import load_conditioners
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.media.reader import VideoReader

SIDE = 256
FACE = place_face(schematic_face(), 120, 128, 100)
VIEW = View.from_box((0, 0, SIDE, SIDE), SIDE, SIDE)
EXPRESSIONS = Path("/work/shared/data/face/woman_expressions.mp4")
LANDMARKS = load_conditioner("landmarks")


def irises(face: FloatArray = FACE, gaze: tuple[float, float] = (0.0, 0.0), radius: float = 0.2) -> FloatArray:
    """Irises displaced by `gaze` from the middles of the eyes; both in eye widths."""
    result = []
    for first, second in ((36, 39), (45, 42)):
        width = float(np.linalg.norm(face[first] - face[second]))
        centre = (face[first] + face[second]) / 2 + width * np.array(gaze)
        result += [centre, *(centre + width * radius * np.array([(1, 0), (0, -1), (-1, 0), (0, 1)]))]
    return np.array(result, dtype=np.float32)


def annotate_gaze(gaze: tuple[float, float] = (0.0, 0.0), face: FloatArray = FACE) -> Annotation:
    return Annotation(SIDE, SIDE, 1.0, {"face": face, "iris": irises(face, gaze)})


def iris_channel(annotation: Annotation) -> FloatArray:
    return (LANDMARKS.render(annotation, VIEW)[-1] + 1) / 2


def centroid_x(channel: FloatArray, start: int, stop: int) -> float:
    return float((channel[:, start:stop].sum(axis=0) * np.arange(start, stop)).sum() / channel[:, start:stop].sum())


def test_render_draws_irises_between_the_lids() -> None:
    channel = iris_channel(annotate_gaze())
    upper, lower = FACE[37, 1], FACE[40, 1]
    rows = np.flatnonzero(channel.max(axis=1) > 0.5)
    assert channel.max() == 1
    assert rows.min() >= upper - 2
    assert rows.max() <= lower + 2
    assert rows.max() - rows.min() < 0.4 * 36 - 1  # less than the disc, which the lids cut off
    columns = np.flatnonzero(channel[:, :128].max(axis=0) > 0.5)
    assert columns.max() - columns.min() + 1 == pytest.approx(0.4 * 36, abs=2)


@pytest.mark.parametrize("shift", [-0.25, 0.25, 0.01])
def test_render_moves_irises_with_the_gaze(shift: float) -> None:
    straight, aside = iris_channel(annotate_gaze()), iris_channel(annotate_gaze((shift, 0)))
    for start, stop in ((0, 128), (128, SIDE)):
        distance = centroid_x(aside, start, stop) - centroid_x(straight, start, stop)
        assert distance == pytest.approx(36 * shift, abs=0.1 + 0.15 * abs(36 * shift))


def test_render_without_irises_leaves_the_other_channels_unchanged() -> None:
    annotation = annotate_gaze()
    plain = load_conditioner("landmarks", {"iris": False}).render(annotation, VIEW)
    assert plain.shape[0] == 15
    np.testing.assert_array_equal(LANDMARKS.render(annotation, VIEW)[:15], plain)
    face_only = Annotation(SIDE, SIDE, 1.0, {"face": FACE})
    assert (iris_channel(face_only) == 0).all()
    np.testing.assert_array_equal(LANDMARKS.render(face_only, VIEW)[:15], plain)
    published = load_conditioner("landmarks", {"drawing": "published"})
    assert published.num_channels == 15
    np.testing.assert_array_equal(published.render(annotation, VIEW), published.render(face_only, VIEW))


def test_render_draws_no_iris_in_a_closed_eye() -> None:
    annotation = annotate_gaze()
    annotation.points["iris"][:5] = np.nan
    channel = iris_channel(annotation)
    assert channel[:, :128].max() == 0
    assert channel[:, 128:].max() == 1
    shut = place_face(schematic_face(eye_gap=0.0), 120, 128, 100)
    assert iris_channel(annotate_gaze(face=shut)).mean() < 0.2 * iris_channel(annotate_gaze()).mean()


def test_visualize_shows_the_irises() -> None:
    with_irises = LANDMARKS.visualize(annotate_gaze(), VIEW)
    without = LANDMARKS.visualize(Annotation(SIDE, SIDE, 1.0, {"face": FACE}), VIEW)
    changed = (with_irises != without).any(axis=2)
    assert changed[:, :128].any()
    assert changed[:, 128:].any()
    assert changed.sum() < 400


def test_hflip_exchanges_the_eyes() -> None:
    annotation = annotate_gaze((0.2, 0))
    annotation.points["iris"][:5] = np.nan
    flipped = LANDMARKS.hflip(annotation)
    iris = flipped.points["iris"]
    assert np.isnan(iris[5:]).all()
    np.testing.assert_allclose(iris[0, 0], SIDE - 1 - annotation.points["iris"][5, 0], atol=1e-4)
    np.testing.assert_allclose(iris_channel(flipped), iris_channel(annotation)[:, ::-1], atol=0.3)


def test_retarget_keeps_the_position_between_the_corners() -> None:
    target_face = place_face(schematic_face(eye_gap=0.14), 60, 90, 140, angle=0.3)
    source_annotations = [annotate_gaze((x, 0.02)) for x in (-0.2, 0.0, 0.2)]
    target_annotation = Annotation(SIDE, SIDE, 1.0, {"face": target_face, "iris": irises(target_face, radius=0.3)})
    source, target = LANDMARKS.statistics(source_annotations), LANDMARKS.statistics([target_annotation])
    assert source["iris_diameter"] == pytest.approx(0.4, abs=1e-4)
    assert target["iris_diameter"] == pytest.approx(0.6, abs=1e-4)
    for annotation, expected in zip(
        LANDMARKS.retarget(source_annotations, source, target), (-0.2, 0.0, 0.2), strict=True
    ):
        face, iris = annotation.points["face"], annotation.points["iris"]
        for row, first, second in ((0, 36, 39), (5, 42, 45)):
            corners = face[[first, second]]
            axis = corners[1] - corners[0]
            offset = (iris[row] - corners.mean(axis=0)) @ axis / (axis @ axis)
            assert offset == pytest.approx(expected, abs=1e-3)
            radius = np.linalg.norm(iris[row + 1 : row + 5] - iris[row], axis=1).mean()
            assert radius / np.linalg.norm(axis) == pytest.approx(0.3, abs=1e-3)
    unchanged = next(LANDMARKS.retarget(source_annotations, source, source))
    np.testing.assert_allclose(unchanged.points["iris"], source_annotations[0].points["iris"], atol=1e-3)


def test_retarget_of_a_face_without_irises_gives_none() -> None:
    source = [Annotation(SIDE, SIDE, 1.0, {"face": FACE})]
    statistics = LANDMARKS.statistics(source)
    assert "iris_diameter" not in statistics
    assert "iris" not in next(LANDMARKS.retarget(source, statistics, statistics)).points


def test_describe_weighs_a_look_aside_less_than_a_blink() -> None:
    shut = Annotation(SIDE, SIDE, 1.0, {"face": FACE.copy(), "iris": np.full((10, 2), np.nan, np.float32)})
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        shut.points["face"][upper] = shut.points["face"][lower]
    straight, aside, blink = (LANDMARKS.describe(a, VIEW) for a in (annotate_gaze(), annotate_gaze((0.25, 0)), shut))
    assert straight.shape == aside.shape == blink.shape
    gaze_distance, blink_distance = np.nansum((aside - straight) ** 2), np.nansum((blink - straight) ** 2)
    assert 0.05 * blink_distance < gaze_distance < blink_distance


def test_gaze_error_matches_hand_computed_values() -> None:
    reference = annotate_gaze()
    assert LANDMARKS.errors(reference, reference) == {"landmark_error": 0, "gaze_error": 0}
    aside = annotate_gaze((0.1, 0))
    assert LANDMARKS.errors(aside, reference)["gaze_error"] == pytest.approx(10, abs=1e-3)
    aside.points["iris"][:5] = reference.points["iris"][:5]
    assert LANDMARKS.errors(aside, reference)["gaze_error"] == pytest.approx(5, abs=1e-3)
    aside.points["iris"][:5] = np.nan  # closed: measured on the other eye only
    assert LANDMARKS.errors(aside, reference)["gaze_error"] == pytest.approx(10, abs=1e-3)
    assert "gaze_error" not in LANDMARKS.errors(Annotation(SIDE, SIDE, 1.0, {"face": FACE}), reference)


def test_smoother_restarts_an_iris_after_a_blink() -> None:
    smoother = LandmarkSmoother(0.05)
    opened, shut = np.concatenate([FACE, irises()]), np.concatenate([FACE, irises() * np.float32(np.nan)])
    aside = np.concatenate([FACE, irises(gaze=(0.05, 0))])
    np.testing.assert_allclose(smoother(opened), opened, atol=1e-4)
    assert 0 < (smoother(aside) - opened)[68:, 0].min() < (aside - opened)[68:, 0].min() - 0.1
    assert np.isnan(smoother(shut)[68:]).all()
    np.testing.assert_allclose(smoother(aside), aside, atol=1e-4)


def test_stored_options_of_older_datasets_have_no_irises() -> None:
    (stored,) = load_conditioners([("landmarks", {"smoothing": 0.01})])
    assert stored.num_channels == 15
    assert load_conditioner("landmarks").num_channels == 16


def test_iris_without_its_package_raises_error_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "is_installed", lambda module: module != "ai_edge_litert")
    monkeypatch.setattr(requirements, "missing_requirements", lambda spec: [])
    requirements.check_conditioners([load_conditioner("landmarks", {"iris": False})])
    with pytest.raises(MissingPackageError) as error_info:
        requirements.check_conditioners([LANDMARKS])
    assert "landmarks.iris=false" in str(error_info.value.hint)


def test_files_of_points_have_no_irises(tmp_path: Path) -> None:
    assert load_conditioner("landmarks", {"input_dir": str(tmp_path)}).num_channels == 15


def read_frames(path: Path, indices: tuple[int, ...]) -> list[UInt8Array]:
    return [np.asarray(frame) for index, frame in enumerate(VideoReader(path)) if index in indices]


@pytest.mark.skipif(not EXPRESSIONS.is_file(), reason="needs the footage")
def test_annotate_follows_the_gaze_and_blinks() -> None:
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("mediapipe")
    # Straight, closed, to the left of the image, to its right.
    frames = read_frames(EXPRESSIONS, (0, 18, 54, 90))
    straight, shut, left, right = load_conditioner("landmarks", {"smoothing": 0}).annotate(detect_cuts(frames))

    def gaze(annotation: Annotation) -> float:
        face, iris = annotation.points["face"], annotation.points["iris"]
        return float(
            np.mean(
                [
                    (iris[row, 0] - face[[a, b], 0].mean()) / np.linalg.norm(face[a] - face[b])
                    for row, a, b in ((0, 36, 39), (5, 42, 45))
                ]
            )
        )

    assert np.isnan(shut.points["iris"]).all()
    assert gaze(left) < gaze(straight) - 0.15
    assert gaze(right) > gaze(straight) + 0.15
