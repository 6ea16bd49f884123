"""The torso below a face: tracking in moving textures and a real clip, drawing, statistics and retargeting."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.synthetic_faces import face_annotation, place_face, schematic_face
from vid2vid_landmarks.torso import TorsoTracker, median_torso, retarget_torso

from vid2vid_cli.conditioning import Annotation, FloatArray, UInt8Array, VideoFrame, View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.media.reader import VideoReader

WIDTH, HEIGHT = 320, 240
FACE = place_face(schematic_face(), 45, 160, 70)
CARPHONE = Path("/work/shared/data/face/carphone_pristine.mp4")
LANDMARKS = load_conditioner("landmarks")
VIEW = View.from_box((0, 0, WIDTH, HEIGHT), HEIGHT, WIDTH)


def texture(seed: int = 0) -> UInt8Array:
    noise = np.random.default_rng(seed).normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def shifted(x: float, y: float = 0.0, seed: int = 0) -> UInt8Array:
    matrix = np.float32([[1, 0, x], [0, 1, y]])
    return np.asarray(cv2.warpAffine(texture(seed), matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.uint8)


def test_points_start_below_the_face_to_both_sides() -> None:
    left, right = TorsoTracker()(texture(), FACE)
    assert left[0] < FACE[8, 0] < right[0]
    assert left[1] == right[1] > FACE[:, 1].max() + 20
    assert (left[0] + right[0]) / 2 == pytest.approx(FACE[:17, 0].mean(), abs=1e-3)


def test_points_follow_the_torso_and_not_the_head() -> None:
    tracker = TorsoTracker()
    start = tracker(texture(), FACE)
    for step in range(1, 40):
        offset = 12 * np.sin(step / 6), 5 * np.sin(step / 9)
        head = FACE + np.float32([15 * np.sin(step / 4), 0])
        assert tracker(shifted(*offset), head) - start == pytest.approx(np.tile(offset, (2, 1)), abs=0.5)


def test_errors_do_not_add_up() -> None:
    """After 300 frames of motion, a frame like the first one gives the first points."""
    tracker = TorsoTracker()
    start = tracker(texture(), FACE)
    for step in range(1, 301):
        end = tracker(shifted(10 * np.sin(step / 5), 4 * np.sin(step / 7)), FACE)
    for _ in range(10):
        end = tracker(texture(), FACE)
    assert end == pytest.approx(start, abs=0.15)


def test_shot_that_returns_gives_the_same_points() -> None:
    tracker = TorsoTracker()
    first = tracker(texture(), FACE)
    for step in range(12):
        last = tracker(shifted(2.0 * step), FACE)
    assert last - first == pytest.approx(np.tile([22, 0], (2, 1)), abs=0.5)
    tracker.reset()
    other_face = place_face(schematic_face(), 30, 100, 60)
    other = tracker(texture(1), other_face)
    assert other == pytest.approx(TorsoTracker()(texture(1), other_face))
    tracker.reset()
    head = FACE + np.float32([9, 0])
    assert tracker(shifted(1), head) - first == pytest.approx(np.tile([1, 0], (2, 1)), abs=0.5)


def test_points_without_texture_stay_and_are_found_again_below_a_face_far_away() -> None:
    tracker = TorsoTracker()
    grey = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    start = tracker(grey, FACE)
    near = FACE + np.float32([20, 0])
    assert tracker(grey, near) == pytest.approx(start)
    far = place_face(schematic_face(), 20, 60, 40)
    assert tracker(grey, far) == pytest.approx(TorsoTracker()(grey, far))


@pytest.mark.parametrize(
    "face",
    [
        FACE + np.float32([0, 120]),
        FACE + np.float32([900, 900]),
        FACE - np.float32([900, 900]),
        np.full_like(FACE, 5),
        20 * FACE,
        1e6 * FACE,
    ],
)
def test_points_of_faces_at_and_outside_the_border_are_finite(face: FloatArray) -> None:
    tracker = TorsoTracker()
    for step in range(3):
        assert np.isfinite(tracker(shifted(3.0 * step), face)).all()


def test_small_frames_are_tracked() -> None:
    tracker = TorsoTracker()
    for _ in range(2):
        assert np.isfinite(tracker(np.zeros((4, 3, 3), np.uint8), FACE)).all()


def with_torso(face: FloatArray = FACE, torso: FloatArray | None = None) -> Annotation:
    annotation = face_annotation(face, HEIGHT, WIDTH)
    points = np.float32([[120, 200], [200, 205]]) if torso is None else torso
    return Annotation(HEIGHT, WIDTH, 1.0, {**annotation.points, "torso": points})


def test_render_draws_the_torso_as_a_line() -> None:
    drawing = LANDMARKS.render(with_torso(), VIEW)[0]
    assert drawing[202, 160] == 1  # the middle, 202.5
    assert (drawing[195:210, 121:199].max(axis=0) > 0.5).all()
    assert (drawing[195:210, :115] == -1).all()
    assert (drawing[195:210, 206:] == -1).all()
    plain = load_conditioner("landmarks", {"torso": False})
    without = plain.render(with_torso(), VIEW)
    assert (without[0, 190:] == -1).all()
    np.testing.assert_array_equal(without[0, :180], drawing[:180])
    np.testing.assert_array_equal(without[1:], LANDMARKS.render(with_torso(), VIEW)[1:])
    published = load_conditioner("landmarks", {"drawing": "published"}).render(with_torso(), VIEW)
    assert (published[0, 190:] == published[0].min()).all()


@pytest.mark.parametrize("torso", [np.full((2, 2), np.nan, np.float32), np.float32([[-4e5, 9e5], [1e5, 9e5]])])
def test_render_leaves_out_a_torso_that_is_missing_or_outside(torso: FloatArray) -> None:
    plain = load_conditioner("landmarks", {"torso": False}).render(with_torso(), VIEW)
    np.testing.assert_array_equal(LANDMARKS.render(with_torso(torso=torso), VIEW), plain)


def test_visualisation_shows_the_torso() -> None:
    assert LANDMARKS.visualize(with_torso(), VIEW)[202, 160].max() > 100
    assert LANDMARKS.visualize(face_annotation(FACE, HEIGHT, WIDTH), VIEW)[202, 160].max() == 0


def test_hflip_exchanges_both_points() -> None:
    flipped = LANDMARKS.hflip(with_torso())
    assert flipped.points["torso"].tolist() == [[WIDTH - 1 - 200, 205], [WIDTH - 1 - 120, 200]]
    np.testing.assert_array_equal(LANDMARKS.hflip(flipped).points["torso"], with_torso().points["torso"])


def moving_clip(scale: float, x: float, y: float) -> list[Annotation]:
    """The head sways; the torso moves by itself, by up to 0.3 of the face's scale."""
    clip = []
    for i in range(30):
        sway, lean = 0.2 * scale * np.sin(i / 5), 0.3 * scale * np.sin(i / 3)
        torso = np.float32([[x + lean - scale, y + 3 * scale], [x + lean + scale, y + 3 * scale]])
        clip.append(with_torso(place_face(schematic_face(), scale, x + sway, y), torso))
    return clip


