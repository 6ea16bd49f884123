"""Headers of image files, read before anything is decoded: the number of pixels, animation, transparency."""

from __future__ import annotations

import re
import stat
import struct
import warnings
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from vid2vid_cli.core.errors import NotAVideoError
from vid2vid_cli.media.os_errors import read_error

MAX_PIXELS = 1 << 27
"""Maximum number of pixels of an image or a video frame: 16384x8192. Decoded as RGB they take 400 MB."""
MAX_FILE_BYTES = 8 * MAX_PIXELS
"""Maximum size of an image file: MAX_PIXELS of 16-bit RGBA without compression."""
DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error)
"""What Pillow raises for damaged files."""
IMAGE_HINT = "Use PNG or JPEG files."
ANIMATED_FORMATS = ("PNG", "WEBP", "GIF")
"""Formats whose further frames are an animation. Those of other formats are pages (TIFF) or previews (JPEG)."""

# Pillow warns from 89 million pixels; `open_image` has its own limit.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def read_regular_file(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Content of a file; a device or FIFO, which may block or have no end, is refused.

    Raises NotAVideoError (not a regular file, or larger than `max_bytes`), MissingFileError, PermissionDeniedError.
    """
    try:
        file_status = path.stat()
        if not stat.S_ISREG(file_status.st_mode):
            raise NotAVideoError(f"{path} is not a regular file.", "Use image files, not folders, devices or pipes.")
        if file_status.st_size > max_bytes:
            raise NotAVideoError(
                f"{path} has {file_status.st_size} bytes; image files of up to {max_bytes} bytes are read.", IMAGE_HINT
            )
        return path.read_bytes()
    except OSError as error:
        raise read_error(path, error) from error


def open_image(path: Path, content: bytes) -> Image.Image:
    """Open an image file with Pillow: its header is read and checked; its pixels are not decoded yet.

    Raises NotAVideoError (not an image, or more than MAX_PIXELS).
    """
    try:
        image = Image.open(BytesIO(content))
    except Image.DecompressionBombError as error:
        num_pixels = re.search(r"\d+", str(error))
        raise _too_large_error(f"{path} has {num_pixels[0] if num_pixels else 'too many'} pixels") from error
    except UnidentifiedImageError as error:
        raise NotAVideoError(f"{path} is not a readable image.", IMAGE_HINT) from error
    except DECODE_ERRORS as error:
        raise NotAVideoError(f"{path} is a damaged image: {error}.", IMAGE_HINT) from error
    check_pixel_count(path, image.width, image.height)
    return image


def check_pixel_count(path: Path, width: int, height: int) -> None:
    """Raise NotAVideoError if an image or a frame has more than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise _too_large_error(f"{path} is {width}x{height}, which is {width * height} pixels")


def is_animation(path: Path) -> bool:
    """Whether an image file has several frames: APNG. Raises NotAVideoError for animated WebP, and as `open_image`."""
    image = open_image(path, read_regular_file(path))
    num_frames = _count_frames(image)
    if num_frames > 1 and image.format == "WEBP":
        raise NotAVideoError(
            f"{path} is an animated WebP image of {num_frames} frames, which is not supported.",
            "Convert it to a video, a GIF or an APNG first.",
        )
    return num_frames > 1


def has_frame_delay(path: Path) -> bool:
    """Whether the first frame of a GIF, which can be opened, has a delay above 0."""
    with Image.open(path) as image:
        return float(image.info.get("duration", 0)) > 0


def ignored_properties(path: Path) -> list[str]:
    """One message per property of an image of a folder that `load_image` ignores. Raises as `open_image`."""
    image = open_image(path, read_regular_file(path))
    messages = []
    if "A" in image.getbands() or "transparency" in image.info:
        messages.append("The alpha channel of the images is ignored.")
    if _count_frames(image) > 1:
        messages.append("The folder contains animated images; only the first frame of each is used.")
    return messages


def _count_frames(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1)) if image.format in ANIMATED_FORMATS else 1


def _too_large_error(description: str) -> NotAVideoError:
    return NotAVideoError(f"{description}; up to {MAX_PIXELS} are read.", "Reduce its size first.")
