"""Pictures: PNG and JPEG on disk, and the two ways to change their size. Channels are RGB everywhere.

OpenCV does the work; its BGR order never leaves this file.
"""

from __future__ import annotations

import os
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.errors import NotAVideoError
from vid2vid_cli.core.geometry import View
from vid2vid_cli.media.os_errors import reading_failed, writing_failed

Image = NDArray[Any]

# The types OpenCV can interpolate; the others pass through float32.
INTERPOLATED = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))

# Each row as its difference from the one above: on video a tenth faster than OpenCV's own choice, and a tenth smaller.
# OpenCV before 4.12 cannot be told.
PNG_OPTIONS = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP] if hasattr(cv2, "IMWRITE_PNG_FILTER") else []


def save_png(path: Path, array: Image) -> None:
    """Write (h, w), (h, w, 3) RGB or (h, w, 4) RGBA, uint8 or uint16, without loss.

    The file appears whole or not at all.
    Raises DiskFullError, PermissionDeniedError, MissingFileError (no such folder).
    """
    _save(path, ".png", array, PNG_OPTIONS)


def save_jpeg(path: Path, array: NDArray[np.uint8], quality: int = 95) -> None:
    """Write (h, w) or (h, w, 3) RGB uint8 as JPEG, colour at full resolution; errors as in `save_png`."""
    sampling = [int(cv2.IMWRITE_JPEG_SAMPLING_FACTOR), int(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)]
    _save(path, ".jpg", array, [int(cv2.IMWRITE_JPEG_QUALITY), quality, *sampling])


def load_png(path: Path) -> Image:
    """A picture as it is stored: uint8 or uint16, (h, w) or RGB (h, w, 3) or RGBA (h, w, 4).

    Raises MissingFileError, PermissionDeniedError, NotAVideoError (not a picture).
    """
    return _load(path, cv2.IMREAD_UNCHANGED)


def load_picture(path: Path) -> NDArray[np.uint8]:
    """Any picture file as uint8 RGB (h, w, 3), upright as its EXIF says; errors as in `load_png`."""
    return _load(path, cv2.IMREAD_COLOR).astype(np.uint8, copy=False)


def view_image(image: Image, view: View, *, nearest: bool = False) -> Image:
    """What `view` sees of an image (h, w) or (h, w, c), as (view.height, view.width[, c]) of the same dtype.

    Linear, and averaged over the area of each pixel where the view makes things smaller, so that nothing
    aliases. `nearest` takes values over unchanged, for label maps. Outside the image its border is repeated.
    """
    if nearest:
        return _pick(image, view)
    if _is_identity(image, view):
        return image.copy()
    smallest = float(np.linalg.svd(view.array[:, :2], compute_uv=False)[-1])
    # Drawn `times` larger, a picture pixel spans at most one image pixel; averaging blocks is the area filter.
    times = max(1, min(ceil(1.0 / max(smallest, 1e-6) - 1e-6), 32))
    fine = view.then(np.array([[times, 0.0, (times - 1) / 2], [0.0, times, (times - 1) / 2]])).array

    def warp(plane: Image) -> Image:
        large = cv2.warpAffine(
            plane,
            fine,
            (view.width * times, view.height * times),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return large if times == 1 else cv2.resize(large, (view.width, view.height), interpolation=cv2.INTER_AREA)

    return _by_planes(image, warp, view.height, view.width)


def resize_to(image: Image, height: int, width: int) -> Image:
    """The whole image at another size, same dtype: averaged over areas when smaller, linear when larger."""
    old_height, old_width = image.shape[:2]
    if (height, width) == (old_height, old_width):
        return image.copy()

    def resize(plane: Image) -> Image:
        if height <= old_height and width <= old_width:
            return cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
        # Axis by axis: the area filter of OpenCV falls back to something else when one axis grows.
        if height < old_height:
            plane = cv2.resize(plane, (old_width, height), interpolation=cv2.INTER_AREA)
        if width < old_width:
            plane = cv2.resize(plane, (width, plane.shape[0]), interpolation=cv2.INTER_AREA)
        if plane.shape[:2] == (height, width):
            return plane
        return cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)

    return _by_planes(image, resize, height, width)


def _by_planes(image: Image, operation: Any, height: int, width: int) -> Image:
    """Apply an OpenCV operation on one to four channels of a few dtypes to any number and any dtype."""
    dtype = image.dtype
    work = image if dtype in INTERPOLATED else image.astype(np.float32)
    channels = 1 if image.ndim == 2 else image.shape[2]
    planes = work.reshape(*image.shape[:2], channels)
    parts = [
        operation(np.ascontiguousarray(planes[:, :, first : first + 4])).reshape(height, width, -1)
        for first in range(0, channels, 4)
    ]
    whole: Image = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
    if dtype not in INTERPOLATED:
        whole = (np.rint(whole) if dtype.kind in "iub" else whole).astype(dtype)
    return whole.reshape(height, width, *image.shape[2:])


def _pick(image: Image, view: View) -> Image:
    """The nearest image pixel for each pixel of the picture, by plain indexing: exact for every dtype."""
    inverse: NDArray[np.float64] = np.linalg.inv(np.vstack([view.array, [0.0, 0.0, 1.0]]))
    x = np.arange(view.width, dtype=np.float64)[None, :]
    y = np.arange(view.height, dtype=np.float64)[:, None]
    half = 0.5 + 1e-6  # ties go one way, whatever rounding does to the matrix
    if inverse[0, 1] == inverse[1, 0] == 0:  # rows stay rows: one of each is enough
        row = np.floor(inverse[1, 1] * y[:, 0] + inverse[1, 2] + half).astype(np.intp)
        column = np.floor(inverse[0, 0] * x[0] + inverse[0, 2] + half).astype(np.intp)
        some: Image = image[row.clip(0, image.shape[0] - 1)]
        return some[:, column.clip(0, image.shape[1] - 1)]
    columns = np.floor(inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2] + half).astype(np.intp)
    rows = np.floor(inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2] + half).astype(np.intp)
    picked: Image = image[rows.clip(0, image.shape[0] - 1), columns.clip(0, image.shape[1] - 1)]
    return picked


def _is_identity(image: Image, view: View) -> bool:
    same_size = image.shape[:2] == (view.height, view.width)
    return same_size and bool(np.allclose(view.array, [[1, 0, 0], [0, 1, 0]], atol=1e-9))


def _save(path: Path, suffix: str, array: Image, options: list[int]) -> None:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 3:
        code = cv2.COLOR_RGB2BGR if array.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        array = cv2.cvtColor(np.ascontiguousarray(array), code)
    encoded = cv2.imencode(suffix, array, options)[1]
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        unfinished.write_bytes(encoded.tobytes())
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise writing_failed(path, error) from error


def _load(path: Path, flags: int) -> Image:
    try:
        content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise reading_failed(path, error) from error
    image = cv2.imdecode(content, flags) if content.size else None
    if image is None:
        raise NotAVideoError(f"{path} is not a picture that can be read.", "Use PNG or JPEG files.")
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return np.asarray(image)
