"""Files of a dataset that may not be trusted: links must stay inside it, and arrays are not larger than their file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from vid2vid_cli.core.errors import DatasetError
from vid2vid_cli.data.manifest import PREPARE_AGAIN_HINT
from vid2vid_cli.media.files import atomic_write


def check_inside(path: Path, root: Path) -> None:
    """Raise DatasetError if `path`, which may be missing, is reached by a link that leaves the folder `root`."""
    real_path, real_root = os.path.realpath(path), os.path.realpath(root)
    if os.path.commonpath((real_path, real_root)) != real_root:
        raise DatasetError(
            f"{path} is a link to {real_path}, which is not in the dataset.", "Copy the file into the dataset."
        )


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as .npz with an atomic write. Raises DiskFullError, PermissionDeniedError."""

    def write(temp_path: Path) -> None:
        with temp_path.open("wb") as file:  # numpy adds a suffix to a path, but not to a file
            np.savez(file, **arrays)  # type: ignore[arg-type]

    atomic_write(path, write)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Load the arrays that `save_arrays` wrote. They take no more memory than the file has bytes.

    Raises DatasetError (missing, not a regular file, damaged, or larger than the file).
    """
    if not path.is_file():
        problem = "is not a regular file" if path.exists() else "is missing"
        raise DatasetError(f"The dataset is damaged: {path} {problem}.", PREPARE_AGAIN_HINT)
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
            num_bytes, num_file_bytes = sum(entry.file_size for entry in entries), path.stat().st_size
            if num_bytes > num_file_bytes or any(entry.compress_type != ZIP_STORED for entry in entries):
                raise ValueError(f"{num_file_bytes} bytes are expanded to {num_bytes}, and datasets are not compressed")
            arrays = {}
            for entry in entries:
                with archive.open(entry) as member:
                    _check_array_size(member, entry.file_size)
                with archive.open(entry) as member:
                    arrays[entry.filename.removesuffix(".npy")] = npy_format.read_array(member, allow_pickle=False)
            return arrays
    except Exception as error:  # zipfile and numpy raise a dozen classes for damaged files
        raise DatasetError(f"The dataset is damaged: {path} cannot be read ({error}).", PREPARE_AGAIN_HINT) from error


def _check_array_size(member: IO[bytes], max_bytes: int) -> None:
    """Raise ValueError if the header of a .npy file declares more than `max_bytes`, or Python objects."""
    version = npy_format.read_magic(member)
    read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = read_header(member)
    if dtype.hasobject or prod(shape) * dtype.itemsize > max_bytes:
        raise ValueError(f"an array of {dtype} {shape} in {max_bytes} bytes")
