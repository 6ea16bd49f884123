"""Fits `LinearMotion` to the reference frames of a training: ridge regression on optical flow between pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.geometry import FloatArray
from vid2vid_cli.data.linear_motion import MAX_NODES, LinearMotion
from vid2vid_cli.data.point_pose import fit_to_shape, place_values
from vid2vid_cli.data.pose_model import PoseModel
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.scene_positions import Positions
from vid2vid_cli.training_data.motion_pairs import MotionPairs, choose_pairs

MIN_FRAMES = 40
MIN_POINTS = 6
MAX_COMPONENTS, FRAMES_PER_COMPONENT, MIN_DEVIATION = 8, 40, 1e-3
"""Principal components of the points' shape: their number, fewer for few frames, where the motion of more components is
noise, and their least standard deviation in radii of the points."""
MAX_CONTEXT_COMPONENTS = 4
"""Of the places of context points."""
GRID_STEP_RADII = 0.33
"""Distance of the grid's nodes in root mean square radii of the points."""
RIDGE = 5e-4
"""Regularisation relative to the squared differences of the poses, which the flow's weights in [0, 1) multiply."""
PRIOR_PAIRS = 3.0
"""Weight of the coefficients of other subjects in the fit to few frames, as a number of pairs."""
MAX_SIZE_RATIO = 3.0
"""Frames whose points are this much larger or smaller than in the median frame are false detections: without model."""
MIN_GAIN = 0.02
"""A model is used if it lowers the mean error of the pairs that it was not fitted to by this share."""


def fit_linear_motion(
    banks: Sequence[tuple[ReferenceBank, int]], prior: LinearMotion | None = None
) -> LinearMotion | None:
    """One model of the frames of all banks; None without points, with bones, with few frames, or if it is of no use.

    `banks`: each with the number of frames by which a frame and its reference are apart in time at least, as in
    training. `prior`: the model of other subjects, for banks with fewer than MIN_FRAMES frames; it is corrected by the
    frames of the banks.
    """
    points = [bank.scene_points for bank, _ in banks]
    known_points = [positions for positions in points if positions is not None]
    if len(known_points) < len(points) or len({positions.shape[1] for positions in known_points}) != 1:
        return None
    stacked = np.concatenate(known_points)
    known_rows = np.flatnonzero(np.isfinite(stacked).all(axis=0))
    is_context = np.isin(known_rows, banks[0][0].context_rows)
    rows, context_rows = known_rows[~is_context], known_rows[is_context]
    if len(rows) < MIN_POINTS:
        return None
    is_used = [_has_usual_size(positions[:, rows]) for positions in known_points]
    num_used = sum(int(used.sum()) for used in is_used)
    if num_used >= MIN_FRAMES:
        prior = None
    if prior is not None:
        if not np.isin(prior.poses.rows, rows).all():
            return None
        shapes = replace(prior, coefficients=np.zeros_like(prior.coefficients))
    elif num_used >= MIN_FRAMES:
        used_points = np.concatenate([p[used] for p, used in zip(known_points, is_used, strict=True)])
        shapes = _without_motion(_fit_poses(used_points, rows, context_rows))
    else:
        return None
    all_pairs = [
        MotionPairs(bank, positions, shapes, choose_pairs(bank, gap, used, crosses_clips=prior is not None))
        for (bank, gap), positions, used in zip(banks, known_points, is_used, strict=True)
    ]
    fits = [pairs for pairs in all_pairs if pairs.fitted_pairs and pairs.held_out_pairs]
    if not fits:
        return None
    model = _fit_coefficients(fits, shapes, prior)
    if model is None:
        return None
    plain_error, error = (np.mean([fit.mean_error(candidate) for fit in fits]) for candidate in (shapes, model))
    return model if error < (1 - MIN_GAIN) * plain_error else None


def _has_usual_size(points: Positions) -> NDArray[np.bool_]:
    """(k,) whether the size of the points (k, n) is within MAX_SIZE_RATIO of the median."""
    log_radii = np.log(np.maximum(points.std(axis=1), 1e-9))
    is_usual: NDArray[np.bool_] = np.abs(log_radii - np.median(log_radii)) < np.log(MAX_SIZE_RATIO)
    return is_usual


