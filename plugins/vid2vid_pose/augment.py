"""A clip's points varied for training: joints left out, heads moved; drawn once, so that nothing flickers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import Annotation, Floats
from vid2vid_pose.topology import BODY, HEAD, NAMES

Moves = dict[str, NDArray[np.float32]]


def vary(
    annotations: Sequence[Annotation], random: np.random.Generator, drop: float, jitter: float
) -> Sequence[Annotation]:
    """The annotations of one clip, each with the same joints, hands and faces missing and the same heads moved.

    `drop`: how likely each joint, each hand and the face is left out. `jitter`: standard deviation of the move of
    each of the head's joints, and of the face as a whole, in lengths of the person.
    """
    if not annotations or not (drop > 0 or jitter > 0):
        return annotations
    first = annotations[0].points
    lost = {name: _lost(name, len(rows) // NAMES[name], random, drop) for name, rows in first.items()}
    moves = _moves(annotations, random, jitter) if jitter > 0 else {}
    return [replace(one, points=_varied(one.points, lost, moves)) for one in annotations]


def _lost(name: str, people: int, random: np.random.Generator, drop: float) -> NDArray[np.bool_]:
    """Which rows are left out: joints one by one, hands and face as a whole."""
    if name == "body":
        lost = random.random(people * BODY) < drop
    else:
        lost = np.repeat(random.random(people) < drop, NAMES[name])
    return np.asarray(lost, dtype=np.bool_)


def _moves(annotations: Sequence[Annotation], random: np.random.Generator, jitter: float) -> Moves:
    """How far each row is moved, in pixels."""
    bodies = np.stack([one.points["body"][:, :2].reshape(-1, BODY, 2) for one in annotations])
    there: NDArray[np.bool_] = np.isfinite(bodies[..., 0])
    seen = np.asarray(there.any(axis=(0, 2)))
    moves: Moves = {}
    for name in ("body", "face"):
        if name not in annotations[0].points:
            continue
        shift = np.zeros((len(seen), NAMES[name], 2), dtype=np.float32)
        for person in np.flatnonzero(seen):
            length = float(np.nanmedian(_lengths(bodies[:, person])))
            members = list(HEAD) if name == "body" else slice(None)
            count = len(HEAD) if name == "body" else 1
            shift[person, members] = random.normal(0, jitter * length, (count, 2))
        moves[name] = shift.reshape(-1, 2)
    return moves


def _lengths(body: NDArray[np.float32]) -> NDArray[np.float32]:
    """The longer side of somebody (t, 25, 2) on each frame on which they are seen."""
    there: NDArray[np.bool_] = np.isfinite(body[..., 0])
    seen = body[there.any(axis=1)]
    sides: NDArray[np.float32] = (np.nanmax(seen, axis=1) - np.nanmin(seen, axis=1)).max(axis=1)
    return sides


def _varied(points: Mapping[str, Floats], lost: Mapping[str, NDArray[np.bool_]], moves: Moves) -> dict[str, Floats]:
    varied = {}
    for name, rows in points.items():
        changed = rows.copy()
        if name in moves:
            changed[:, :2] += moves[name]
        changed[lost[name]] = np.nan
        varied[name] = changed
    return varied
