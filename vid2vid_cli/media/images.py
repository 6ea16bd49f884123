"""PNG and JPEG files, and resampling of images. Channels are RGB everywhere: OpenCV's BGR is internal to this file."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vid2vid_cli.core.errors import NotAVideoError
from vid2vid_cli.core.geometry import ImageArray, UInt8Array, View
from vid2vid_cli.media.files import write_frame_file
from vid2vid_cli.media.image_header import IMAGE_HINT, open_image, read_regular_file

Image = NDArray[Any]

# The types OpenCV can interpolate; others are converted to float32 and back.
INTERPOLATED_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))

# Row filter 2 (up): a tenth faster and a tenth smaller on video frames than OpenCV's default. OpenCV before 4.12 does
# not have the option.
PNG_OPTIONS = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP] if hasattr(cv2, "IMWRITE_PNG_FILTER") else []


def save_png(path: Path, image: Image) -> None:
    """Write (h, w), (h, w, 3) RGB or (h, w, 4) RGBA, uint8 or uint16, as PNG, atomically.

    Raises DiskFullError, PermissionDeniedError, MissingFileError (no such folder).
    """
    write_frame_file(path, _encode_image(".png", image, PNG_OPTIONS))


def save_jpeg(path: Path, image: UInt8Array, quality: int = 95) -> None:
    """Write (h, w) or (h, w, 3) RGB uint8 as JPEG without chroma subsampling, atomically; errors as in `save_png`."""
    write_frame_file(path, encode_jpeg(image, quality))


def encode_jpeg(image: UInt8Array, quality: int = 95) -> bytes:
    """(h, w) or (h, w, 3) RGB uint8 as JPEG without chroma subsampling."""
    sampling = [int(cv2.IMWRITE_JPEG_SAMPLING_FACTOR), int(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)]
    return _encode_image(".jpg", image, [int(cv2.IMWRITE_JPEG_QUALITY), quality, *sampling])


def decode_image(content: bytes) -> UInt8Array:
    """The content of an image file as uint8 RGB (h, w, 3). Raises ValueError if it is not an image.

    The number of pixels is not checked: only for content whose header was checked by `open_image`.
    """
    image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("not an image, or damaged")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def load_png(path: Path) -> Image:
    """Load an image with its stored type and channels: uint8 or uint16, (h, w), RGB (h, w, 3) or RGBA (h, w, 4).

    Raises MissingFileError, PermissionDeniedError, NotAVideoError (not an image, or too large).
    """
    return _load_image(path, cv2.IMREAD_UNCHANGED)


def load_image(path: Path) -> ImageArray:
    """Load any image file as uint8 RGB (h, w, 3), rotated according to its EXIF tag; errors as in `load_png`."""
    return _load_image(path, cv2.IMREAD_COLOR).astype(np.uint8, copy=False)


def view_image(image: Image, view: View, *, nearest: bool = False) -> Image:
    """Resample an image (h, w) or (h, w, c) through `view`: (view.height, view.width[, c]) of the same dtype.

    Linear interpolation, with area averaging if the view downscales, so that nothing aliases. `nearest` copies values
    unchanged, for label maps. The border of the image is replicated outside it.
    """
    if nearest:
        return _sample_nearest(image, view)
    if _is_identity(image, view):
        return image.copy()
    min_singular_value = float(np.linalg.svd(view.array[:, :2], compute_uv=False)[-1])
    # Rendered `supersampling` times larger, an output pixel spans at most one image pixel; INTER_AREA averages blocks.
    supersampling = max(1, min(ceil(1.0 / max(min_singular_value, 1e-6) - 1e-6), 32))
    fine_matrix = view.compose(
        np.array([[supersampling, 0.0, (supersampling - 1) / 2], [0.0, supersampling, (supersampling - 1) / 2]])
    ).array

    def warp(channels: Image) -> Image:
        warped = cv2.warpAffine(
            channels,
            fine_matrix,
            (view.width * supersampling, view.height * supersampling),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return (
            warped
            if supersampling == 1
            else cv2.resize(warped, (view.width, view.height), interpolation=cv2.INTER_AREA)
        )

    return _apply_per_channels(image, warp, height=view.height, width=view.width)


def resize_image(image: Image, height: int, width: int) -> Image:
    """Resize an image to (height, width), same dtype: area averaging when smaller, linear when larger."""
    old_height, old_width = image.shape[:2]
    if (height, width) == (old_height, old_width):
        return image.copy()

    def resize(channels: Image) -> Image:
        if height <= old_height and width <= old_width:
            return cv2.resize(channels, (width, height), interpolation=cv2.INTER_AREA)
        # One axis at a time: INTER_AREA is not an area filter if one axis grows.
        if height < old_height:
            channels = cv2.resize(channels, (old_width, height), interpolation=cv2.INTER_AREA)
        if width < old_width:
            channels = cv2.resize(channels, (width, channels.shape[0]), interpolation=cv2.INTER_AREA)
        if channels.shape[:2] == (height, width):
            return channels
        return cv2.resize(channels, (width, height), interpolation=cv2.INTER_LINEAR)

    return _apply_per_channels(image, resize, height=height, width=width)


def _apply_per_channels(image: Image, operation: Callable[[Image], Image], *, height: int, width: int) -> Image:
    """Apply an OpenCV operation, which supports one to four channels of a few dtypes, to any number and dtype."""
    dtype = image.dtype
    source = image if dtype in INTERPOLATED_DTYPES else image.astype(np.float32)
    num_channels = 1 if image.ndim == 2 else image.shape[2]
    image_channels = source.reshape(*image.shape[:2], num_channels)
    chunks = [
        operation(np.ascontiguousarray(image_channels[:, :, first : first + 4])).reshape(height, width, -1)
        for first in range(0, num_channels, 4)
    ]
    result: Image = chunks[0] if len(chunks) == 1 else np.concatenate(chunks, axis=2)
    if dtype not in INTERPOLATED_DTYPES:
        result = (np.rint(result) if dtype.kind in "iub" else result).astype(dtype)
    return result.reshape(height, width, *image.shape[2:])


def _sample_nearest(image: Image, view: View) -> Image:
    """Resample by nearest neighbour with array indexing: exact for every dtype."""
    inverse: NDArray[np.float64] = np.linalg.inv(np.vstack([view.array, [0.0, 0.0, 1.0]]))
    x = np.arange(view.width, dtype=np.float64)[None, :]
    y = np.arange(view.height, dtype=np.float64)[:, None]
    rounding_offset = 0.5 + 1e-6  # ties round up regardless of rounding errors of the matrix
    if inverse[0, 1] == inverse[1, 0] == 0:  # axis-aligned: one row index per row, one column index per column
        row = np.floor(inverse[1, 1] * y[:, 0] + inverse[1, 2] + rounding_offset).astype(np.intp)
        column = np.floor(inverse[0, 0] * x[0] + inverse[0, 2] + rounding_offset).astype(np.intp)
        selected_rows: Image = image[row.clip(0, image.shape[0] - 1)]
        return selected_rows[:, column.clip(0, image.shape[1] - 1)]
    columns = np.floor(inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2] + rounding_offset).astype(np.intp)
    rows = np.floor(inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2] + rounding_offset).astype(np.intp)
    result: Image = image[rows.clip(0, image.shape[0] - 1), columns.clip(0, image.shape[1] - 1)]
    return result


def _is_identity(image: Image, view: View) -> bool:
    same_size = image.shape[:2] == (view.height, view.width)
    return same_size and bool(np.allclose(view.array, [[1, 0, 0], [0, 1, 0]], atol=1e-9))


def _encode_image(suffix: str, image: Image, options: list[int]) -> bytes:
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim == 3:
        code = cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        image = cv2.cvtColor(np.ascontiguousarray(image), code)
    return cv2.imencode(suffix, image, options)[1].tobytes()


def _load_image(path: Path, flags: int) -> Image:
    content = read_regular_file(path)
    open_image(path, content)  # checks the number of pixels, which OpenCV would allocate
    image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
    if image is None:
        raise NotAVideoError(f"{path} is not a readable image.", IMAGE_HINT)
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    return np.asarray(image)
