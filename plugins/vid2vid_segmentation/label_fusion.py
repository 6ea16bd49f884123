"""From what a network said to a label map: parts joined, probabilities, the likeliest class at the frame's size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Bytes, Floats
from vid2vid_segmentation.backend import Look, Looks, resized

# Less of a frame than this is specks, not a finding.
LEAST = 0.001


@dataclass(frozen=True)
class Planes:
    """Probabilities of those classes that occur: `values` (len(ids), h, w) float32, their sum 1 at every pixel.

    Of more than two, a class that is nowhere the likeliest has no plane: of 21 a picture shows three or four.
    """

    ids: tuple[int, ...]
    values: Floats


def mean_overlap(found: NDArray[np.intp], wanted: NDArray[np.intp], count: int) -> float:
    """Intersection over union of `count` classes, meaned over those that occur in either map, (h, w) twice, in %."""
    pairs = np.bincount((wanted * count + found).ravel(), minlength=count * count).reshape(count, count)
    union = pairs.sum(axis=0) + pairs.sum(axis=1) - pairs.diagonal()
    return float(100 * np.mean(pairs.diagonal()[union > 0] / union[union > 0]))


def planes(looks: Looks, ids: tuple[int, ...], also: Iterable[int] = ()) -> Planes:
    """Join the parts of a frame, which fade into each other where they overlap, into probabilities.

    `ids`: the id of each of the network's classes; `also`: ids that get a plane in any case.
    """
    indices = np.arange(len(ids))
    if len(ids) > 2:
        # Every second pixel will do: what wins on none of them is a speck.
        best = [part.scores[:, ::2, ::2].argmax(axis=0).ravel() for part in looks.parts]
        indices = np.unique(np.concatenate([[0], [ids.index(id_) for id_ in also], *best]).astype(np.intp))
    scores = looks.parts[0].scores[indices] if len(looks.parts) == 1 else _joined(looks, indices)
    return Planes(tuple(ids[index] for index in indices), _softmax(scores.astype(np.float32, copy=False)))


def labels(found: Planes, height: int, width: int) -> Bytes:
    """The likeliest class of every pixel, (height, width) uint8; borders are as smooth as the probabilities."""
    map_ = np.full((height, width), found.ids[0], dtype=np.uint8)
    best = resized(found.values[0], height, width)
    for index, id_ in enumerate(found.ids[1:], start=1):
        value = resized(found.values[index], height, width)
        cv2.copyTo(np.full_like(map_, id_), cv2.compare(value, best, cv2.CMP_GT), map_)
        if index + 1 < len(found.ids):
            best = np.maximum(best, value)
    return map_


def quality(found: Planes, map_: Bytes) -> float:
    """How sure the network is of what it found, 0..1: its mean probability there; 0 where there is but background."""
    if np.count_nonzero(map_) < LEAST * map_.size:
        return 0.0
    background, best = found.values[0], found.values[1:].max(axis=0)
    sure = best[best > background]
    return float(np.clip(sure.mean(), 0.0, 1.0)) if sure.size else 1.0 / len(found.ids)


def _joined(looks: Looks, indices: NDArray[np.intp]) -> Floats:
    total = np.zeros((len(indices), looks.height, looks.width), dtype=np.float32)
    weights = np.zeros((looks.height, looks.width), dtype=np.float32)
    for part in looks.parts:
        height, width = part.scores.shape[1:]
        place = slice(part.top, part.top + height), slice(part.left, part.left + width)
        fade = _fade(part)
        weights[place] += fade
        total[(slice(None), *place)] += fade * part.scores[indices]
    total /= weights
    return total


def _fade(part: Look) -> Floats:
    """Weights of a part, (h, w): falling towards its borders, where a network sees least of what is around."""
    ramps = []
    for length in part.scores.shape[1:]:
        near = np.minimum(np.arange(length) + 1, length - np.arange(length)).astype(np.float32)
        ramps.append(near / length)
    fade: Floats = np.minimum(ramps[0][:, None], ramps[1][None, :])
    return fade


def _softmax(scores: Floats) -> Floats:
    scores = np.exp(scores - scores.max(axis=0))
    scores /= scores.sum(axis=0)
    return scores
