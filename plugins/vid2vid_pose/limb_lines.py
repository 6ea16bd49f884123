"""Lines in binary masks: the pixels of a drawn limb and its two ends."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.conditioning import FloatArray

Mask = NDArray[np.uint8]
Ends = tuple[FloatArray, FloatArray]
"""The positions (x, y) of both ends of a limb."""

MIN_LIMB_PIXELS = 8
MIN_PIECE_SHARE = 0.12
"""Smallest piece of a limb that others cover, as a share of its largest piece; smaller ones are mixed colours."""
SECOND_LIMB_SHARE = 0.5
"""Size of a second limb of the same colour that belongs to another person, as a share of the first."""
MAX_RUN_GAP = 4
"""Number of missing pixels, plus one, that end a line."""
MIN_LOWER_SHARE = 0.75
"""Smallest share of the lower leg in a straight line of lower leg and foot."""


def limb_pieces(mask: Mask) -> tuple[FloatArray | None, bool]:
    """The pixels (n, 2) of the largest limb in a mask, with pieces in line with it; whether there is a second limb."""
    num_pieces, piece_map, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    if num_pieces < 2 or sizes.max() < MIN_LIMB_PIXELS:
        return None, False
    order = np.argsort(-sizes)
    pixels = _piece_pixels(piece_map, int(order[0]))
    centre, direction, width = _fit_line(pixels)
    pieces, is_double = [pixels], False
    for index in order[1:]:
        if sizes[index] < max(MIN_PIECE_SHARE * sizes[order[0]], MIN_LIMB_PIXELS):
            break
        piece = _piece_pixels(piece_map, int(index))
        offset = piece.mean(axis=0) - centre
        if abs(float(offset[0] * direction[1] - offset[1] * direction[0])) <= 1.5 * width:
            pieces.append(piece)
        else:
            is_double = is_double or bool(sizes[index] >= SECOND_LIMB_SHARE * sizes[order[0]])
    return np.concatenate(pieces), is_double


def line_ends(pixels: FloatArray, *, has_round_ends: bool) -> Ends:
    """The ends of the line through pixels (n, 2); round ends extend half a line width beyond the joints."""
    centre, direction, width = _fit_line(pixels)
    positions = (pixels - centre) @ direction
    margin = min(width / 2, float(np.ptp(positions)) / 2) if has_round_ends else 0.0
    first, last = float(positions.min()) + margin, float(positions.max()) - margin
    return centre + first * direction, centre + last * direction


def first_branch(mask: Mask, upper_limb: Ends) -> Ends | None:
    """The ends of the limb that begins at an end of `upper_limb` and branches at its other end into the same colour."""
    rows, columns = np.nonzero(mask)
    if len(rows) < MIN_LIMB_PIXELS:
        return None
    pixels = np.column_stack([columns, rows]).astype(np.float32)
    start = min(upper_limb, key=lambda end: float(np.linalg.norm(pixels - end, axis=1).min()))
    angles = np.deg2rad(np.arange(0, 360, 1.5, dtype=np.float32))
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    direction = max(directions, key=lambda candidate: _run_length(mask, start, candidate))
    length = _run_length(mask, start, direction)
    if length < MIN_LIMB_PIXELS:
        return None
    along = (pixels - start) @ direction
    across = np.abs((pixels - start) @ np.array([-direction[1], direction[0]], dtype=np.float32))
    is_upper_half = (along > 0.15 * length) & (along < 0.5 * length)
    half_width = float(np.quantile(across[is_upper_half], 0.95)) if is_upper_half.any() else 1.0
    is_branch = (along > 0.5 * length) & (along < length) & (across > 1.45 * half_width + 1)
    if is_branch.any():
        end = float(along[is_branch].min())
    else:  # lower leg and foot in one line, as from the front: the lower leg is about as long as the upper one
        upper_length = float(np.linalg.norm(upper_limb[0] - upper_limb[1]))
        end = float(np.clip(upper_length, MIN_LOWER_SHARE * length, length - half_width))
    return start, (start + end * direction).astype(np.float32)


def _piece_pixels(piece_map: NDArray[Any], index: int) -> FloatArray:
    rows, columns = np.nonzero(piece_map == index + 1)
    return np.column_stack([columns, rows]).astype(np.float32)


def _fit_line(pixels: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Centre, direction and width of the line through pixels (n, 2)."""
    centre = pixels.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov((pixels - centre).T) if len(pixels) > 1 else np.eye(2))
    return centre, axes[:, 1].astype(np.float32), float(np.sqrt(12 * max(variances[0], 1 / 12)))


def _run_length(mask: Mask, start: FloatArray, direction: FloatArray) -> float:
    """Distance from `start` to the last pixel of the mask in a direction, before a gap of four pixels."""
    distances = np.arange(1, max(mask.shape), dtype=np.float32)
    points = np.rint(start + distances[:, None] * direction).astype(np.int64)
    is_inside = ((points >= 0) & (points < (mask.shape[1], mask.shape[0]))).all(axis=1)
    points = points[is_inside]
    hits = np.flatnonzero(mask[points[:, 1], points[:, 0]])
    if not len(hits):
        return 0.0
    gaps = np.flatnonzero(np.diff(np.concatenate([[-1], hits])) > MAX_RUN_GAP)
    last = hits[gaps[0] - 1] if len(gaps) and gaps[0] else (-1 if len(gaps) else hits[-1])
    return float(last + 1)
