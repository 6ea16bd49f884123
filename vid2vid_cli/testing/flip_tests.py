"""Duties of `mirror`: what would be found on the mirrored frame, with which training doubles what it sees."""

# ruff: noqa: D102  (the names of the tests say what they are)
from __future__ import annotations

import pickle

import numpy as np

from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner
from vid2vid_cli.conditioning.mirroring import other_side
from vid2vid_cli.core.geometry import Bytes, View
from vid2vid_cli.testing.checks import check_annotation, check_untouched, layout
from vid2vid_cli.testing.contract_setup import Setting

PLACE = 0.001
"""Pixels by which a point may stray that was mirrored twice: coordinates are float32."""
NEAR = 0.1
"""Half of the points lie nearer than this, in widths of all of them, to those found on the mirrored frame."""
OVERLAP, LARGE = 0.3, 0.02
"""Overlap of a class with that found on the mirrored frame, where it covers so much of the picture."""
LIT = 48
"""Level from which a pixel of `picture` counts as drawn."""


class MirrorDuties(Setting):
    """Left is left again on the other side."""

    def test_mirrored_twice_is_the_annotation_itself(self) -> None:
        conditioner = self.make()
        for one in self.found():
            before = pickle.dumps(one)
            other = conditioner.mirror(one)
            check_untouched(one, before, "mirror changes a copy; the annotations are drawn from again")
            check_annotation(other, np.zeros((one.height, one.width, 3), np.uint8))
            assert other.quality == one.quality, "the quality stays what it is"
            assert layout(other) == layout(one), f"mirror makes {layout(other)} of {layout(one)}"
            again = conditioner.mirror(other)
            for name, image in one.images.items():
                assert np.array_equal(again.images[name], image), f"{name!r} is another one, mirrored twice"
            for name, points in one.points.items():
                same = np.allclose(again.points[name], points, rtol=0, atol=PLACE, equal_nan=True)
                assert same, f"{name!r} are other points, mirrored twice"

    def test_the_mirrored_is_drawn_where_the_mirror_shows_it(self) -> None:
        """What is drawn at all, in whichever colour; and where nothing has a side, the very condition."""
        conditioner, one = self.make(), max(self.found(), key=lambda one: one.quality)
        other = conditioner.mirror(one)
        view = View.of_box((0.0, 0.0, float(one.width), float(one.height)), one.height, one.width)
        turned = view.mirrored(one.width)
        lit, shown = (_lit(conditioner.picture(a, v)) for a, v in ((one, view), (other, turned)))
        differ = float((lit[:, ::-1] != shown).mean())
        assert differ <= 0.01, f"{100 * differ:.3g} % of the picture are drawn elsewhere than the mirror shows them"
        if not _has_sides(conditioner, one):
            wanted = conditioner.render(one, view)[:, :, ::-1]
            error = float(np.abs(conditioner.render(other, turned).astype(np.float32) - wanted).mean())
            assert error <= 0.02, f"the condition differs from the mirrored one by {error:.3g} in the mean"

    def test_mirror_is_what_is_found_on_mirrored_frames(self) -> None:
        """Only so are left and right what they are: a left eye in the mirror is where the right one was."""
        self.needs_finding()
        clip = [np.ascontiguousarray(frame[:, ::-1]) for frame in self.clip()]
        conditioner, seen = self.make(), self.annotations(clip)
        for one, other in zip(self.found(), seen, strict=True):
            if min(one.quality, other.quality) > 0:
                _check_points(conditioner.mirror(one), other)
                if self.spec().output == "labels":
                    _check_labels(conditioner.mirror(one), other)


def _lit(picture: Bytes) -> Bytes:
    return np.asarray(picture.max(axis=2) >= LIT)


def _has_sides(conditioner: Conditioner, one: Annotation) -> bool:
    """Whether anything tells left from right, or the conditioner mirrors in a way of its own."""
    names = [*one.points, *one.images]
    classes = [each.name for each in conditioner.classes()]
    named = any(other_side(name, group) != name for group in (names, classes) for name in group)
    return named or bool(conditioner.sides) or type(conditioner).mirror is not Conditioner.mirror


def _check_points(mirrored: Annotation, seen: Annotation) -> None:
    for name, points in mirrored.points.items():
        one, other = points[:, :2], seen.points[name][:, :2]
        both = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
        if both.sum() >= 3:
            size = float(np.ptp(other[both, 0]))
            far = float(np.median(np.linalg.norm(one[both] - other[both], axis=1))) / max(size, 1e-6)
            what = f"{name!r}: points of the mirrored frame lie elsewhere, by {far:.2f} of their width; do `sides` say "
            assert far <= NEAR, what + "which row takes the place of which?"


def _check_labels(mirrored: Annotation, seen: Annotation) -> None:
    for name, image in mirrored.images.items():
        other = seen.images[name]
        if image.ndim != 2 or image.dtype != np.uint8:
            continue
        for id_ in np.union1d(image, other):
            one, two = image == id_, other == id_
            overlap = float((one & two).sum() / (one | two).sum())
            what = f"{name!r}: class {id_} lies elsewhere on the mirrored frame, its overlap is {overlap:.2f}; do the "
            what += "names of classes that have sides, and of no others, say left and right?"
            assert overlap >= OVERLAP or max(one.mean(), two.mean()) < LARGE, what
