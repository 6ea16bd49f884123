"""Fits `LinearMotion` to the reference frames of a training: ridge regression on optical flow between pairs of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.alignment import grid_nodes
from vid2vid_cli.core.geometry import GRID_STEP, FloatArray, UInt8Array
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.data.linear_motion import (
    MAX_NODES,
    NUM_PLACE_VALUES,
    LinearMotion,
    PointPose,
    Positions,
    as_complex,
    fit_to_shape,
    place_values,
    to_pixels,
    to_scene,
)
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.media.images import resize_image
from vid2vid_cli.networks.flow_estimator import DISFlow

MIN_FRAMES = 40
MIN_POINTS = 6
MAX_SIDE = 192
"""Size of the frames that the flow is computed on, in pixels: it is as good as at 256."""
NUM_PAIRS = 160
VALIDATION_SHARE = 0.2
NUM_NEIGHBOURS = 4
"""A frame is paired with one of this number of nearest references outside the gap, as in training."""
MAX_COMPONENTS, FRAMES_PER_COMPONENT, MIN_DEVIATION = 8, 40, 1e-3
"""Principal components of the points' shape: their number, fewer for few frames, where the motion of more components is
noise, and their least standard deviation in radii of the points."""
GRID_STEP_RADII = 0.33
"""Distance of the grid's nodes in root mean square radii of the points."""
FLOW_SIGMA = 3.0
"""Pixels. Standard deviation of the window that the flow at a node is averaged over, weighted by its confidence."""
TEXTURE_LEVEL, ERROR_LEVEL = 30.0, 100.0
"""Squared grey levels: of the gradient at which the flow has half of its weight, and of the error after warping."""
RIDGE = 5e-4
"""Regularisation relative to the squared differences of the poses, which the flow's weights in [0, 1) multiply."""
MAX_SIZE_RATIO = 3.0
"""Frames whose points are this much larger or smaller than in the median frame are false detections: without model."""
MIN_GAIN = 0.02
"""A model is used if it lowers the mean error of the pairs that it was not fitted to by this share."""


def fit_linear_motion(bank: ReferenceBank, gap_frames: int) -> LinearMotion | None:
    """The model of the bank's frames; None without points, with bones, with few frames, or if it is of no use.

    Pairs are at least `gap_frames` apart in time, as references are in training.
    """
    points = bank.scene_points if len(bank) >= MIN_FRAMES else None
    if points is None:
        return None
    rows = np.flatnonzero(np.isfinite(points).all(axis=0))
    if len(rows) < MIN_POINTS:
        return None
    is_used = _has_usual_size(points[:, rows])
    if is_used.sum() < MIN_FRAMES:
        return None
    shapes = _fit_shapes(points[is_used], rows)
    fit = _Fit(bank, points, shapes)
    pairs = [pair for pair in _choose_pairs(bank, gap_frames) if is_used[list(pair)].all()]
    num_fitted = round((1 - VALIDATION_SHARE) * len(pairs))
    if num_fitted in (0, len(pairs)):
        return None
    model = fit.fit_coefficients(pairs[:num_fitted], np.flatnonzero(is_used))
    if model is None:
        return None
    plain_error, error = (fit.mean_error(candidate, pairs[num_fitted:]) for candidate in (shapes, model))
    return model if error < (1 - MIN_GAIN) * plain_error else None


def _has_usual_size(points: Positions) -> NDArray[np.bool_]:
    """(k,) whether the size of the points (k, n) is within MAX_SIZE_RATIO of the median."""
    log_radii = np.log(np.maximum(points.std(axis=1), 1e-9))
    is_usual: NDArray[np.bool_] = np.abs(log_radii - np.median(log_radii)) < np.log(MAX_SIZE_RATIO)
    return is_usual