def torsos(annotations: list[Annotation]) -> FloatArray:
    return np.stack([item.points["torso"] for item in annotations])


def test_retarget_with_equal_statistics_is_identity() -> None:
    clip = moving_clip(30, 150, 80)
    statistics = LANDMARKS.statistics(clip)
    np.testing.assert_allclose(torsos(list(LANDMARKS.retarget(clip, statistics, statistics))), torsos(clip), atol=0.01)


def test_retarget_moves_the_torso_at_its_place_and_size() -> None:
    source, target = moving_clip(30, 150, 80), moving_clip(60, 200, 100)
    statistics = LANDMARKS.statistics(source), LANDMARKS.statistics(target)
    np.testing.assert_allclose(torsos(list(LANDMARKS.retarget(source, *statistics))), torsos(target), atol=0.5)


def test_retarget_keeps_the_torso_still_if_the_source_has_none() -> None:
    source, target = moving_clip(30, 150, 80), moving_clip(60, 200, 100)
    for item in source:
        item.points["torso"][:] = np.nan  # type: ignore[index]
    statistics = LANDMARKS.statistics(source), LANDMARKS.statistics(target)
    assert "torso" not in statistics[0]
    place = np.float32(statistics[1]["torso"])
    assert all(torso == pytest.approx(place) for torso in torsos(list(LANDMARKS.retarget(source, *statistics))))
    assert median_torso(target) == statistics[1]["torso"]


def test_retarget_to_a_target_without_torso_gives_none() -> None:
    source = moving_clip(30, 150, 80)
    target = [face_annotation(FACE, HEIGHT, WIDTH)] * 3
    retargeted = LANDMARKS.retarget(source, LANDMARKS.statistics(source), LANDMARKS.statistics(target))
    assert all("torso" not in item.points for item in retargeted)


def test_retarget_refuses_statistics_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\) instead of \(2, 2\)"):
        retarget_torso(None, {}, {"torso": [1.0, 2.0]}, 1.0)


def test_points_of_files_have_no_torso(tmp_path: Path) -> None:
    assert not load_conditioner("landmarks", {"input_dir": str(tmp_path)}).options.torso  # type: ignore[attr-defined]
    assert LANDMARKS.options.torso  # type: ignore[attr-defined]


@pytest.mark.skipif(not CARPHONE.is_file(), reason="needs ../shared/data")
def test_annotate_follows_the_jacket_of_a_real_clip() -> None:
    """Around the right point, later frames show what the first one shows; moved with the nose they do not."""
    frames = [frame for _, frame in zip(range(120), VideoReader(CARPHONE), strict=False)]
    annotations = list(LANDMARKS.annotate(VideoFrame(frame) for frame in frames))
    points, noses = torsos(annotations)[:, 1], np.stack([item.points["face"][30] for item in annotations])
    for index in (60, 90, 119):
        with_torso, with_nose = (
            np.corrcoef(*(cut_out(frames[i], place).ravel() for i, place in ((0, points[0]), (index, moved))))[0, 1]
            for moved in (points[index], points[0] + noses[index] - noses[0])
        )
        assert with_torso > max(0.75, with_nose + 0.05)


def cut_out(image: UInt8Array, point: FloatArray) -> FloatArray:
    return np.asarray(cv2.getRectSubPix(image, (32, 16), tuple(point.tolist())), np.float32)
