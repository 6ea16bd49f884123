"""Contract tests for `hflip`: the annotation of the horizontally flipped frame, for augmentation in training."""

# ruff: noqa: D102  (the test names describe the tests)
from __future__ import annotations

import pickle

import numpy as np

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner
from vid2vid_cli.conditioning.mirroring import opposite_side_name
from vid2vid_cli.core.geometry import UInt8Array, View
from vid2vid_cli.testing.checks import annotation_layout, check_annotation, check_unmodified
from vid2vid_cli.testing.contract_setup import ContractSetup

MAX_POSITION_ERROR_PX = 0.001
"""Tolerance for points that are flipped twice: coordinates are float32."""
MAX_MEDIAN_DISTANCE = 0.1
"""Largest median distance of flipped points to those detected on the flipped frame, as a share of their width."""
MIN_CLASS_IOU, MIN_CLASS_SHARE = 0.3, 0.02
"""Minimum IoU of a class with the detection on the flipped frame, if it covers this share of the image."""
MIN_DRAWN_LEVEL = 48
"""Minimum level of a pixel of `visualize` that belongs to the drawing."""


class FlipTests(ContractSetup):
    """Tests that left and right are exchanged."""

    def test_double_hflip_is_identity(self) -> None:
        conditioner = self.make_conditioner()
        for annotation in self.clip_annotations():
            before = pickle.dumps(annotation)
            flipped = conditioner.hflip(annotation)
            check_unmodified(annotation, before, "hflip modifies the annotation; it must return a copy")
            check_annotation(flipped, np.zeros((annotation.height, annotation.width, 3), np.uint8))
            assert flipped.quality == annotation.quality, "hflip must not change the quality"
            assert annotation_layout(flipped) == annotation_layout(annotation), (
                f"hflip changes the layout from {annotation_layout(annotation)} to {annotation_layout(flipped)}"
            )
            flipped_twice = conditioner.hflip(flipped)
            for name, image in annotation.images.items():
                assert np.array_equal(flipped_twice.images[name], image), f"the image {name!r} changes after two flips"
            for name, points in annotation.points.items():
                is_same = np.allclose(
                    flipped_twice.points[name], points, rtol=0, atol=MAX_POSITION_ERROR_PX, equal_nan=True
                )
                assert is_same, f"the points {name!r} change after two flips"

    def test_hflip_matches_flipped_rendering(self) -> None:
        """The drawn pixels are flipped; if nothing depends on the side, the condition channels are flipped too."""
        conditioner, annotation = (
            self.make_conditioner(),
            max(self.clip_annotations(), key=lambda candidate: candidate.quality),
        )
        flipped = conditioner.hflip(annotation)
        view = View.from_box(
            (0.0, 0.0, float(annotation.width), float(annotation.height)), annotation.height, annotation.width
        )
        flipped_view = view.hflip(annotation.width)
        drawn_mask, flipped_drawn_mask = (
            _drawn_mask(conditioner.visualize(a, v)) for a, v in ((annotation, view), (flipped, flipped_view))
        )
        changed_share = float((drawn_mask[:, ::-1] != flipped_drawn_mask).mean())
        assert changed_share <= 0.01, f"{100 * changed_share:.3g} % of the pixels differ from the flipped visualisation"
        if not _has_sides(conditioner, annotation):
            expected = conditioner.render(annotation, view)[:, :, ::-1]
            error = float(np.abs(conditioner.render(flipped, flipped_view).astype(np.float32) - expected).mean())
            assert error <= 0.02, f"the condition differs from the flipped one by {error:.3g} on average"

    def test_hflip_matches_flipped_frames(self) -> None:
        """Detection on flipped frames confirms `flip_indices`: a left eye appears where the right one was."""
        self.require_detector()
        clip = [np.ascontiguousarray(frame[:, ::-1]) for frame in self.clip()]
        conditioner, flipped_annotations = self.make_conditioner(), self.annotate(clip)
        for annotation, detected in zip(self.clip_annotations(), flipped_annotations, strict=True):
            if min(annotation.quality, detected.quality) > 0:
                _check_points(conditioner.hflip(annotation), detected)
                if self.spec().output == "labels":
                    _check_labels(conditioner.hflip(annotation), detected)


def _drawn_mask(image: UInt8Array) -> UInt8Array:
    return np.asarray(image.max(axis=2) >= MIN_DRAWN_LEVEL)


def _has_sides(conditioner: Conditioner, annotation: Annotation) -> bool:
    """Return whether names, classes or rows depend on the side, or the conditioner overrides `hflip`."""
    names = [*annotation.points, *annotation.images]
    classes = [label_class.name for label_class in conditioner.classes()]
    has_named_sides = any(opposite_side_name(name, group) != name for group in (names, classes) for name in group)
    return has_named_sides or bool(conditioner.flip_indices) or type(conditioner).hflip is not Conditioner.hflip


def _check_points(flipped: Annotation, detected: Annotation) -> None:
    for name, points in flipped.points.items():
        flipped_points, detected_points = points[:, :2], detected.points[name][:, :2]
        is_valid = np.isfinite(flipped_points).all(axis=1) & np.isfinite(detected_points).all(axis=1)
        if is_valid.sum() >= 3:
            width = float(np.ptp(detected_points[is_valid, 0]))
            median_distance = float(
                np.median(np.linalg.norm(flipped_points[is_valid] - detected_points[is_valid], axis=1))
            ) / max(width, 1e-6)
            message = f"{name!r}: the points differ from those of the flipped frame by {median_distance:.2f} of their "
            assert median_distance <= MAX_MEDIAN_DISTANCE, message + "width; check flip_indices"


def _check_labels(flipped: Annotation, detected: Annotation) -> None:
    for name, image in flipped.images.items():
        detected_image = detected.images[name]
        if image.ndim != 2 or image.dtype != np.uint8:
            continue
        for class_id in np.union1d(image, detected_image):
            flipped_mask, detected_mask = image == class_id, detected_image == class_id
            iou = float((flipped_mask & detected_mask).sum() / (flipped_mask | detected_mask).sum())
            message = (
                f"{name!r}: the IoU of class {class_id} with the flipped frame is only {iou:.2f}; check that exactly "
            )
            message += "the classes with a side have `left` and `right` in their names"
            assert iou >= MIN_CLASS_IOU or max(flipped_mask.mean(), detected_mask.mean()) < MIN_CLASS_SHARE, message