def _fit_shapes(points: Positions, rows: NDArray[np.int64]) -> LinearMotion:
    """The statistics of the points (k, m), with coefficients of zero: a similarity transform."""
    used = points[:, rows]
    shape = used[0] - used[0].mean()
    for _ in range(3):  # generalised Procrustes analysis
        shape = shape / max(float(np.sqrt((np.abs(shape) ** 2).mean())), 1e-9)
        transforms = [fit_to_shape(frame, shape) for frame in used]
        aligned = np.stack([factor * frame + shift for (factor, shift), frame in zip(transforms, used, strict=True)])
        shape = aligned.mean(axis=0)
        shape = shape - shape.mean()
    shape = shape / max(float(np.sqrt((np.abs(shape) ** 2).mean())), 1e-9)
    places = np.stack([place_values(*fit_to_shape(frame, shape)) for frame in used])
    offsets = aligned - shape
    flat_offsets = np.concatenate([offsets.real, offsets.imag], axis=1)
    _, deviations, axes = np.linalg.svd(flat_offsets, full_matrices=False)
    max_components = min(MAX_COMPONENTS, max(1, len(used) // FRAMES_PER_COMPONENT))
    is_used = deviations[:max_components] > MIN_DEVIATION * np.sqrt(len(used))
    scales = deviations[:max_components][is_used] / np.sqrt(len(used))
    num_values = NUM_PLACE_VALUES + len(scales)
    return LinearMotion(
        rows=rows.astype(np.uint16),
        mean_shape=np.stack([shape.real, shape.imag], axis=1).astype(np.float32),
        components=(axes[:max_components][is_used] / scales[:, None]).astype(np.float32),
        place_mean=places.mean(axis=0).astype(np.float32),
        place_scale=np.maximum(places.std(axis=0), 1e-3).astype(np.float32),
        max_differences=np.full(num_values, np.inf, np.float32),
        origin=np.zeros(2, np.float32),
        step=GRID_STEP_RADII,
        coefficients=np.zeros((1, 1, 2, num_values), np.float32),
    )


def _choose_pairs(bank: ReferenceBank, gap_frames: int) -> list[tuple[int, int]]:
    """Pairs of a frame and a near reference, of the same clip; in the same order each time."""
    generator = np.random.default_rng(0)
    clips, times = np.array(bank.frame_ids).T
    pairs = []
    for _ in range(NUM_PAIRS):
        index = int(generator.integers(len(bank)))
        distances = bank.distances(bank.descriptors[index])
        is_apart = (clips == clips[index]) & (np.abs(times - times[index]) >= max(gap_frames, 1))
        candidates = np.flatnonzero(is_apart)
        nearest = candidates[distances[candidates].argsort(kind="stable")[:NUM_NEIGHBOURS]]
        if len(nearest):
            pairs.append((index, int(nearest[int(generator.integers(len(nearest)))])))
    return pairs


class _Fit:
    """The frames and poses of a fit."""

    def __init__(self, bank: ReferenceBank, points: Positions, shapes: LinearMotion) -> None:
        self._bank, self._points, self._shapes = bank, points, shapes
        height, width = bank.output_view.height, bank.output_view.width
        scale = min(1.0, MAX_SIDE / max(height, width))
        self._height, self._width = (max(round(scale * size), 1) for size in (height, width))
        self._flow = DISFlow()
        self._load_frame = cache(self._read_frame)
        y, x = np.mgrid[: self._height, : self._width].astype(np.float32)
        self._node_columns, self._node_rows = x / GRID_STEP, y / GRID_STEP
        self._pixels = to_scene(np.stack([x, y], axis=-1), self._height, self._width)
        self._nodes = to_scene(grid_nodes(self._height, self._width), self._height, self._width)

    def fit_coefficients(self, pairs: Sequence[tuple[int, int]], frames: NDArray[np.intp]) -> LinearMotion | None:
        """The model of the flow of `pairs`, which are among `frames`; None if the subject is too small in the image."""
        poses = {int(index): self._pose(int(index)) for index in frames}
        width = self._width / self._height
        corners: Positions = np.array([width, -width]) / 2 + np.array([[0.5j], [-0.5j]])
        spans = np.concatenate([pose.normalise(corners.ravel()) for pose in poses.values()])
        origin = complex(spans.real.min(), spans.imag.min())
        columns = int(np.ceil((spans.real.max() - origin.real) / GRID_STEP_RADII)) + 1
        rows = int(np.ceil((spans.imag.max() - origin.imag) / GRID_STEP_RADII)) + 1
        if max(rows, columns) > MAX_NODES:
            return None
        y, x = np.mgrid[:rows, :columns]
        nodes: Positions = origin + GRID_STEP_RADII * (x + 1j * y)
        differences = np.stack([poses[reference].values - poses[frame].values for frame, reference in pairs])
        size = differences.shape[1]
        squares, products = np.zeros((rows, columns, size, size)), np.zeros((rows, columns, 2, size))
        for pair, difference in zip(pairs, differences, strict=True):
            weights, residuals = self._residual_flow(pair, poses, nodes)
            squares += weights[..., None, None] * np.outer(difference, difference)
            products += residuals[..., None] * difference
        ridge = RIDGE * np.diag((differences**2).sum(axis=0)) + 1e-9 * np.eye(size)
        coefficients = np.linalg.solve(squares[:, :, None] + ridge, products[..., None])[..., 0]
        limits = np.ptp([pose.values for pose in poses.values()], axis=0)
        return replace(
            self._shapes,
            max_differences=limits.astype(np.float32),
            origin=np.array([origin.real, origin.imag], np.float32),
            coefficients=coefficients.astype(np.float32),
        )

    def mean_error(self, model: LinearMotion, pairs: Sequence[tuple[int, int]]) -> float:
        """Mean absolute difference of the frames from their aligned references."""
        errors = []
        for frame, reference in pairs:
            aligned = self._sample(self._load_frame(reference), self._align(model, frame, reference))
            errors.append(np.abs(aligned.astype(np.float32) - self._load_frame(frame)).mean())
        return float(np.mean(errors))

    def _residual_flow(
        self, pair: tuple[int, int], poses: Mapping[int, PointPose], nodes: Positions
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(gh, gw) weights at the nodes, and (gh, gw, 2) the weighted motion beyond the similarity transform."""
        frame, reference = pair
        start = self._align(self._shapes, frame, reference)
        image, aligned = self._load_frame(frame), self._sample(self._load_frame(reference), start)
        flow, confidence = self._flow(frame_to_tensor(aligned)[None], frame_to_tensor(image)[None])
        moved = self._pixels + as_complex(flow[0].permute(1, 2, 0).numpy()) / self._height
        start_parts = np.stack([start.real, start.imag], axis=-1).astype(np.float32)
        total = as_complex(self._sample(start_parts, moved))
        residual = poses[reference].normalise(total) - poses[frame].normalise(self._pixels)
        grey_error = (self._sample(self._load_frame(reference), total).astype(np.float32) - image).mean(axis=-1) ** 2
        error_weights = 1 / (1 + cv2.GaussianBlur(grey_error, (0, 0), FLOW_SIGMA) / ERROR_LEVEL)
        weights = confidence[0, 0].numpy() * self._texture_weights(image) * error_weights
        layers = np.stack([weights, weights * residual.real, weights * residual.imag], axis=-1).astype(np.float32)
        blurred_layers = np.asarray(cv2.GaussianBlur(layers, (0, 0), FLOW_SIGMA))
        sampled = self._sample(blurred_layers, poses[frame].denormalise(nodes), cv2.BORDER_CONSTANT)
        return sampled[..., 0].astype(np.float64), sampled[..., 1:].astype(np.float64)

    @staticmethod
    def _texture_weights(image: UInt8Array) -> FloatArray:
        """(h, w) in [0, 1): the flow of areas without texture is arbitrary."""
        grey = image.mean(axis=-1).astype(np.float32)
        x_gradient, y_gradient = (cv2.Sobel(grey, -1, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
        squares = np.asarray(cv2.GaussianBlur(x_gradient**2 + y_gradient**2, (0, 0), FLOW_SIGMA), np.float32)
        return squares / (squares + np.float32(TEXTURE_LEVEL))

    def _align(self, model: LinearMotion, frame: int, reference: int) -> Positions:
        """Where each pixel (h, w) of a frame is in a reference."""
        aligned = model.align(self._nodes, self._points[frame], self._points[reference])
        assert aligned is not None
        parts = np.stack([aligned.real, aligned.imag], axis=-1).astype(np.float32)
        return as_complex(cv2.remap(parts, self._node_columns, self._node_rows, cv2.INTER_LINEAR))

    def _pose(self, index: int) -> PointPose:
        pose = self._shapes.pose(self._points[index])
        assert pose is not None
        return pose

    def _read_frame(self, index: int) -> UInt8Array:
        return resize_image(self._bank.frames[index], self._height, self._width)

    def _sample(
        self, image: NDArray[Any], positions: Positions, border_mode: int = cv2.BORDER_REPLICATE
    ) -> NDArray[Any]:
        """The image at positions (gh, gw), bilinear."""
        pixels = to_pixels(positions, self._height, self._width)
        return cv2.remap(image, pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR, borderMode=border_mode)
