"""Rendering and augmentation of the pose plugin: colours, widths, antialiasing, dropout and jitter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.synthetic_people import face_keypoints, hand_keypoints, person_keypoints
from vid2vid_pose.drawing import PoseFormat, SkeletonStyle, draw_skeletons
from vid2vid_pose.topology import (
    BODY_25_LIMBS,
    COCO_18_COLOURS,
    COCO_18_JOINTS,
    COCO_18_LIMBS,
    FINGERS,
)

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.registry import load_conditioner

FULL_VIEW = View.from_box((0, 0, 320, 240), 240, 320)
Array = Any


def all_points(x: float = 160) -> dict[str, Array]:
    body = person_keypoints(x)
    return {
        "body": body,
        "left_hand": hand_keypoints(*body[7, :2]),
        "right_hand": hand_keypoints(*body[4, :2]),
        "face": face_keypoints(x, 30),
    }


def make_annotation(points: dict[str, Array] | None = None, quality: float = 1.0) -> Annotation:
    return Annotation(240, 320, quality, all_points() if points is None else points)


def draw_image(points: dict[str, Array], view: View = FULL_VIEW, **options: object) -> Array:
    return load_conditioner("pose", options).visualize(make_annotation(points), view)


def colour_at(image: Array, position: Array) -> tuple[int, ...]:
    x, y = np.rint(position).astype(int)
    return tuple(int(value) for value in image[y, x])


def test_limbs_have_the_published_colours() -> None:
    for start, end, colour in BODY_25_LIMBS:
        body = np.full((25, 3), np.nan, np.float32)
        body[start], body[end] = (100, 60, 1), (200, 180, 1)
        image = draw_image({"body": body})
        assert colour_at(image, np.array([150, 120])) == colour
        assert set(map(tuple, image[image.any(axis=2)])) >= {colour}


def test_coco_format_draws_limbs_and_dots() -> None:
    body = person_keypoints()
    image = draw_image({"body": body}, format="coco_18")
    for joint, colour in zip(COCO_18_JOINTS, COCO_18_COLOURS, strict=True):
        single_joint = np.full((25, 3), np.nan, np.float32)
        single_joint[joint] = (100, 100, 1)
        assert colour_at(draw_image({"body": single_joint}, format="coco_18"), np.array([100, 100])) == colour
    for start, end, colour in COCO_18_LIMBS[:12]:
        assert colour_at(image, body[[start, end], :2].mean(axis=0)) == pytest.approx(colour, abs=2)
    assert draw_image({"body": body})[:, :, 0].max() != 255
    assert len(COCO_18_LIMBS) == 17
    assert len(BODY_25_LIMBS) == 24


def test_limb_width_is_proportional_to_the_image_height() -> None:
    body = np.full((25, 3), np.nan, np.float32)
    body[1], body[8] = (160, 60, 1), (160, 200, 1)
    for height in (240, 480, 960):
        view = View.from_box((0, 0, 320, 240), height, height * 4 // 3)
        row = load_conditioner("pose").render(make_annotation({"body": body}), view)[0, height * 130 // 240]
        width = float((row + 1).sum()) / (153 / 127.5)
        assert width == pytest.approx(0.01 * height, rel=0.03)


def test_drawing_is_consistent_across_sizes_and_windows() -> None:
    """The average of a larger drawing equals the drawing; the drawing of a window equals a part of the drawing."""
    points = all_points()
    small = draw_image(points, View.from_box((0, 0, 320, 240), 480, 640)).astype(float)
    large = draw_image(points, View.from_box((0, 0, 320, 240), 1920, 2560)).astype(float)
    averaged = large.reshape(480, 4, 640, 4, 3).mean(axis=(1, 3))
    assert np.abs(averaged - small).mean() < 0.15
    assert np.abs(averaged - small).max() < 60
    window = draw_image(points, View.from_box((100, 20, 260, 260), 480, 320))
    np.testing.assert_array_equal(
        window[:440], draw_image(points, View.from_box((0, 20, 320, 260), 480, 640))[:440, 200:520]
    )


def test_stroke_edges_have_exact_pixel_coverage() -> None:
    """A line 2.4 pixels wide at subpixel positions."""
    body = np.full((25, 3), np.nan, np.float32)
    for shift in (0.0, 0.25, 0.5):
        body[1], body[8] = (160 + shift, 60, 1), (160 + shift, 200, 1)
        row = draw_skeletons({"body": body}, FULL_VIEW, SkeletonStyle())[130, 158:163, 0] / 153
        edges = np.arange(158, 163) - 160 - shift
        coverage = np.clip(np.minimum(edges + 0.5, 1.2) - np.maximum(edges - 0.5, -1.2), 0, 1)
        np.testing.assert_allclose(row, coverage, atol=1e-3)


def test_overlapping_limbs_are_averaged_in_any_order() -> None:
    body = np.full((50, 3), np.nan, np.float32)
    body[[1, 8]] = (100, 120, 1), (220, 120, 1)
    body[[25 + 9, 25 + 10]] = (160, 60, 1), (160, 180, 1)
    image = draw_image({"body": body})
    assert colour_at(image, np.array([160, 120])) == (76, 76, 51)
    np.testing.assert_array_equal(image, draw_image({"body": np.vstack([body[25:], body[:25]])}))


def test_hands_and_face_can_be_disabled() -> None:
    points = all_points()
    image = draw_image(points)
    for finger, colour in FINGERS:
        position = points["left_hand"][list(finger[3:]), :2].mean(axis=0)
        large_view = View.from_box((0, 0, 320, 240), 1920, 2560)
        assert colour_at(draw_image({"left_hand": points["left_hand"]}, large_view), position * 8 + 3.5) == colour
    assert (image == 255).all(axis=2).any()
    body_image = draw_image(points, hands=False, face=False)
    np.testing.assert_array_equal(body_image, draw_image({"body": points["body"]}))
    assert (body_image != image).any()


def test_body_only_omits_eyes_ears_hands_and_face() -> None:
    points = all_points()
    body_only_image = draw_image(points, body_only=True)
    assert (body_only_image != draw_image(points, hands=False, face=False)).any()
    headless = points["body"].copy()
    headless[15:19] = np.nan
    np.testing.assert_array_equal(body_only_image, draw_image({"body": headless}))


def test_missing_and_uncertain_points_are_not_drawn() -> None:
    black = np.zeros((240, 320, 3), np.uint8)
    np.testing.assert_array_equal(draw_image({"body": np.full((25, 3), np.nan, np.float32)}), black)
    np.testing.assert_array_equal(draw_image({"body": person_keypoints(confidence=0.04)}), black)
    assert draw_image({"body": person_keypoints(confidence=0.04)}, min_confidence=0.01).any()
    faint = {"face": np.column_stack([face_keypoints(160, 100)[:, :2], np.full(70, 0.09)]).astype(np.float32)}
    assert not draw_image(faint).any()
    missing = person_keypoints()
    missing[3] = np.nan
    image = draw_image({"body": missing})
    assert colour_at(image, person_keypoints()[[2, 3], :2].mean(axis=0)) == (0, 0, 0)
    assert colour_at(image, person_keypoints()[[5, 6], :2].mean(axis=0)) == (51, 153, 0)


def test_points_far_outside_the_image_are_ignored() -> None:
    body = person_keypoints()
    body[4] = (1e9, -1e9, 1)
    body[7] = (900, 500, 1)
    image = draw_image({"body": body})
    assert image.any()
    channels = load_conditioner("pose").render(make_annotation({"body": body}), FULL_VIEW)
    assert np.isfinite(channels).all()


def test_render_returns_the_visualization_as_channels() -> None:
    conditioner = load_conditioner("pose")
    channels = conditioner.render(make_annotation(), FULL_VIEW)
    assert channels.shape == (3, 240, 320)
    image = (channels.transpose(1, 2, 0) + 1) * 127.5
    np.testing.assert_allclose(image, conditioner.visualize(make_annotation(), FULL_VIEW), atol=0.51)
    assert channels[:, 0, 0].tolist() == [-1, -1, -1]
    assert (conditioner.render(make_annotation(quality=0.0), FULL_VIEW) == -1).all()


def augment_clip(seed: int = 0, num_frames: int = 4, **options: object) -> tuple[list[Annotation], list[Annotation]]:
    frames = [make_annotation(all_points(120 + 5 * i)) for i in range(num_frames)]
    augmented = load_conditioner("pose", options).augment(frames, np.random.default_rng(seed))
    return frames, list(augmented)


def test_augment_is_off_by_default() -> None:
    frames, augmented = augment_clip()
    assert all(frame is augmented_frame for frame, augmented_frame in zip(frames, augmented, strict=True))


def test_joint_dropout_is_constant_within_the_clip() -> None:
    frames, augmented = augment_clip(joint_dropout=0.3)
    missing = [np.isnan(frame.points["body"][:, 0]) for frame in augmented]
    assert 2 <= missing[0].sum() <= 14
    assert all((mask == missing[0]).all() for mask in missing)
    is_kept = ~missing[0]
    np.testing.assert_array_equal(augmented[2].points["body"][is_kept], frames[2].points["body"][is_kept])
    clips = [augment_clip(seed, 1, joint_dropout=0.3)[1] for seed in range(60)]
    shares = [np.isnan(clip[0].points["body"][:, 0]).mean() for clip in clips]
    assert np.mean(shares) == pytest.approx(0.3, abs=0.05)
    assert [frame.quality for frame in augmented] == [1.0] * 4


def test_joint_dropout_drops_whole_hands_and_faces() -> None:
    point_sets = [augment_clip(seed, 1, joint_dropout=0.5)[1][0].points for seed in range(40)]
    for name in ("left_hand", "right_hand", "face"):
        shares = {float(np.isnan(points[name][:, 0]).mean()) for points in point_sets}
        assert shares == {0.0, 1.0}


def test_head_jitter_is_constant_and_moves_only_the_head() -> None:
    frames, augmented = augment_clip(head_jitter=0.02)
    offsets = [
        augmented_frame.points["body"][:, :2] - frame.points["body"][:, :2]
        for frame, augmented_frame in zip(frames, augmented, strict=True)
    ]
    head = [0, 15, 16, 17, 18]
    assert (np.abs(np.delete(offsets[0], head, axis=0)) == 0).all()
    assert 0.5 < np.abs(offsets[0][head]).mean() < 12
    np.testing.assert_allclose(offsets[3], offsets[0], atol=1e-4)
    face_offset = augmented[1].points["face"][:, :2] - frames[1].points["face"][:, :2]
    assert np.ptp(face_offset, axis=0).max() < 1e-3
    assert np.abs(face_offset).max() > 0


def test_augment_does_not_modify_its_input() -> None:
    frames, _ = augment_clip(joint_dropout=1.0, head_jitter=0.1)
    np.testing.assert_array_equal(frames[0].points["body"], person_keypoints(120))


@pytest.mark.parametrize("pose_format", ["body_25", "coco_18"])
def test_render_of_crop_matches_crop_of_render(pose_format: PoseFormat) -> None:
    """The view's `cropped_from` keeps the widths of limbs and dots."""
    crop_view = View(((1.0, 0.0, -90.0), (0.0, 1.0, -20.0)), 150, 140, cropped_from=(240, 320))
    expected = draw_skeletons(all_points(), FULL_VIEW, SkeletonStyle(format=pose_format))[20:170, 90:230]
    assert np.allclose(draw_skeletons(all_points(), crop_view, SkeletonStyle(format=pose_format)), expected, atol=0.1)
    assert not np.allclose(
        draw_skeletons(all_points(), View(crop_view.matrix, 150, 140), SkeletonStyle(format=pose_format)),
        expected,
        atol=0.1,
    )
