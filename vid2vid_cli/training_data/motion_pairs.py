"""Pairs of reference frames with the optical flow between them, to which `LinearMotion` is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning.alignment import grid_nodes
from vid2vid_cli.core.geometry import GRID_STEP, FloatArray, UInt8Array
from vid2vid_cli.data.frame_tensor import frame_to_tensor
from vid2vid_cli.data.linear_motion import LinearMotion
from vid2vid_cli.data.point_pose import PointPose
from vid2vid_cli.data.reference_bank import ReferenceBank
from vid2vid_cli.data.scene_positions import Positions, as_complex, to_pixels, to_scene
from vid2vid_cli.media.images import resize_image
from vid2vid_cli.networks.flow_estimator import DISFlow

MAX_SIDE = 192
"""Size of the frames that the flow is computed on, in pixels: it is as good as at 256."""
NUM_PAIRS = 160
VALIDATION_SHARE = 0.2
NUM_NEIGHBOURS = 4
"""A frame is paired with one of this number of nearest references outside the gap, as in training."""
FLOW_SIGMA = 3.0
"""Pixels. Standard deviation of the window that the flow at a node is averaged over, weighted by its confidence."""
TEXTURE_LEVEL, ERROR_LEVEL = 30.0, 100.0
"""Squared grey levels: of the gradient at which the flow has half of its weight, and of the error after warping."""


def choose_pairs(
    bank: ReferenceBank, gap_frames: int, is_used: NDArray[np.bool_], *, crosses_clips: bool
) -> list[tuple[int, int]]:
    """Different pairs of a used frame and a near reference; in the same order each time.

    `gap_frames`: least distance in one clip; `crosses_clips`: frames of other clips are references too.
    """
    generator = np.random.default_rng(0)
    clips, times = np.array(bank.frame_ids).T
    pairs: dict[tuple[int, int], None] = {}
    for _ in range(NUM_PAIRS):
        index = int(generator.integers(len(bank)))
        distances = bank.distances(bank.descriptors[index])
        is_same_clip = clips == clips[index]
        is_apart = is_same_clip & (np.abs(times - times[index]) >= max(gap_frames, 1))
        if crosses_clips:
            is_apart |= ~is_same_clip
        candidates = np.flatnonzero(is_apart & is_used)
        nearest = candidates[distances[candidates].argsort(kind="stable")[:NUM_NEIGHBOURS]]
        if len(nearest) and is_used[index]:
            pairs[index, int(nearest[int(generator.integers(len(nearest)))])] = None
    return list(pairs)


class MotionPairs:
    """Pairs of frames of one subject, their poses and the flow between them, for the fit of `LinearMotion`."""

    def __init__(
        self, bank: ReferenceBank, points: Positions, shapes: LinearMotion, pairs: Sequence[tuple[int, int]]
    ) -> None:
        self._bank, self._points, self._shapes = bank, points, shapes
        num_fitted = round((1 - VALIDATION_SHARE) * len(pairs))
        self.fitted_pairs, self.held_out_pairs = pairs[:num_fitted], pairs[num_fitted:]
        height, width = bank.output_view.height, bank.output_view.width
        scale = min(1.0, MAX_SIDE / max(height, width))
        self._height, self._width = (max(round(scale * size), 1) for size in (height, width))
        self._flow = DISFlow()
        self._load_frame = cache(self._read_frame)
        self._pose = cache(self._fit_pose)
        y, x = np.mgrid[: self._height, : self._width].astype(np.float32)
        self._node_columns, self._node_rows = x / GRID_STEP, y / GRID_STEP
        self._pixels = to_scene(np.stack([x, y], axis=-1), self._height, self._width)
        self._nodes = to_scene(grid_nodes(self._height, self._width), self._height, self._width)

    @cached_property
    def _frames(self) -> list[int]:
        """The frames of all pairs."""
        return sorted({index for pair in (*self.fitted_pairs, *self.held_out_pairs) for index in pair})

    def normalised_corners(self) -> Positions:
        """The corners of all frames in the coordinates of the model."""
        width = self._width / self._height
        corners: Positions = np.array([width, -width]) / 2 + np.array([[0.5j], [-0.5j]])
        return np.concatenate([self._pose(index).normalise(corners.ravel()) for index in self._frames])

    def pose_values(self) -> NDArray[np.float64]:
        """(frames, 4 + k + c) the poses of all frames."""
        return np.stack([self._pose(index).values for index in self._frames])

    def pose_differences(self) -> NDArray[np.float64]:
        """(pairs, 4 + k + c) of the fitted pairs."""
        return np.stack([self._pose(other).difference(self._pose(frame)) for frame, other in self.fitted_pairs])

    def mean_error(self, model: LinearMotion) -> float:
        """Mean absolute difference of the frames of the held-out pairs from their aligned references."""
        errors = []
        for frame, reference in self.held_out_pairs:
            aligned = self._sample(self._load_frame(reference), self._align(model, frame, reference))
            errors.append(np.abs(aligned.astype(np.float32) - self._load_frame(frame)).mean())
        return float(np.mean(errors))

    def residual_flow(self, pair: tuple[int, int], nodes: Positions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(gh, gw) weights at the nodes, and (gh, gw, 2) the weighted motion beyond the similarity transform."""
        frame, reference = pair
        start = self._align(self._shapes, frame, reference)
        image, aligned = self._load_frame(frame), self._sample(self._load_frame(reference), start)
        flow, confidence = self._flow(frame_to_tensor(aligned)[None], frame_to_tensor(image)[None])
        moved = self._pixels + as_complex(flow[0].permute(1, 2, 0).numpy()) / self._height
        start_parts = np.stack([start.real, start.imag], axis=-1).astype(np.float32)
        total = as_complex(self._sample(start_parts, moved))
        residual = self._pose(reference).normalise(total) - self._pose(frame).normalise(self._pixels)
        grey_error = (self._sample(self._load_frame(reference), total).astype(np.float32) - image).mean(axis=-1) ** 2
        error_weights = 1 / (1 + cv2.GaussianBlur(grey_error, (0, 0), FLOW_SIGMA) / ERROR_LEVEL)
        weights = confidence[0, 0].numpy() * self._texture_weights(image) * error_weights
        layers = np.stack([weights, weights * residual.real, weights * residual.imag], axis=-1).astype(np.float32)
        blurred_layers = np.asarray(cv2.GaussianBlur(layers, (0, 0), FLOW_SIGMA))
        sampled = self._sample(blurred_layers, self._pose(frame).denormalise(nodes), cv2.BORDER_CONSTANT)
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

    def _fit_pose(self, index: int) -> PointPose:
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
