"""The weights in a `.ckpt`: tensors with a checksum, compared with the architecture before they are loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vid2vid_cli.core.checkpoint_header import (
    CHECKSUM_KEY,
    CHECKSUM_PLACEHOLDER,
    DISCRIMINATOR_PREFIX,
    METADATA_KEY,
    REFERENCE_FRAMES_KEY,
    add_checksum,
    damaged_error,
    read_header,
    verify_checksum,
)
from vid2vid_cli.core.errors import TruncatedCheckpointError
from vid2vid_cli.media.files import atomic_write

Weights = Mapping[str, Tensor]
_DTYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "BOOL": torch.bool},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8},
}
"""Names of safetensors."""


def save_weights(path: Path, weights: Weights, metadata: str) -> None:
    """Write tensors and the JSON text `metadata` atomically. Raises DiskFullError, PermissionDeniedError."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    header = {METADATA_KEY: metadata, CHECKSUM_KEY: CHECKSUM_PLACEHOLDER}

    def write(temp_path: Path) -> None:
        # safetensors' `save_file` would replace the OSError by an error of its own.
        with temp_path.open("wb") as file:
            for part in add_checksum(save(tensors, header)):
                file.write(part)

    atomic_write(path, write)


@contextmanager
def without_data() -> Iterator[None]:
    """Networks built in this context have shapes and types, but no values and no memory (torch's meta device)."""
    with torch.device("meta"), _SkipRandomValues():
        yield


class _SkipRandomValues(TorchFunctionMode):
    """Omits the random initialisation, for which the meta device imports a second's worth of modules."""

    _SKIPPED = (nn.init.normal_, nn.init.kaiming_uniform_, nn.init.uniform_, Tensor.normal_, Tensor.uniform_)

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in self._SKIPPED:
            return args[0] if args else (kwargs or {})["tensor"]  # nn.init passes its tensor by name
        return func(*args, **(kwargs or {}))


def check_weight_table(path: Path, network: nn.Module) -> None:
    """Compare the header of a file with a network without data. Raises TruncatedCheckpointError."""
    _, table = read_header(path)
    expected = {name: (value.dtype, tuple(value.shape)) for name, value in network.state_dict().items()}
    actual = {
        name: (_DTYPES[entry["dtype"]], tuple(entry["shape"]))
        for name, entry in table.items()
        if not name.startswith(DISCRIMINATOR_PREFIX) and name != REFERENCE_FRAMES_KEY
    }
    for name in sorted(expected.keys() | actual.keys()):
        if name not in actual or name not in expected:
            reason = "has no weights" if name not in actual else "has unknown weights"
            raise _unfitting_error(path, f"it {reason} {name}")
        if actual[name] != expected[name]:
            (dtype, shape), (expected_dtype, expected_shape) = actual[name], expected[name]
            raise _unfitting_error(
                path,
                f"the weights {name} are {dtype} {shape}, and the architecture has {expected_dtype} {expected_shape}",
            )


def _unfitting_error(path: Path, reason: str) -> TruncatedCheckpointError:
    """The error for weights of another network than that of the metadata."""
    return TruncatedCheckpointError(
        f"{path} was made by another version of vid2vid, or is damaged: {reason}",
        "Use that version, train again with this one, or copy the file again.",
    )


def load_network_weights(path: Path) -> dict[str, dict[str, Tensor]]:
    """The weights of a `.ckpt` by network and name: `generator`, and discriminators if the file contains any.

    Raises TruncatedCheckpointError if the content of the file does not match its checksum.
    """
    verify_checksum(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise damaged_error(path, str(error)) from None
    networks: dict[str, dict[str, Tensor]] = {"generator": {}}
    for name, value in tensors.items():
        if name.startswith(DISCRIMINATOR_PREFIX):
            network, _, weight_name = name.removeprefix(DISCRIMINATOR_PREFIX).partition(".")
            networks.setdefault(network, {})[weight_name] = value
        elif name != REFERENCE_FRAMES_KEY:
            networks["generator"][name] = value
    return networks


def load_reference_frames(path: Path) -> NDArray[np.uint8]:
    """The bytes of all reference frames of a `.ckpt` that has some, see `EncodedFrames.pack`.

    Raises TruncatedCheckpointError.
    """
    try:
        with safe_open(path, "numpy") as file:
            content: NDArray[np.uint8] = file.get_tensor(REFERENCE_FRAMES_KEY)
    except (SafetensorError, ValueError) as error:
        raise damaged_error(path, str(error)) from None
    if content.dtype != np.uint8 or content.ndim != 1:
        raise damaged_error(path, f"the reference frames are {content.dtype} {content.shape}")
    return content


def check_finite(path: Path, weights: Weights) -> None:
    """Raise TruncatedCheckpointError if a weight is NaN or infinite."""
    for name, value in weights.items():
        if value.is_floating_point() and value.numel() and not torch.stack(value.aminmax()).isfinite().all():
            raise damaged_error(path, f"the weights {name} are not finite")
