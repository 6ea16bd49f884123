"""Retargeting of a face: head motion and expression of the source, applied to the target's neutral face."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from vid2vid_cli.conditioning import Annotation, FloatArray, Statistics, empty_annotation
from vid2vid_landmarks.face_shape import (
    ComplexPoints,
    fit_similarity,
    from_complex,
    gap_openings,
    read_points,
    to_complex,
)
from vid2vid_landmarks.iris import retarget_irises
from vid2vid_landmarks.topology import EYE_GAPS, FACE_PARTS, LIP_GAPS, NUM_POINTS, OUTER_LIP_GAPS
from vid2vid_landmarks.torso import retarget_torso

RATIO_LIMITS = (0.5, 2.0)  # limits of the factors by which expressions are scaled
MIN_OPEN_GAP = 0.005  # smaller gaps, in eye distances, count as closed


class FaceRetargeter:
    """Stateless map from points of the source's face to points of the target's face."""

    def __init__(self, source: Statistics, target: Statistics) -> None:
        self._source, self._target = source, target
        self._source_face, self._target_face = (
            to_complex(read_points(statistics, "neutral_face", NUM_POINTS)) for statistics in (source, target)
        )
        self._source_pose, self._target_pose = source["median_pose"], target["median_pose"]
        self._scale_ratio = self._target_pose["scale"] / self._source_pose["scale"]
        self._rotation = np.exp(1j * (self._target_pose["angle"] - self._source_pose["angle"]))
        self._part_ratios = _compute_part_ratios(source, target, self._source_face, self._target_face)
        self._rest_gaps = {
            pairs: (gap_openings(self._source_face, pairs), gap_openings(self._target_face, pairs))
            for pairs in (LIP_GAPS, EYE_GAPS)
        }
        self._iris_ratio = 1.0
        if "iris_diameter" in source and "iris_diameter" in target:
            self._iris_ratio = _clipped_ratio(target["iris_diameter"], source["iris_diameter"])

    def __call__(self, points: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Map the points `face` (68, 2) and, if any, `iris` (10, 2) and `torso` (2, 2) to the target's frame.

        See `_map_face` and `retarget_torso`. An iris keeps its position relative to the corners of its eye.
        """
        result = {"face": self._map_face(points["face"])}
        if "iris" in points:
            result["iris"] = retarget_irises(points["iris"], points["face"], result["face"], self._iris_ratio)
        torso = retarget_torso(points.get("torso"), self._source, self._target, self._scale_ratio)
        return result if torso is None else {**result, "torso": torso}

    def _map_face(self, points: FloatArray) -> FloatArray:
        """Map points (68, 2) in the source's frame to points (68, 2) in the target's frame.

        With the pose (a, b) of the frame and the neutral faces N, the expression is E = (points - b) / a - N_source.
        The result is a' (N_target + E') + b'. The pose (a', b') deviates from the target's median pose as (a, b)
        deviates from the source's, scaled by the ratio of the face sizes. E' is E with the deformation of each part
        scaled by the ratio of the part extents and with the mean displacement of each part unchanged. Equal statistics
        give equal points.
        """
        face = to_complex(points)
        a, b = fit_similarity(self._source_face, face)
        aligned_face = (face - b) / a
        shape = self._target_face + self._transfer_expression(aligned_face - self._source_face)
        self._match_closed_gaps(aligned_face, shape)
        position = complex(self._target_pose["x"], self._target_pose["y"])
        position += (b - complex(self._source_pose["x"], self._source_pose["y"])) * self._scale_ratio
        return from_complex(a * self._scale_ratio * self._rotation * shape + position)

    def _transfer_expression(self, displacements: ComplexPoints) -> ComplexPoints:
        result = np.empty_like(displacements)
        for name, members in FACE_PARTS.items():
            indices = list(members)
            mean_displacement = displacements[indices].mean()
            deformation = displacements[indices] - mean_displacement
            x, y = self._part_ratios[name]
            result[indices] = mean_displacement + x * deformation.real + 1j * y * deformation.imag
        return result

    def _match_closed_gaps(self, aligned_face: ComplexPoints, shape: ComplexPoints) -> None:
        """Close gaps of eyes and lips in `shape`, in place, as far as they are closed on the source.

        Below its size at rest, a gap is the same share of the target's rest gap as of the source's.
        """
        for pairs, outer_pairs in ((LIP_GAPS, OUTER_LIP_GAPS), (EYE_GAPS, ())):
            current_gaps = gap_openings(aligned_face, pairs)
            source_rest_gaps, target_rest_gaps = self._rest_gaps[pairs]
            open_share = np.clip(current_gaps / np.maximum(source_rest_gaps, MIN_OPEN_GAP), 0, 1)
            desired_gaps = np.where(
                (current_gaps < source_rest_gaps) & (source_rest_gaps > MIN_OPEN_GAP),
                open_share * target_rest_gaps,
                gap_openings(shape, pairs),
            )
            offsets = 0.5j * (np.maximum(desired_gaps, np.minimum(0, current_gaps)) - gap_openings(shape, pairs))
            for (upper, lower), offset in zip(pairs, offsets, strict=True):
                shape[upper] -= offset
                shape[lower] += offset
            for (upper, lower), offset in zip(outer_pairs, offsets, strict=False):
                shape[upper] -= offset
                shape[lower] += offset


def retarget_faces(
    annotations: Iterable[Annotation],
    source: Statistics,
    target: Statistics,
    *,
    point_shapes: Mapping[str, tuple[int, int]],
) -> Iterator[Annotation]:
    """See `Landmarks.retarget`. `point_shapes`: those of an empty annotation."""
    if not target:
        yield from annotations
        return
    height, width = int(target["height"]), int(target["width"])
    retargeter = FaceRetargeter(source, target) if source else None
    for annotation in annotations:
        if retargeter is None and annotation.quality > 0:
            yield annotation
            continue
        points = annotation.points.get("face")
        is_valid = annotation.quality > 0 and points is not None and bool(np.isfinite(points).all())
        images = {name: np.zeros((height, width), dtype=np.uint8) for name in annotation.images}
        if retargeter is not None and is_valid:
            yield Annotation(height, width, annotation.quality, retargeter(annotation.points), images)
        else:
            yield Annotation(height, width, 0.0, empty_annotation(height, width, point_shapes).points, images)


def _compute_part_ratios(
    source: Statistics, target: Statistics, source_face: ComplexPoints, target_face: ComplexPoints
) -> dict[str, tuple[float, float]]:
    """Factors (x, y) for each part by which deformations of the source are scaled for the target."""
    ratios: dict[str, tuple[float, float]] = {}
    for name in FACE_PARTS:
        source_part, target_part = source["part_extents"][name], target["part_extents"][name]
        x = _clipped_ratio(target_part["width"], source_part["width"])
        if name in ("outline", "nose"):
            y = _clipped_ratio(target_part["height"], source_part["height"])
        elif name in ("left_eye", "right_eye"):
            # Scale the lids by the ratio of the eye openings, so that a full blink stays a full blink.
            pairs = EYE_GAPS[:2] if name == "left_eye" else EYE_GAPS[2:]
            y = _clipped_ratio(
                float(gap_openings(target_face, pairs).mean()), float(gap_openings(source_face, pairs).mean())
            )
        else:
            y = x  # the height of lips and brows at rest does not predict how far they move
        ratios[name] = (x, y)
    return ratios


def _clipped_ratio(target: float, source: float) -> float:
    return float(np.clip(target / max(source, 1e-3), *RATIO_LIMITS))
