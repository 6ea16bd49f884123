"""From network scores to a label map: fusion of tiles, class probabilities, argmax at the frame's size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray, UInt8Array
from vid2vid_segmentation.backend import TiledScores, TileScores, resize

# A smaller foreground share counts as no detection.
MIN_FOREGROUND_SHARE = 0.001


@dataclass(frozen=True)
class ClassProbabilities:
    """Probabilities of the classes that occur: `values` (len(class_ids), h, w) float32, with a sum of 1 at each pixel.

    With more than two classes, a class that is nowhere the most probable is omitted: frames show few of the 21.
    """

    class_ids: tuple[int, ...]
    values: FloatArray


def mean_iou(detected: NDArray[np.intp], reference: NDArray[np.intp], num_classes: int) -> float:
    """Return the mean intersection over union, in %, of two maps (h, w) over the classes that occur in either."""
    confusion = np.bincount((reference * num_classes + detected).ravel(), minlength=num_classes * num_classes).reshape(
        num_classes, num_classes
    )
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - confusion.diagonal()
    return float(100 * np.mean(confusion.diagonal()[union > 0] / union[union > 0]))


def fuse_tiles(
    tiled_scores: TiledScores, class_ids: tuple[int, ...], extra_ids: Iterable[int] = ()
) -> ClassProbabilities:
    """Blend the tiles of a frame linearly where they overlap, and return class probabilities.

    `class_ids`: the id of each class of the network; `extra_ids`: ids that are always included.
    """
    indices = np.arange(len(class_ids))
    if len(class_ids) > 2:
        # Every second pixel is enough: a class that is the best at none of them covers almost no area.
        best_indices = [tile.scores[:, ::2, ::2].argmax(axis=0).ravel() for tile in tiled_scores.tiles]
        indices = np.unique(
            np.concatenate([[0], [class_ids.index(class_id) for class_id in extra_ids], *best_indices]).astype(np.intp)
        )
    scores = (
        tiled_scores.tiles[0].scores[indices] if len(tiled_scores.tiles) == 1 else _blend_tiles(tiled_scores, indices)
    )
    return ClassProbabilities(
        tuple(class_ids[index] for index in indices), _softmax(scores.astype(np.float32, copy=False))
    )


def to_label_map(probabilities: ClassProbabilities, height: int, width: int) -> UInt8Array:
    """Return the most probable class of each pixel, (height, width) uint8; probabilities are interpolated first."""
    label_map = np.full((height, width), probabilities.class_ids[0], dtype=np.uint8)
    best_probability = resize(probabilities.values[0], height, width)
    for index, class_id in enumerate(probabilities.class_ids[1:], start=1):
        probability = resize(probabilities.values[index], height, width)
        cv2.copyTo(np.full_like(label_map, class_id), cv2.compare(probability, best_probability, cv2.CMP_GT), label_map)
        if index + 1 < len(probabilities.class_ids):
            best_probability = np.maximum(best_probability, probability)
    return label_map


def label_quality(probabilities: ClassProbabilities, label_map: UInt8Array) -> float:
    """Return the mean probability of the foreground, 0..1; 0 if nearly all pixels are background."""
    if np.count_nonzero(label_map) < MIN_FOREGROUND_SHARE * label_map.size:
        return 0.0
    background, foreground = probabilities.values[0], probabilities.values[1:].max(axis=0)
    confident = foreground[foreground > background]
    return float(np.clip(confident.mean(), 0.0, 1.0)) if confident.size else 1.0 / len(probabilities.class_ids)


def _blend_tiles(tiled_scores: TiledScores, indices: NDArray[np.intp]) -> FloatArray:
    weighted_scores = np.zeros((len(indices), tiled_scores.height, tiled_scores.width), dtype=np.float32)
    weights = np.zeros((tiled_scores.height, tiled_scores.width), dtype=np.float32)
    for tile in tiled_scores.tiles:
        height, width = tile.scores.shape[1:]
        tile_slices = slice(tile.top, tile.top + height), slice(tile.left, tile.left + width)
        tile_weights = _tile_weights(tile)
        weights[tile_slices] += tile_weights
        weighted_scores[(slice(None), *tile_slices)] += tile_weights * tile.scores[indices]
    weighted_scores /= weights
    return weighted_scores


def _tile_weights(tile: TileScores) -> FloatArray:
    """Return blending weights (h, w) that fall towards the border, where the network has the least context."""
    ramps = []
    for length in tile.scores.shape[1:]:
        border_distance = np.minimum(np.arange(length) + 1, length - np.arange(length)).astype(np.float32)
        ramps.append(border_distance / length)
    weights: FloatArray = np.minimum(ramps[0][:, None], ramps[1][None, :])
    return weights


def _softmax(scores: FloatArray) -> FloatArray:
    scores = np.exp(scores - scores.max(axis=0))
    scores /= scores.sum(axis=0)
    return scores
