"""The fit of the linear model to footage in which the hair moves less than the face."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest
import torch
from helpers.synthetic_faces import place_face, schematic_face

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.alignment import grid_nodes
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.data.clip_sampler import ClipSampler
from vid2vid_cli.data.encoded_frames import EncodedFrames
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.reference_loading import ReferenceLoader, stack_selections
from vid2vid_cli.data.reference_selection import ReferenceSource, align_references
from vid2vid_cli.media.images import encode_jpeg
from vid2vid_cli.training_data.motion_fit import MIN_FRAMES, fit_linear_motion
from vid2vid_cli.training_data.motion_pairs import choose_pairs
from vid2vid_cli.training_data.reference_collection import record_references
from vid2vid_cli.training_data.several_datasets import fit_reference_motion

SIZE = 128
FACE_SCALE = 20.0
HAIR_SHARE = 0.5


def textured(seed: int, grey: int) -> UInt8Array:
    noise = np.random.default_rng(seed).normal(size=(SIZE, SIZE, 3)).astype(np.float32)
    layers = [cv2.GaussianBlur(noise, (0, 0), sigma) for sigma in (2, 6)]
    smooth = sum(layer / layer.std() for layer in layers)
    return np.clip(grey + 25 * smooth, 0, 255).astype(np.uint8)


def draw_frame(shift: float) -> UInt8Array:
    """A still background, hair, and a face; the face moves by `shift` pixels to the right, the hair by half of it."""
    frame = textured(0, 128)
    for seed, grey, share, axes in ((1, 60, HAIR_SHARE, (44, 54)), (2, 180, 1.0, (18, 22))):
        moved = np.float32([[1, 0, share * shift], [0, 1, 0]])
        layer = cv2.warpAffine(textured(seed, grey), moved, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
        mask = np.zeros((SIZE, SIZE), np.uint8)
        cv2.ellipse(mask, (64, 72), axes, 0, 0, 360, 255, -1)
        mask = cv2.warpAffine(mask, moved, (SIZE, SIZE))
        frame = np.where(mask[..., None] > 127, layer, frame)
    return frame


def annotation(shift: float) -> Annotation:
    points = place_face(schematic_face(), FACE_SCALE, 64 + shift, 66)
    return Annotation(SIZE, SIZE, 1.0, {"face": points})


def make_bank(num_frames: int = 60, seed: int = 0, num_clips: int = 1) -> ReferenceBank:
    shifts = np.random.default_rng(seed).uniform(-6, 6, num_frames)
    view = View.from_box((0, 0, SIZE, SIZE), SIZE, SIZE)
    conditioners = (load_conditioner("landmarks", {"iris": False}),)
    files = EncodedFrames([encode_jpeg(draw_frame(shift)) for shift in shifts])
    annotations = tuple((annotation(shift),) for shift in shifts)
    return ReferenceBank(
        files,
        annotations,
        conditioners,
        view,
        view,
        2,
        tuple((i % num_clips, i // num_clips) for i in range(num_frames)),
    )


@pytest.fixture(scope="module")
def bank() -> ReferenceBank:
    return make_bank()


def test_fit_finds_how_far_hair_and_background_follow_the_face(bank: ReferenceBank) -> None:
    model = fit_linear_motion([(bank, 2)])
    assert model is not None
    fitted = replace(bank, motion=model)
    shift, shifts = -1.0, [(item.points["face"] - annotation(0).points["face"])[0, 0] for (item,) in bank.annotations]
    index = int(np.argmax(shifts))
    motion = float(shifts[index]) - shift
    assert motion > 6
    for item, sign in ((fitted, 1), (fitted.mirrored, -1)):
        frame = annotation(shift) if sign == 1 else item.conditioners[0].hflip(annotation(shift))
        positions = item.align([index], (frame,), item.output_views, item.output_view)[0].positions
        offsets = sign * ((positions[0] + 1) * (SIZE - 1) / 2 - grid_nodes(SIZE, SIZE)[..., 0])
        offsets = offsets if sign == 1 else offsets[:, 15::-1]  # nodes at multiples of 8: mirrored, they are shifted
        assert offsets[9, 8] == pytest.approx(motion, abs=0.8)  # nose
        assert offsets[4, 6:11] == pytest.approx(HAIR_SHARE * motion, abs=1.2)  # hair
        assert offsets[1:15, [0, 15]] == pytest.approx(0, abs=1.2)


def test_fit_leaves_plain_surroundings_in_place(bank: ReferenceBank) -> None:
    """In the corners, around the hair, is a plain wall, whose flow gives no evidence."""
    shifts = [float((item.points["face"] - annotation(0).points["face"])[0, 0]) for (item,) in bank.annotations]
    frames = [draw_frame(shift) for shift in shifts]
    for frame in frames:
        frame[:, :16] = frame[:, -16:] = frame[:12] = 128  # the hair ends there
    walls = replace(bank, frames=EncodedFrames([encode_jpeg(frame) for frame in frames]))
    model = fit_linear_motion([(walls, 2)])
    assert model is not None
    index = int(np.argmax(shifts))
    fitted = replace(walls, motion=model)
    positions = fitted.align([index], (annotation(-1.0),), fitted.output_views, fitted.output_view)[0].positions
    offsets = (positions[0] + 1) * (SIZE - 1) / 2 - grid_nodes(SIZE, SIZE)[..., 0]
    assert offsets[9, 8] > 6
    assert offsets[[0, 0, 16, 16], [0, 15, 0, 15]] == pytest.approx(0, abs=1.0)


def test_face_is_not_in_what_does_not_move(bank: ReferenceBank) -> None:
    """No frame shows what is behind the middle of the face: it is interpolated. The surroundings are unchanged."""
    plain = bank.static_frames.load(3, bank.output_view)
    fitted = replace(bank, motion=fit_linear_motion([(bank, 2)]))
    for item in (fitted, fitted.mirrored):
        frame = item.static_frames.load(3, item.output_view)
        frame = frame if item is fitted else frame[:, ::-1]
        face = slice(62, 82), slice(54, 74)
        assert frame[face].std() < 0.5 * plain[face].std()
        assert np.abs(frame[:, :12].astype(int) - plain[:, :12]).mean() < 3


def test_static_images_show_the_background_where_the_face_is_displaced(bank: ReferenceBank) -> None:
    """The same references for a face near their places and for one far away; alike in training and in synthesis."""
    fitted = replace(bank, motion=fit_linear_motion([(bank, 2)]))
    shifts = [0.0] * 2 + [30.0] * 2
    annotations = [(annotation(shift),) for shift in shifts]
    loader = ReferenceLoader(fitted, torch.device("cpu"))
    differences = fitted.differences(annotations[0], fitted.output_views)
    indices = np.argsort(np.abs(differences[:, 0]))[:2].tolist()
    selections = [
        align_references(
            fitted, indices, [0.5, 0.5], item, differences, views=fitted.output_views, base=fitted.output_view
        )
        for item in annotations
    ]
    assert [selected.background_shares.tolist() for selected in selections] == [[0, 0]] * 2 + [[1, 1]] * 2
    streamed = [loader.load(selected).static_images for selected in selections]
    stacked = stack_selections(fitted, selections, fitted.output_view).to("cpu").unbind()
    for images, references in zip(streamed, stacked, strict=True):
        assert torch.equal(images, references.static_images)
    near, far = streamed[0][0, 0, :, 62:82, 54:74], streamed[3][0, 0, :, 62:82, 54:74]
    assert float(far.std()) < 0.5 * float(near.std())
    assert torch.equal(streamed[0], streamed[1])


def test_fit_ignores_a_false_detection(bank: ReferenceBank) -> None:
    tiny_face = Annotation(SIZE, SIZE, 1.0, {"face": place_face(schematic_face(), FACE_SCALE / 30, 20, 20)})
    with_tiny_face = replace(bank, annotations=(*bank.annotations[:-1], (tiny_face,)))
    model = fit_linear_motion([(with_tiny_face, 2)])
    assert model is not None
    assert max(model.coefficients.shape) < 50


def test_fit_is_repeatable(bank: ReferenceBank) -> None:
    first, second = (fit_linear_motion([(bank, 2)]) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.to_json() == second.to_json()
    record = record_references(replace(bank, motion=first))
    assert record.motion == first.to_json()


def test_fit_needs_frames_points_and_a_gain(bank: ReferenceBank) -> None:
    assert fit_linear_motion([(make_bank(MIN_FRAMES - 1), 2)]) is None
    assert fit_linear_motion([(bank, 100)]) is None
    still = replace(bank, frames=EncodedFrames([encode_jpeg(draw_frame(0))] * len(bank)))
    unmoved = replace(still, annotations=tuple((annotation(0.0),) for _ in range(len(bank))))
    assert fit_linear_motion([(unmoved, 2)]) is None
    without_points = replace(bank, annotations=tuple((Annotation(SIZE, SIZE, 1.0, {}),) for _ in range(len(bank))))
    assert fit_linear_motion([(without_points, 2)]) is None


def test_fit_of_several_banks_is_a_prior_for_few_frames(bank: ReferenceBank) -> None:
    common = fit_linear_motion([(bank, 2), (make_bank(seed=1), 2)])
    assert common is not None
    few = make_bank(10, seed=2, num_clips=5)
    assert fit_linear_motion([(few, 2)]) is None
    model = fit_linear_motion([(few, 2)], common)
    assert model is not None
    assert model.poses.mean_shape.tolist() == common.poses.mean_shape.tolist()
    assert model.coefficients.tolist() != common.coefficients.tolist()  # corrected by the few frames
    assert float(np.abs(model.coefficients - common.coefficients).mean()) < 0.2 * np.abs(common.coefficients).mean()
    own = fit_linear_motion([(bank, 2)], common)
    alone = fit_linear_motion([(bank, 2)])
    assert own is not None
    assert alone is not None
    assert own.to_json() == alone.to_json()  # enough frames of its own


def test_pairs_are_different_so_that_held_out_ones_are_not_fitted() -> None:
    few = make_bank(10, seed=2, num_clips=5)
    pairs = choose_pairs(few, 2, np.ones(10, bool), crosses_clips=True)
    assert len(pairs) == len(set(pairs)) > 20


def test_fit_refuses_a_prior_of_other_points(bank: ReferenceBank) -> None:
    common = fit_linear_motion([(bank, 2)])
    assert common is not None
    other_poses = replace(common.poses, rows=(common.poses.rows + 1000).astype(np.uint16))
    assert fit_linear_motion([(make_bank(10, seed=2, num_clips=5), 2)], replace(common, poses=other_poses)) is None


def test_fit_reference_motion_fits_each_subject_and_all_of_them(bank: ReferenceBank) -> None:
    banks = bank, make_bank(seed=1), make_bank(10, seed=2, num_clips=5)
    samplers = [SimpleNamespace(reference_source=ReferenceSource(item, 2)) for item in banks]
    assert fit_reference_motion(cast("list[ClipSampler]", samplers)) == []
    fitted = [sampler.reference_source.bank for sampler in samplers]
    common = [item.common_motion for item in fitted]
    assert common[0] is not None
    assert common[0] == common[1] == common[2]
    assert record_references(fitted[1]).common_motion == common[0].to_json()
    models = [item.motion for item in fitted]
    assert None not in models
    assert models[0].poses.mean_shape.tolist() != models[1].poses.mean_shape.tolist()
    assert (
        models[2].poses.mean_shape.tolist() == common[0].poses.mean_shape.tolist()
    )  # too few frames for a model of its own


def test_fit_reference_motion_says_what_few_frames_use(bank: ReferenceBank) -> None:
    prior = fit_linear_motion([(bank, 2)])
    sampler = SimpleNamespace(reference_source=ReferenceSource(make_bank(10, seed=2, num_clips=5), 1))
    notices = fit_reference_motion(cast("list[ClipSampler]", [sampler]), prior)
    assert len(notices) == 1
    assert "10 frames" in notices[0]


def draw_torso(frame: UInt8Array, shift: float) -> UInt8Array:
    """The frame with a torso in its lower quarter, at `shift` pixels to the right."""
    moved = np.float32([[1, 0, shift], [0, 1, 0]])
    layer = cv2.warpAffine(textured(5, 90), moved, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
    return np.concatenate([frame[:96], layer[96:]])


def with_torso(item: Annotation, shift: float) -> Annotation:
    torso = np.float32([[40 + shift, 112], [88 + shift, 112]])
    return replace(item, points={**item.points, "torso": torso})


def test_torso_moves_by_itself() -> None:
    """Torso and head move independently; without its points, the torso cannot be aligned."""
    generator = np.random.default_rng(3)
    shifts, torso_shifts = generator.uniform(-6, 6, (2, 60))
    frames = [draw_torso(draw_frame(a), b) for a, b in zip(shifts, torso_shifts, strict=True)]
    annotations = tuple((with_torso(annotation(a), b),) for a, b in zip(shifts, torso_shifts, strict=True))
    bank = replace(make_bank(), frames=EncodedFrames([encode_jpeg(frame) for frame in frames]), annotations=annotations)
    model = fit_linear_motion([(bank, 2)])
    assert model is not None
    assert model.poses.context_rows.tolist() == [68, 69]
    fitted = replace(bank, motion=model)
    index = int(np.argmax(torso_shifts))
    frame = with_torso(annotation(shifts[index]), -4.0)  # the head stays, the torso moves
    positions = fitted.align([index], (frame,), fitted.output_views, fitted.output_view)[0].positions
    offsets = (positions[0] + 1) * (SIZE - 1) / 2 - grid_nodes(SIZE, SIZE)[..., 0]
    assert offsets[14, 3:13] == pytest.approx(torso_shifts[index] + 4, abs=1.5)
    assert offsets[9, 8] == pytest.approx(0, abs=0.8)
    assert offsets[4, 6:11] == pytest.approx(0, abs=1.2)
    # Frames whose torso was not found are aligned by the head.
    missing = replace(frame, points={"face": frame.points["face"]})
    aligned = fitted.align([index], (missing,), fitted.output_views, fitted.output_view)[0].positions
    offsets = (aligned[0] + 1) * (SIZE - 1) / 2 - grid_nodes(SIZE, SIZE)[..., 0]
    assert offsets[9, 8] == pytest.approx(0, abs=0.8)


def test_spline_of_few_frames_leaves_the_torso_out(bank: ReferenceBank) -> None:
    few = make_bank(10)
    with_points = replace(few, annotations=tuple((with_torso(item, 9.0),) for (item,) in few.annotations))
    frame = with_torso(annotation(0.0), -9.0)
    results = [item.align([2], (frame,), item.output_views, item.output_view)[0] for item in (few, with_points)]
    np.testing.assert_array_equal(results[0].positions, results[1].positions)