def _fit_poses(
    points: Positions, rows: NDArray[np.int64], context_rows: NDArray[np.int64], num_rounds: int = 3
) -> PoseModel:
    """The statistics of the points (k, m), which are known in these rows, by generalised Procrustes analysis."""
    used = points[:, rows]
    shape = used[0] - used[0].mean()
    for _ in range(num_rounds):
        shape = shape / max(float(np.sqrt((np.abs(shape) ** 2).mean())), 1e-9)
        transforms = [fit_to_shape(frame, shape) for frame in used]
        aligned = np.stack([factor * frame + shift for (factor, shift), frame in zip(transforms, used, strict=True)])
        shape = aligned.mean(axis=0)
        shape = shape - shape.mean()
    shape = shape / max(float(np.sqrt((np.abs(shape) ** 2).mean())), 1e-9)
    transforms = [fit_to_shape(frame, shape) for frame in used]
    places = np.stack([place_values(*transform) for transform in transforms])
    context = np.stack(
        [factor * frame + shift for (factor, shift), frame in zip(transforms, points[:, context_rows], strict=True)]
    )
    context_mean = context.mean(axis=0)
    max_components = min(MAX_COMPONENTS, max(1, len(used) // FRAMES_PER_COMPONENT))
    return PoseModel(
        rows=rows.astype(np.uint16),
        mean_shape=_as_pairs(shape),
        components=_principal_components(aligned - shape, max_components),
        place_mean=places.mean(axis=0).astype(np.float32),
        place_scale=np.maximum(places.std(axis=0), 1e-3).astype(np.float32),
        context_rows=context_rows.astype(np.uint16),
        context_mean=_as_pairs(context_mean),
        context_components=_principal_components(context - context_mean, MAX_CONTEXT_COMPONENTS),
    )


def _principal_components(offsets: Positions, max_components: int) -> FloatArray:
    """(c, 2 n) up to `max_components` components of offsets (k, n), which give values of variance 1."""
    flat_offsets = np.concatenate([offsets.real, offsets.imag], axis=1)
    _, deviations, axes = np.linalg.svd(flat_offsets, full_matrices=False)
    scales = deviations[:max_components] / np.sqrt(len(offsets))
    is_used = scales > MIN_DEVIATION
    components: FloatArray = (axes[:max_components][is_used] / scales[is_used, None]).astype(np.float32)
    return components


def _as_pairs(positions: Positions) -> FloatArray:
    return np.stack([positions.real, positions.imag], axis=-1).astype(np.float32)


def _without_motion(poses: PoseModel) -> LinearMotion:
    """Coefficients of zero: a similarity transform."""
    return LinearMotion(
        poses,
        max_differences=np.full(poses.num_values, np.inf, np.float32),
        origin=np.zeros(2, np.float32),
        step=GRID_STEP_RADII,
        coefficients=np.zeros((1, 1, 2, poses.num_values), np.float32),
    )


def _fit_coefficients(
    fits: Sequence[MotionPairs], shapes: LinearMotion, prior: LinearMotion | None
) -> LinearMotion | None:
    """The model of the flow of all fitted pairs; None if a subject is too small in the image.

    Without `prior` the coefficients are drawn to `static_coefficients`, relative to the differences of the poses; with
    it, to its own.
    """
    if prior is None:
        spans = np.concatenate([fit.normalised_corners() for fit in fits])
        origin = complex(spans.real.min(), spans.imag.min())
        columns = int(np.ceil((spans.real.max() - origin.real) / GRID_STEP_RADII)) + 1
        rows = int(np.ceil((spans.imag.max() - origin.imag) / GRID_STEP_RADII)) + 1
        if max(rows, columns) > MAX_NODES:
            return None
        limits = np.ptp(np.concatenate([fit.pose_values() for fit in fits]), axis=0).astype(np.float32)
        shapes = replace(
            shapes,
            max_differences=limits,
            origin=np.array([origin.real, origin.imag], np.float32),
            step=GRID_STEP_RADII,
            coefficients=np.zeros((rows, columns, *shapes.coefficients.shape[2:]), np.float32),
        )
    nodes = shapes.nodes
    differences = np.concatenate([fit.pose_differences() for fit in fits])
    size = differences.shape[1]
    squares, products = np.zeros((*nodes.shape, size, size)), np.zeros((*nodes.shape, 2, size))
    for fit in fits:
        for pair, difference in zip(fit.fitted_pairs, fit.pose_differences(), strict=True):
            weights, residuals = fit.residual_flow(pair, nodes)
            squares += weights[..., None, None] * np.outer(difference, difference)
            products += residuals[..., None] * difference
    if prior is None:
        ridge = RIDGE * np.diag((differences**2).sum(axis=0)) + 1e-9 * np.eye(size)
        products += shapes.static_coefficients @ ridge
    else:
        ridge = PRIOR_PAIRS * np.eye(size)
        products += PRIOR_PAIRS * prior.coefficients
    coefficients = np.linalg.solve(squares[:, :, None] + ridge, products[..., None])[..., 0]
    return replace(shapes, coefficients=coefficients.astype(np.float32))
