"""The skeleton as OpenPose draws it: colours, widths, exact at any size; and what training varies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.synthetic_people import face, hand, person
from vid2vid_landmarks.topology import from_mesh as landmarks_of_mesh
from vid2vid_pose.drawing import Style, draw
from vid2vid_pose.topology import (
    COCO_18,
    DOTS_18,
    FINGERS,
    LIMBS,
    LIMBS_18,
    from_blaze,
    from_coco_18,
    from_mesh,
    from_top_down,
)

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.registry import load_conditioner

WHOLE = View.of_box((0, 0, 320, 240), 240, 320)
Array = Any


def everything(x: float = 160) -> dict[str, Array]:
    body = person(x)
    return {
        "body": body,
        "left_hand": hand(*body[7, :2]),
        "right_hand": hand(*body[4, :2]),
        "face": face(x, 30),
    }


def annotation(points: dict[str, Array] | None = None, quality: float = 1.0) -> Annotation:
    return Annotation(240, 320, quality, everything() if points is None else points)


def picture(points: dict[str, Array], view: View = WHOLE, **options: object) -> Array:
    return load_conditioner("pose", options).picture(annotation(points), view)


def colour_at(image: Array, place: Array) -> tuple[int, ...]:
    x, y = np.rint(place).astype(int)
    return tuple(int(value) for value in image[y, x])


def test_limbs_have_the_published_colours() -> None:
    for one, other, colour in LIMBS:
        body = np.full((25, 3), np.nan, np.float32)
        body[one], body[other] = (100, 60, 1), (200, 180, 1)
        image = picture({"body": body})
        assert colour_at(image, np.array([150, 120])) == colour
        assert set(map(tuple, image[image.any(axis=2)])) >= {colour}


def test_the_coco_drawing_has_its_limbs_and_dots() -> None:
    body = person()
    image = picture({"body": body}, layout="18")
    for joint, colour in zip(COCO_18, DOTS_18, strict=True):
        single = np.full((25, 3), np.nan, np.float32)
        single[joint] = (100, 100, 1)
        assert colour_at(picture({"body": single}, layout="18"), np.array([100, 100])) == colour
    for one, other, colour in LIMBS_18[:12]:
        assert colour_at(image, body[[one, other], :2].mean(axis=0)) == pytest.approx(colour, abs=2)
    assert picture({"body": body})[:, :, 0].max() != 255
    assert len(LIMBS_18) == 17
    assert len(LIMBS) == 24


def test_limb_width_follows_the_height_of_the_picture() -> None:
    body = np.full((25, 3), np.nan, np.float32)
    body[1], body[8] = (160, 60, 1), (160, 200, 1)
    for height in (240, 480, 960):
        view = View.of_box((0, 0, 320, 240), height, height * 4 // 3)
        row = load_conditioner("pose").render(annotation({"body": body}), view)[0, height * 130 // 240]
        width = float((row + 1).sum()) / (153 / 127.5)
        assert width == pytest.approx(0.01 * height, rel=0.03)


def test_the_drawing_is_the_same_at_any_size_and_place() -> None:
    """Drawn larger and averaged, it is the drawing; drawn in a moved window, it is a piece of it."""
    points = everything()
    small = picture(points, View.of_box((0, 0, 320, 240), 480, 640)).astype(float)
    large = picture(points, View.of_box((0, 0, 320, 240), 1920, 2560)).astype(float)
    averaged = large.reshape(480, 4, 640, 4, 3).mean(axis=(1, 3))
    assert np.abs(averaged - small).mean() < 0.15
    assert np.abs(averaged - small).max() < 60
    piece = picture(points, View.of_box((100, 20, 260, 260), 480, 320))
    np.testing.assert_array_equal(piece[:440], picture(points, View.of_box((0, 20, 320, 260), 480, 640))[:440, 200:520])


def test_parts_of_a_pixel_are_drawn() -> None:
    """Each pixel by how much of it is covered: 2.4 pixels wide, wherever they begin."""
    body = np.full((25, 3), np.nan, np.float32)
    for shift in (0.0, 0.25, 0.5):
        body[1], body[8] = (160 + shift, 60, 1), (160 + shift, 200, 1)
        row = draw({"body": body}, WHOLE, Style())[130, 158:163, 0] / 153
        edges = np.arange(158, 163) - 160 - shift
        covered = np.clip(np.minimum(edges + 0.5, 1.2) - np.maximum(edges - 0.5, -1.2), 0, 1)
        np.testing.assert_allclose(row, covered, atol=1e-3)


def test_overlapping_limbs_are_averaged_whatever_the_order() -> None:
    body = np.full((50, 3), np.nan, np.float32)
    body[[1, 8]] = (100, 120, 1), (220, 120, 1)
    body[[25 + 9, 25 + 10]] = (160, 60, 1), (160, 180, 1)
    image = picture({"body": body})
    assert colour_at(image, np.array([160, 120])) == (76, 76, 51)
    np.testing.assert_array_equal(image, picture({"body": np.vstack([body[25:], body[:25]])}))


def test_hands_and_face_are_drawn_and_can_be_left_out() -> None:
    points = everything()
    image = picture(points)
    for finger, colour in FINGERS:
        place = points["left_hand"][list(finger[3:]), :2].mean(axis=0)
        large = View.of_box((0, 0, 320, 240), 1920, 2560)
        assert colour_at(picture({"left_hand": points["left_hand"]}, large), place * 8 + 3.5) == colour
    assert (image == 255).all(axis=2).any()
    without = picture(points, hands=False, face=False)
    np.testing.assert_array_equal(without, picture({"body": points["body"]}))
    assert (without != image).any()


def test_basic_leaves_the_trunk_and_limbs() -> None:
    points = everything()
    basic = picture(points, basic=True)
    assert (basic != picture(points, hands=False, face=False)).any()
    headless = points["body"].copy()
    headless[15:19] = np.nan
    np.testing.assert_array_equal(basic, picture({"body": headless}))


def test_what_is_not_there_is_not_drawn() -> None:
    black = np.zeros((240, 320, 3), np.uint8)
    np.testing.assert_array_equal(picture({"body": np.full((25, 3), np.nan, np.float32)}), black)
    np.testing.assert_array_equal(picture({"body": person(confidence=0.04)}), black)
    assert picture({"body": person(confidence=0.04)}, least=0.01).any()
    faint = {"face": np.column_stack([face(160, 100)[:, :2], np.full(70, 0.09)]).astype(np.float32)}
    assert not picture(faint).any()
    missing = person()
    missing[3] = np.nan
    image = picture({"body": missing})
    assert colour_at(image, person()[[2, 3], :2].mean(axis=0)) == (0, 0, 0)
    assert colour_at(image, person()[[5, 6], :2].mean(axis=0)) == (51, 153, 0)


def test_points_far_outside_do_no_harm() -> None:
    body = person()
    body[4] = (1e9, -1e9, 1)
    body[7] = (900, 500, 1)
    image = picture({"body": body})
    assert image.any()
    channels = load_conditioner("pose").render(annotation({"body": body}), WHOLE)
    assert np.isfinite(channels).all()


def test_channels_are_the_picture() -> None:
    conditioner = load_conditioner("pose")
    channels = conditioner.render(annotation(), WHOLE)
    assert channels.shape == (3, 240, 320)
    drawn = (channels.transpose(1, 2, 0) + 1) * 127.5
    np.testing.assert_allclose(drawn, conditioner.picture(annotation(), WHOLE), atol=0.51)
    assert channels[:, 0, 0].tolist() == [-1, -1, -1]
    assert (conditioner.render(annotation(quality=0.0), WHOLE) == -1).all()


# What training varies


def augment(seed: int = 0, clip: int = 4, **options: object) -> tuple[list[Annotation], list[Annotation]]:
    frames = [annotation(everything(120 + 5 * i)) for i in range(clip)]
    varied = load_conditioner("pose", options).augment(frames, np.random.default_rng(seed))
    return frames, list(varied)


def test_nothing_is_varied_unasked() -> None:
    frames, varied = augment()
    assert all(one is other for one, other in zip(frames, varied, strict=True))


def test_dropped_joints_are_missing_throughout_the_clip() -> None:
    frames, varied = augment(drop=0.3)
    missing = [np.isnan(one.points["body"][:, 0]) for one in varied]
    assert 2 <= missing[0].sum() <= 14
    assert all((other == missing[0]).all() for other in missing)
    kept = ~missing[0]
    np.testing.assert_array_equal(varied[2].points["body"][kept], frames[2].points["body"][kept])
    shares = [np.isnan(augment(seed, 1, drop=0.3)[1][0].points["body"][:, 0]).mean() for seed in range(60)]
    assert np.mean(shares) == pytest.approx(0.3, abs=0.05)
    assert [one.quality for one in varied] == [1.0] * 4


def test_hands_and_faces_are_dropped_as_a_whole() -> None:
    lost = [augment(seed, 1, drop=0.5)[1][0].points for seed in range(40)]
    for name in ("left_hand", "right_hand", "face"):
        shares = {float(np.isnan(points[name][:, 0]).mean()) for points in lost}
        assert shares == {0.0, 1.0}


def test_jitter_moves_the_head_alone_and_the_same_on_every_frame() -> None:
    frames, varied = augment(jitter=0.02)
    moves = [v.points["body"][:, :2] - f.points["body"][:, :2] for f, v in zip(frames, varied, strict=True)]
    head = [0, 15, 16, 17, 18]
    assert (np.abs(np.delete(moves[0], head, axis=0)) == 0).all()
    assert 0.5 < np.abs(moves[0][head]).mean() < 12
    np.testing.assert_allclose(moves[3], moves[0], atol=1e-4)
    shift = varied[1].points["face"][:, :2] - frames[1].points["face"][:, :2]
    assert np.ptp(shift, axis=0).max() < 1e-3
    assert np.abs(shift).max() > 0


def test_variation_keeps_the_original() -> None:
    frames, _ = augment(drop=1.0, jitter=0.1)
    np.testing.assert_array_equal(frames[0].points["body"], person(120))


# Other models' points


def test_blaze_points_become_body_25() -> None:
    blaze = np.column_stack([np.arange(33), 2 * np.arange(33), np.linspace(0.5, 1, 33)])
    body = from_blaze(blaze)
    assert body[1].tolist() == pytest.approx([11.5, 23, blaze[11, 2]])
    assert body[8].tolist() == pytest.approx([23.5, 47, blaze[23, 2]])
    assert body[[0, 2, 4, 7, 9, 11, 14, 15, 16, 17, 18, 19, 21, 22, 24], 0].tolist() == [
        0, 12, 16, 15, 24, 28, 27, 5, 2, 8, 7, 31, 29, 32, 30,
    ]  # fmt: skip
    assert np.isnan(body[[20, 23]]).all()


def test_other_models_agree_on_one_person() -> None:
    truth = person()
    coco = truth[[0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]]
    np.testing.assert_allclose(from_top_down(coco)["body"][:19], truth[:19], atol=1e-4)
    halpe = np.vstack([coco, truth[[0, 1, 8, 19, 22, 20, 23, 21, 24]]])
    np.testing.assert_allclose(from_top_down(halpe)["body"], truth, atol=1e-4)
    left, right = hand(10, 20), hand(30, 40)
    whole = np.vstack([coco, truth[[19, 20, 21, 22, 23, 24]], face(160, 30)[:68], left, right])
    person_133 = from_top_down(whole)
    np.testing.assert_allclose(person_133["body"], truth, atol=1e-4)
    np.testing.assert_allclose(person_133["left_hand"], left)
    np.testing.assert_allclose(person_133["right_hand"], right)
    np.testing.assert_allclose(person_133["face"], face(160, 30), atol=0.1)
    np.testing.assert_allclose(from_coco_18(truth[list(COCO_18)])[:19], truth[:19], atol=1e-4)


def test_the_mesh_is_read_as_landmarks_reads_it() -> None:
    mesh = np.random.default_rng(0).uniform(0, 100, (478, 3))
    np.testing.assert_allclose(from_mesh(mesh)[:68, :2], landmarks_of_mesh(mesh), atol=1e-4)


@pytest.mark.parametrize("joints", [25, 18])
def test_a_part_is_drawn_as_in_the_whole_picture(joints: int) -> None:
    """Limbs and dots keep their width where a picture is cut from a larger one."""
    part = View(((1.0, 0.0, -90.0), (0.0, 1.0, -20.0)), 150, 140, part_of=(240, 320))
    wanted = draw(everything(), WHOLE, Style(joints))[20:170, 90:230]
    assert np.allclose(draw(everything(), part, Style(joints)), wanted, atol=0.1)
    assert not np.allclose(draw(everything(), View(part.matrix, 150, 140), Style(joints)), wanted, atol=0.1)
