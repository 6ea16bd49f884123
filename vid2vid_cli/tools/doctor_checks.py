"""Checks that `doctor` runs in subprocesses, so that a library that crashes or hangs is reported.

The module, started with the name of a check, prints one line of JSON: ["ok" | "warning", detail, remedy].
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

CheckResult = tuple[str, str, str]


def check_torch() -> CheckResult:
    """Report the version and the devices of torch."""
    import torch

    devices = [f"cpu ({torch.get_num_threads()} threads)"]
    for index in range(torch.cuda.device_count()):
        name, memory = torch.cuda.get_device_name(index), torch.cuda.mem_get_info(index)[1]
        devices.append(f"cuda:{index} {name} ({memory / 2**30:.0f} GiB)")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return "ok", f"{torch.__version__}; {', '.join(devices)}", ""


def check_bf16() -> CheckResult:
    """Measure the speed of a convolution in bf16 relative to fp32."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        layer = torch.nn.Conv2d(128, 128, 3, padding=1).to(device, dtype).to(memory_format=torch.channels_last)
        image = torch.randn(1, 128, 64, 64, device=device, dtype=dtype)
        image = image.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            for _ in range(3):
                layer(image).sum().item()
            start_time = time.perf_counter()
            for _ in range(5):
                layer(image).sum().item()
        seconds[dtype] = time.perf_counter() - start_time
    return "ok", describe_bf16_speed(device, seconds[torch.float32], seconds[torch.bfloat16]), ""


def describe_bf16_speed(device: str, fp32_seconds: float, bf16_seconds: float) -> str:
    """Which precision is faster, by which factor, from 1.0 up."""
    faster, slower = ("bf16", "fp32") if bf16_seconds <= fp32_seconds else ("fp32", "bf16")
    factor = max(fp32_seconds, bf16_seconds) / max(min(fp32_seconds, bf16_seconds), 1e-9)
    digits = 0 if factor >= 10 else 1
    return f"a convolution on {device} is {factor:.{digits}f} times as fast in {faster} as in {slower}"


def check_training_step() -> CheckResult:
    """Train a very small network for a few steps."""
    import torch

    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 3, padding=1))
    optimizer = torch.optim.Adam(layers.parameters(), 1e-2)
    image, losses = torch.rand(1, 3, 32, 32), []
    for _ in range(5):
        optimizer.zero_grad()
        loss = (layers(image) - image).abs().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    if not losses[-1] < losses[0]:
        raise RuntimeError(f"the loss did not decrease: {losses[0]:.3f} to {losses[-1]:.3f}")
    return "ok", f"the loss decreased from {losses[0]:.3f} to {losses[-1]:.3f} in 5 steps", ""


def check_codecs() -> CheckResult:
    """Check PyAV for the encoders that are used."""
    import av

    missing = [name for name in ("libx264", "ffv1") if name not in av.codecs_available]
    detail = f"PyAV {av.__version__}"
    if missing:
        return "warning", f"{detail} lacks {', '.join(missing)}", "pip install --force-reinstall av"
    return "ok", f"{detail} with libx264 and ffv1", ""


def check_opencv() -> CheckResult:
    """Check OpenCV, and whether several installed distributions overwrite each other."""
    from importlib import metadata

    import cv2

    names = {str(package.metadata["Name"]).lower() for package in metadata.distributions() if package.metadata["Name"]}
    installed = sorted(name for name in names if name.startswith("opencv-") and "python" in name)
    if len(installed) > 1:
        remedy = f"pip uninstall -y {' '.join(installed)} && pip install opencv-python-headless"
        return "warning", f"{cv2.__version__}; conflicting distributions: {', '.join(installed)}", remedy
    return "ok", f"{cv2.__version__} ({', '.join(installed) or 'not from pip'})", ""


def check_video() -> CheckResult:
    """Encode frames, decode them and compare."""
    import numpy as np

    from vid2vid_cli.media.reader import VideoReader
    from vid2vid_cli.media.writer import VideoWriter

    gradient = np.linspace(20, 230, 64, dtype=np.uint8)
    frames = [np.repeat(np.broadcast_to(gradient + 4 * n, (48, 64))[..., None], 3, axis=2).copy() for n in range(5)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "check.mp4"
        with VideoWriter(path, Fraction(25)) as writer:
            for frame in frames:
                writer.write(frame)
        decoded_frames = list(VideoReader(path))
    if len(decoded_frames) != len(frames):
        raise RuntimeError(f"{len(frames)} frames written, {len(decoded_frames)} read")
    max_error = max(
        float(np.abs(a.astype(int) - b.astype(int)).mean()) for a, b in zip(frames, decoded_frames, strict=True)
    )
    if max_error > 8:
        raise RuntimeError(f"decoded frames differ by {max_error:.1f} of 255")
    return "ok", f"{len(frames)} frames written and read, mean difference {max_error:.2f} of 255", ""


CHECKS: dict[str, Callable[[], CheckResult]] = {
    "torch": check_torch,
    "bf16": check_bf16,
    "training_step": check_training_step,
    "codecs": check_codecs,
    "opencv": check_opencv,
    "video": check_video,
}

if __name__ == "__main__":
    print(json.dumps(CHECKS[sys.argv[1]]()))
