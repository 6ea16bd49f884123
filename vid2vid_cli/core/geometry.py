"""Where a model looks: the affine map from the pixels of a frame to the pixels of the picture it sees.

Pixel convention: integer coordinates are pixel centres, x to the right, y down; a box (x0, y0, x1, y1) is
in edge coordinates, so that the whole of a width-w frame is x0 = 0, x1 = w.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class View:
    """An affine map, out = matrix @ (x, y, 1) in pixel centres, and the size of what comes out."""

    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]
    height: int
    width: int
    part_of: tuple[int, int] | None = None
    """(height, width) of the larger picture that this one is cut from; None: from none."""

    @staticmethod
    def of_box(box: Box, height: int, width: int) -> View:
        """The view that fills (height, width) with `box` of the frame."""
        x0, y0, x1, y1 = box
        sx, sy = width / (x1 - x0), height / (y1 - y0)
        return View(
            ((sx, 0.0, (0.5 - x0) * sx - 0.5), (0.0, sy, (0.5 - y0) * sy - 0.5)),
            height,
            width,
        )

    @property
    def whole(self) -> tuple[int, int]:
        """(height, width) of the picture that lines should be in proportion to, wherever a part is cut out of it."""
        return self.part_of or (self.height, self.width)

    @property
    def array(self) -> NDArray[np.float64]:
        """The matrix as (2, 3) float64."""
        return np.asarray(self.matrix, dtype=np.float64)

    @property
    def scale(self) -> float:
        """Length in the picture of one pixel of the frame (geometric mean of both axes)."""
        linear = self.array[:, :2]
        return float(np.sqrt(abs(np.linalg.det(linear))))

    def points(self, points: NDArray[Any]) -> Floats:
        """Points (..., 2) of the frame in pixels of the picture; NaN stays NaN."""
        matrix = self.array
        return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)

    def then(self, matrix: NDArray[np.float64]) -> View:
        """This view followed by a (2, 3) map from picture pixels to picture pixels, for augmentation."""
        square = np.vstack([self.array, [0.0, 0.0, 1.0]])
        product = matrix @ square
        first, second = (tuple(float(v) for v in row) for row in product[:2])
        return replace(self, matrix=(first, second))  # type: ignore[arg-type]

    def mirrored(self, width: int) -> View:
        """The view that shows of a mirrored frame, `width` pixels wide, this view's picture mirrored.

        Its scale keeps its sign: nothing that is drawn through it is drawn backwards.
        """
        (a, b, x), (c, d, y) = self.matrix
        last = width - 1
        return replace(self, matrix=((a, -b, self.width - 1 - a * last - x), (-c, d, c * last + y)))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"matrix": [list(row) for row in self.matrix], "height": self.height, "width": self.width}

    @staticmethod
    def from_json(data: dict[str, Any]) -> View:
        """The inverse of `to_json`."""
        first, second = (tuple(float(v) for v in row) for row in data["matrix"])
        return View((first, second), int(data["height"]), int(data["width"]))  # type: ignore[arg-type]
