"""Statistics and retargeting of the landmarks plugin, on schematic faces: no library, no footage."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.synthetic_faces import Points, annotation, gap, place, schematic, stacked

from vid2vid_cli.conditioning import Annotation, Statistics
from vid2vid_cli.conditioning.registry import load_conditioner

LANDMARKS = load_conditioner("landmarks")


def clip(
    scale: float, x: float, y: float, angle: float = 0.0, *, height: int = 240, width: int = 320, wide: float = 1.0
) -> list[Annotation]:
    """Thirty frames of a head that sways and nods, talks, and blinks on frames 14 and 15."""
    frames: list[Annotation] = []
    for i in range(30):
        face = schematic(0.15 * (i % 5 == 0) + 0.02, 0.01 if i in (14, 15) else 0.1, wide)
        sway = 0.2 * scale * np.sin(i / 5)
        frames.append(annotation(place(face, scale, x + sway, y, angle + 0.1 * np.sin(i / 7)), height, width))
    return frames


def statistics(annotations: list[Annotation]) -> Statistics:
    data: Statistics = json.loads(json.dumps(LANDMARKS.statistics(annotations)))
    return data


def carried(source: list[Annotation], target: list[Annotation]) -> Points:
    return stacked(list(LANDMARKS.retarget(source, statistics(source), statistics(target))))


def test_equal_statistics_give_equal_points() -> None:
    source = clip(50, 160, 100)
    np.testing.assert_allclose(carried(source, source), stacked(source), atol=0.05)


def test_the_same_person_elsewhere_is_met_exactly() -> None:
    """Scale and translation equivariance: the target's clip is the source's, moved and enlarged."""
    source, target = clip(40, 100, 90), clip(90, 400, 260, height=600, width=800)
    np.testing.assert_allclose(carried(source, target), stacked(target), atol=0.3)


def test_moving_the_source_moves_nothing() -> None:
    target = clip(70, 200, 120)
    one, other = carried(clip(40, 100, 90), target), carried(clip(80, 180, 140), target)
    np.testing.assert_allclose(one, other, atol=0.3)


def test_the_target_gives_its_frame_pose_and_proportions() -> None:
    source, target = clip(40, 100, 90), clip(90, 400, 260, angle=0.3, height=600, width=800, wide=1.4)
    result = list(LANDMARKS.retarget(source, statistics(source), statistics(target)))
    assert {(one.height, one.width) for one in result} == {(600, 800)}
    mine, theirs = statistics(result), statistics(target)
    for key, tolerance in (("x", 2), ("y", 2), ("scale", 1), ("angle", 0.02)):
        assert mine["pose"][key] == pytest.approx(theirs["pose"][key], abs=tolerance)
    for part, size in theirs["parts"].items():
        assert mine["parts"][part]["width"] == pytest.approx(size["width"], abs=0.02)


def test_blinks_and_mouth_survive() -> None:
    source = clip(40, 100, 90)
    result = carried(source, clip(90, 400, 260, wide=1.4))
    mouth, before = gap(result, 62, 66), gap(stacked(source), 62, 66)
    assert np.corrcoef(mouth, before)[0, 1] > 0.999
    assert mouth.max() >= before.max()
    lids = gap(result, 37, 41)
    assert lids[14] < 0.02
    assert np.delete(lids, [14, 15]).min() > 0.08


def test_a_shut_mouth_stays_shut_on_a_target_whose_lips_are_parted_at_rest() -> None:
    source = [annotation(place(schematic(gap), 50, 160, 100)) for gap in [0.03] * 20 + [0.0, 0.2]]
    target = [annotation(place(schematic(0.12), 50, 160, 100)) for _ in range(20)]
    lips = gap(carried(source, target), 62, 66)
    assert lips[0] == pytest.approx(0.12, abs=0.01)
    assert lips[20] == pytest.approx(0.0, abs=0.005)
    assert lips[21] > 0.25


def test_empty_frames_stay_empty() -> None:
    source = clip(40, 100, 90)
    source[3] = annotation(None)
    target = clip(70, 300, 200, height=480, width=640)
    result = list(LANDMARKS.retarget(iter(source), statistics(source), statistics(target)))
    assert [one.quality for one in result] == [one.quality for one in source]
    assert np.isnan(result[3].points["face"]).all()
    assert (result[3].height, result[3].width) == (480, 640)


def test_nothing_found_is_no_error() -> None:
    empty = [annotation(None)] * 3
    assert LANDMARKS.statistics(empty) == {}
    target = statistics(clip(70, 300, 200, height=480, width=640))
    assert [one.quality for one in LANDMARKS.retarget(empty, {}, target)] == [0, 0, 0]
    assert [one.quality for one in LANDMARKS.retarget(empty, {}, {})] == [0, 0, 0]


def test_background_edges_of_the_source_are_dropped() -> None:
    source = [
        Annotation(240, 320, 1.0, one.points, {"background": np.full((240, 320), 255, np.uint8)})
        for one in clip(40, 100, 90)
    ]
    target = statistics(clip(70, 300, 200, height=480, width=640))
    result = next(iter(LANDMARKS.retarget(source, statistics(source), target)))
    assert result.images["background"].shape == (480, 640)
    assert not result.images["background"].any()


def test_a_few_wild_frames_do_not_bend_the_statistics() -> None:
    good = clip(50, 160, 100)
    wild = [annotation(place(schematic(), 20, 20, 20, 1.0))] * 2
    one, other = statistics(good), statistics(good + wild)
    np.testing.assert_allclose(other["neutral"], one["neutral"], atol=0.01)
    assert other["pose"]["scale"] == pytest.approx(one["pose"]["scale"], rel=0.02)


def test_the_focus_holds_the_head_through_the_whole_clip() -> None:
    # 2.5 landmark widths of a face 75 wide are 188: they fit into the frame.
    annotations = clip(50, 330, 200, height=480, width=640)
    x0, y0, x1, y1 = statistics(annotations)["focus"]
    points = stacked(annotations)
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert 2.4 * 75 < x1 - x0 < 3.4 * 75
    assert x0 < points[..., 0].min() - 30
    assert points[..., 0].max() + 30 < x1
    assert y0 < points[..., 1].min() - 50
    assert points[..., 1].max() < y1


def test_the_focus_stays_in_the_frame() -> None:
    x0, y0, x1, y1 = statistics(clip(90, 60, 60))["focus"]
    assert x0 >= 0
    assert y0 >= 0
    assert x1 <= 320
    assert y1 <= 240
    assert x1 - x0 == pytest.approx(y1 - y0)
