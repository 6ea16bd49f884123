"""Runs an exported generator in onnxruntime, with the interface of `SequentialGenerator`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vid2vid_cli.core.errors import (
    DeviceError,
    ForeignCheckpointError,
    MissingPackageError,
    TruncatedCheckpointError,
    is_out_of_memory,
)
from vid2vid_cli.core.types import FrameOutput, FrameReferences, check_shape
from vid2vid_cli.engine.checkpoint_metadata import CheckpointMetadata
from vid2vid_cli.engine.onnx_export import REFERENCE_INPUTS
from vid2vid_cli.engine.onnx_files import EXPORT_AGAIN_HINT, INSTALL_COMMAND, check_export_entries

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
AUTO_PROVIDERS = ("cuda", "directml", "coreml", "cpu")
"""The first that is available is used. TensorRT compiles for minutes and OpenVINO is not faster: only on request."""


class OnnxGenerator:
    """An exported generator. Inputs and outputs are on the CPU, with a batch of one."""

    style_encoder: None = None

    def __init__(self, path: Path, metadata: CheckpointMetadata, provider: str) -> None:
        """Load the file. `provider`: a key of PROVIDERS.

        Raises MissingPackageError, TruncatedCheckpointError (not an ONNX file), DeviceError (the provider fails), and
        the errors of `check_export_entries`.
        """
        config = metadata.generator
        self.path, self.provider = path, provider
        self.past_frames: int = config.past_frames if config.kind in ("composite", "fast", "spade") else 0
        self.num_scales: int = config.num_scales if config.kind == "composite" else 1
        self.window_size: int = self.past_frames + 1 if config.kind == "composite" else 1
        self._session = _open_session(path, provider)
        check_export_entries(path, self._session.get_modelmeta().custom_metadata_map)
        self._input_names = [node.name for node in self._session.get_inputs()]
        self._output_names = [node.name for node in self._session.get_outputs()]
        window_shape = self._session.get_inputs()[0].shape if self._input_names else []
        channels = metadata.condition_spec.input_channels
        if self._input_names[:1] != ["window"] or window_shape[1:3] != [self.window_size, channels]:
            raise ForeignCheckpointError(
                f"{path} has the inputs {', '.join(self._input_names)} {window_shape}; its metadata describe a window "
                f"of {self.window_size} x {channels} channels",
                EXPORT_AGAIN_HINT,
            )

    def __call__(
        self,
        window: Tensor,
        past: Sequence[Tensor],
        is_first_frame: bool = False,
        *references: FrameReferences,
    ) -> FrameOutput:
        """(1, window, c, h, w), (1, past, 3, h, w) per scale, finest first -> the next frame, as in the rollout."""
        check_shape("window", window, "b l c h w", b=1, l=self.window_size)
        tensors = {"window": window, "first_frame": torch.tensor([float(is_first_frame)])}
        tensors |= {f"past_{scale}": frames for scale, frames in enumerate(past)}
        for item in references:
            values = (item.images, item.static_images, item.positions, item.weights, item.log_weights)
            tensors |= dict(zip(REFERENCE_INPUTS, values, strict=True))
        feed = {name: tensors[name].float().contiguous().numpy() for name in self._input_names}
        try:
            arrays = self._session.run(self._output_names, feed)
        except Exception as error:
            if is_out_of_memory(error) or "allocate memory" in str(error):
                raise DeviceError(f"{self.path}: the device is out of memory.", "Use --provider cpu.") from error
            raise
        outputs = dict(zip(self._output_names, map(torch.from_numpy, arrays), strict=True))
        return FrameOutput(
            outputs["image"],
            outputs["raw"],
            flow=None if is_first_frame else outputs.get("flow"),
            occlusion=None if is_first_frame else outputs.get("occlusion"),
            coarse_images=tuple(outputs[f"coarse_image_{scale}"] for scale in range(1, self.num_scales)),
        )

    def describe(self) -> str:
        """Human-readable, such as `onnxruntime, cpu`."""
        return f"onnxruntime, {self.provider}"


def choose_provider(requested: str, device: str = "auto") -> str:
    """The key of PROVIDERS for `--provider` and `--device`, both `auto` by default.

    Raises MissingPackageError without onnxruntime, DeviceError if the installed onnxruntime lacks the provider.
    """
    available = available_providers()
    if requested != "auto":
        candidates: tuple[str, ...] = (requested,)
    elif device == "auto":
        candidates = AUTO_PROVIDERS
    else:
        candidates = ({"cuda": "cuda", "mps": "coreml"}.get(device.partition(":")[0], "cpu"),)
    for name in candidates:
        if name in available:
            return name
    raise DeviceError(
        f"the installed onnxruntime has no provider {candidates[0]}; it has {', '.join(available)}",
        _PROVIDER_PACKAGES.get(candidates[0], "Use --provider cpu."),
    )


_PROVIDER_PACKAGES = {
    **dict.fromkeys(("cuda", "tensorrt"), "pip uninstall -y onnxruntime && pip install onnxruntime-gpu"),
    "directml": "On Windows: pip uninstall -y onnxruntime && pip install onnxruntime-directml",
    "openvino": "pip uninstall -y onnxruntime && pip install onnxruntime-openvino",
    "coreml": "Only onnxruntime for macOS has it. Use --provider cpu.",
}


def available_providers() -> tuple[str, ...]:
    """The keys of PROVIDERS that the installed onnxruntime has. Raises MissingPackageError."""
    names = _import_onnxruntime().get_available_providers()
    return tuple(key for key, name in PROVIDERS.items() if name in names)


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingPackageError("Exported files need onnxruntime, which is not installed.", INSTALL_COMMAND) from None
    return onnxruntime


def _open_session(path: Path, provider: str) -> Any:
    onnxruntime = _import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=list(dict.fromkeys((PROVIDERS[provider], PROVIDERS["cpu"])))
        )
    except Exception as error:  # onnxruntime has no common error class
        reason = str(error).splitlines()[0][:200]
        if type(error).__name__ in ("InvalidProtobuf", "InvalidGraph", "NoModel", "InvalidArgument"):
            raise TruncatedCheckpointError(
                f"{path} is not an ONNX file, or is damaged ({reason})", "Copy it again, or export it again."
            ) from None
        raise DeviceError(f"onnxruntime cannot load {path} on {provider}: {reason}", "Use --provider cpu.") from None
