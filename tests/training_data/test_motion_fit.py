"""The fit of the linear model to footage in which the hair moves less than the face."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.synthetic_faces import place_face, schematic_face

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.alignment import grid_nodes
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.geometry import UInt8Array
from vid2vid_cli.data.encoded_frames import EncodedFrames
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.media.images import encode_jpeg
from vid2vid_cli.training_data.motion_fit import MIN_FRAMES, fit_linear_motion
from vid2vid_cli.training_data.reference_collection import record_references

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


def make_bank(num_frames: int = 60) -> ReferenceBank:
    shifts = np.random.default_rng(0).uniform(-6, 6, num_frames)
    view = View.from_box((0, 0, SIZE, SIZE), SIZE, SIZE)
    conditioners = (load_conditioner("landmarks", {"iris": False}),)
    files = EncodedFrames([encode_jpeg(draw_frame(shift)) for shift in shifts])
    annotations = tuple((annotation(shift),) for shift in shifts)
    return ReferenceBank(
        files, annotations, conditioners, view, view, 2, tuple((0, index) for index in range(num_frames))
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
        positions = item.align(index, (frame,), item.output_views, item.output_view).positions
        offsets = sign * ((positions[0] + 1) * (SIZE - 1) / 2 - grid_nodes(SIZE, SIZE)[..., 0])
        offsets = offsets if sign == 1 else offsets[:, 15::-1]  # nodes at multiples of 8: mirrored, they are shifted
        assert offsets[9, 8] == pytest.approx(motion, abs=0.8)  # nose
        assert offsets[4, 6:11] == pytest.approx(HAIR_SHARE * motion, abs=1.2)  # hair
        assert offsets[1:15, [0, 15]] == pytest.approx(0, abs=1.2)


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
