"""View: the affine map from the pixels of a source frame to the pixels of the cropped and resized image.

Pixel convention: integer coordinates are pixel centres, x to the right, y down. A box (x0, y0, x1, y1) is in edge
coordinates: a full frame of width w has x0 = 0 and x1 = w.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
UInt8Array = NDArray[np.uint8]
ImageArray = UInt8Array
"""An RGB image or frame, (h, w, 3)."""
Box = tuple[float, float, float, float]
GRID_STEP = 8
"""Pixels between the nodes of the coarse grid that reference frames are aligned on."""
MAX_SIDE = 1 << 15
"""Limit of the sides of pictures in pixels."""
MAX_VIEW_ENTRY, MIN_VIEW_DETERMINANT = 1e6, 1e-9


@dataclass(frozen=True)
class View:
    """An affine map, out = matrix @ (x, y, 1) in pixel centres, and the size of the output image."""

    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]
    height: int
    width: int
    cropped_from: tuple[int, int] | None = None
    """(height, width) of the larger image that this view is a crop of; None if it is not a crop."""

    @staticmethod
    def from_box(box: Box, height: int, width: int) -> View:
        """The view that maps `box` of the frame to an image of (height, width)."""
        x0, y0, x1, y1 = box
        sx, sy = width / (x1 - x0), height / (y1 - y0)
        return View(
            ((sx, 0.0, (0.5 - x0) * sx - 0.5), (0.0, sy, (0.5 - y0) * sy - 0.5)),
            height,
            width,
        )

    @property
    def full_size(self) -> tuple[int, int]:
        """(height, width) of the uncropped image. Line widths are proportional to it."""
        return self.cropped_from or (self.height, self.width)

    @property
    def array(self) -> NDArray[np.float64]:
        """The matrix as (2, 3) float64."""
        return np.asarray(self.matrix, dtype=np.float64)

    @property
    def scale(self) -> float:
        """Output pixels per frame pixel (geometric mean of both axes)."""
        linear = self.array[:, :2]
        return float(np.sqrt(abs(np.linalg.det(linear))))

    def transform_points(self, points: NDArray[Any]) -> FloatArray:
        """Map frame points (..., 2) to output pixels; NaN stays NaN."""
        matrix = self.array
        return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)

    def compose(self, matrix: NDArray[np.float64]) -> View:
        """This view followed by a (2, 3) map from output pixels to output pixels, for augmentation."""
        homogeneous = np.vstack([self.array, [0.0, 0.0, 1.0]])
        product = matrix @ homogeneous
        row_x, row_y = (tuple(float(v) for v in row) for row in product[:2])
        return replace(self, matrix=(row_x, row_y))  # type: ignore[arg-type]

    def resize(self, height: int, width: int) -> View:
        """The view of the same part of the frame at another output size."""
        scale_x, scale_y = width / self.width, height / self.height
        scaling = np.array([[scale_x, 0, (scale_x - 1) / 2], [0, scale_y, (scale_y - 1) / 2]])
        return replace(self.compose(scaling), height=height, width=width, cropped_from=None)

    def matrix_to(self, other: View) -> NDArray[np.float64]:
        """The (2, 3) map from output pixels of this view to those of another view of the same frame."""
        inverse = np.linalg.inv(np.vstack([self.array, [0.0, 0.0, 1.0]]))
        return np.asarray(other.array @ inverse)

    def of_image(self, image_view: View) -> View:
        """This view, of an image that shows the frame through `image_view`."""
        row_x, row_y = (tuple(map(float, row)) for row in image_view.matrix_to(self))
        return replace(self, matrix=(row_x, row_y), cropped_from=None)  # type: ignore[arg-type]

    def hflip(self, frame_width: int) -> View:
        """The view that maps the mirrored frame, `frame_width` pixels wide, to the mirror image of this view's output.

        The scale keeps its sign, so text and shapes that are drawn through the view are not mirrored themselves.
        """
        (a, b, x), (c, d, y) = self.matrix
        last_x = frame_width - 1
        return replace(self, matrix=((a, -b, self.width - 1 - a * last_x - x), (-c, d, c * last_x + y)))

    def to_json(self) -> dict[str, Any]:
        """The view as JSON data; `cropped_from` is not stored."""
        return {"matrix": [list(row) for row in self.matrix], "height": self.height, "width": self.width}

    @staticmethod
    def from_json(data: dict[str, Any]) -> View:
        """The inverse of `to_json`. Raises ValueError for other data, and for a matrix that cannot be inverted."""
        try:
            matrix = np.array(data["matrix"], dtype=np.float64)
            height, width = operator.index(data["height"]), operator.index(data["width"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ValueError("it is not a matrix, a height and a width") from None
        if matrix.shape != (2, 3) or not np.isfinite(matrix).all() or np.abs(matrix).max() > MAX_VIEW_ENTRY:
            raise ValueError("its matrix is not 2 x 3 finite numbers")
        if abs(np.linalg.det(matrix[:, :2])) < MIN_VIEW_DETERMINANT:
            raise ValueError("its matrix is singular: all pixels fall on a line")
        if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
            raise ValueError(f"{width}x{height} is not a size from 1 to {MAX_SIDE} pixels")
        row_x, row_y = (tuple(float(value) for value in row) for row in matrix)
        return View((row_x, row_y), height, width)  # type: ignore[arg-type]
