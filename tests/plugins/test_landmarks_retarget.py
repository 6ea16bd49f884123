"""Statistics and retargeting of the landmarks plugin on schematic faces."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.synthetic_faces import Points, face_annotation, place_face, relative_gap, schematic_face, stack_points

from vid2vid_cli.conditioning import Annotation, Statistics
from vid2vid_cli.conditioning.registry import load_conditioner

LANDMARKS = load_conditioner("landmarks")


def clip(
    scale: float,
    x: float,
    y: float,
    angle: float = 0.0,
    *,
    height: int = 240,
    width: int = 320,
    mouth_width: float = 1.0,
) -> list[Annotation]:
    """Thirty frames of a head that sways and nods, talks, and blinks on frames 14 and 15."""
    frames: list[Annotation] = []
    for i in range(30):
        face = schematic_face(0.15 * (i % 5 == 0) + 0.02, 0.01 if i in (14, 15) else 0.1, mouth_width)
        sway = 0.2 * scale * np.sin(i / 5)
        frames.append(face_annotation(place_face(face, scale, x + sway, y, angle + 0.1 * np.sin(i / 7)), height, width))
    return frames


def measure_statistics(annotations: list[Annotation]) -> Statistics:
    data: Statistics = json.loads(json.dumps(LANDMARKS.statistics(annotations)))
    return data


def retarget_points(source: list[Annotation], target: list[Annotation]) -> Points:
    return stack_points(list(LANDMARKS.retarget(source, measure_statistics(source), measure_statistics(target))))


def test_retarget_with_equal_statistics_is_identity() -> None:
    source = clip(50, 160, 100)
    np.testing.assert_allclose(retarget_points(source, source), stack_points(source), atol=0.05)


def test_retarget_is_equivariant_to_scale_and_translation() -> None:
    """The target's clip is the source's, moved and enlarged."""
    source, target = clip(40, 100, 90), clip(90, 400, 260, height=600, width=800)
    np.testing.assert_allclose(retarget_points(source, target), stack_points(target), atol=0.3)


def test_retarget_ignores_position_and_scale_of_the_source() -> None:
    target = clip(70, 200, 120)
    first_points = retarget_points(clip(40, 100, 90), target)
    second_points = retarget_points(clip(80, 180, 140), target)
    np.testing.assert_allclose(first_points, second_points, atol=0.3)


def test_retarget_gives_frame_pose_and_proportions_of_the_target() -> None:
    source, target = clip(40, 100, 90), clip(90, 400, 260, angle=0.3, height=600, width=800, mouth_width=1.4)
    result = list(LANDMARKS.retarget(source, measure_statistics(source), measure_statistics(target)))
    assert {(annotation.height, annotation.width) for annotation in result} == {(600, 800)}
    result_statistics, target_statistics = measure_statistics(result), measure_statistics(target)
    for key, tolerance in (("x", 2), ("y", 2), ("scale", 1), ("angle", 0.02)):
        assert result_statistics["median_pose"][key] == pytest.approx(
            target_statistics["median_pose"][key], abs=tolerance
        )
    for part, extent in target_statistics["part_extents"].items():
        assert result_statistics["part_extents"][part]["width"] == pytest.approx(extent["width"], abs=0.02)


def test_retarget_preserves_blinks_and_mouth_motion() -> None:
    source = clip(40, 100, 90)
    result = retarget_points(source, clip(90, 400, 260, mouth_width=1.4))
    result_mouth, source_mouth = relative_gap(result, 62, 66), relative_gap(stack_points(source), 62, 66)
    assert np.corrcoef(result_mouth, source_mouth)[0, 1] > 0.999
    assert result_mouth.max() >= source_mouth.max()
    eyelids = relative_gap(result, 37, 41)
    assert eyelids[14] < 0.02
    assert np.delete(eyelids, [14, 15]).min() > 0.08


def test_retarget_keeps_a_closed_mouth_closed() -> None:
    source = [face_annotation(place_face(schematic_face(gap), 50, 160, 100)) for gap in [0.03] * 20 + [0.0, 0.2]]
    target = [face_annotation(place_face(schematic_face(0.12), 50, 160, 100)) for _ in range(20)]
    lips = relative_gap(retarget_points(source, target), 62, 66)
    assert lips[0] == pytest.approx(0.12, abs=0.01)
    assert lips[20] == pytest.approx(0.0, abs=0.005)
    assert lips[21] > 0.25


def test_retarget_keeps_empty_annotations_empty() -> None:
    source = clip(40, 100, 90)
    source[3] = face_annotation(None)
    target = clip(70, 300, 200, height=480, width=640)
    result = list(LANDMARKS.retarget(iter(source), measure_statistics(source), measure_statistics(target)))
    assert [annotation.quality for annotation in result] == [annotation.quality for annotation in source]
    assert np.isnan(result[3].points["face"]).all()
    assert (result[3].height, result[3].width) == (480, 640)


def test_retarget_accepts_clips_without_faces() -> None:
    empty = [face_annotation(None)] * 3
    assert LANDMARKS.statistics(empty) == {}
    target = measure_statistics(clip(70, 300, 200, height=480, width=640))
    assert [annotation.quality for annotation in LANDMARKS.retarget(empty, {}, target)] == [0, 0, 0]
    assert [annotation.quality for annotation in LANDMARKS.retarget(empty, {}, {})] == [0, 0, 0]


def test_retarget_drops_background_edges() -> None:
    source = [
        Annotation(240, 320, 1.0, annotation.points, {"background": np.full((240, 320), 255, np.uint8)})
        for annotation in clip(40, 100, 90)
    ]
    target = measure_statistics(clip(70, 300, 200, height=480, width=640))
    result = next(iter(LANDMARKS.retarget(source, measure_statistics(source), target)))
    assert result.images["background"].shape == (480, 640)
    assert not result.images["background"].any()


def test_statistics_are_robust_to_outliers() -> None:
    clean_clip = clip(50, 160, 100)
    outliers = [face_annotation(place_face(schematic_face(), 20, 20, 20, 1.0))] * 2
    clean_statistics, outlier_statistics = measure_statistics(clean_clip), measure_statistics(clean_clip + outliers)
    np.testing.assert_allclose(outlier_statistics["neutral_face"], clean_statistics["neutral_face"], atol=0.01)
    assert outlier_statistics["median_pose"]["scale"] == pytest.approx(
        clean_statistics["median_pose"]["scale"], rel=0.02
    )


def test_subject_box_contains_the_head_throughout_the_clip() -> None:
    # 2.5 landmark widths of a face 75 pixels wide are 188 pixels and fit into the frame.
    annotations = clip(50, 330, 200, height=480, width=640)
    x0, y0, x1, y1 = measure_statistics(annotations)["subject_box"]
    points = stack_points(annotations)
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert 2.4 * 75 < x1 - x0 < 3.4 * 75
    assert x0 < points[..., 0].min() - 30
    assert points[..., 0].max() + 30 < x1
    assert y0 < points[..., 1].min() - 50
    assert points[..., 1].max() < y1


def test_subject_box_lies_in_the_frame() -> None:
    x0, y0, x1, y1 = measure_statistics(clip(90, 60, 60))["subject_box"]
    assert x0 >= 0
    assert y0 >= 0
    assert x1 <= 320
    assert y1 <= 240
    assert x1 - x0 == pytest.approx(y1 - y0)
