"""Trials that `doctor` runs in a process of their own: a library that crashes or hangs is then only reported.

`python -m vid2vid_cli.tools.doctor_checks NAME` prints one line of JSON: ["ok" | "warning", detail, remedy].
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

Answer = tuple[str, str, str]


def torch() -> Answer:
    """Version, devices, and whether bf16 gains."""
    import torch as library

    devices = [f"cpu ({library.get_num_threads()} threads)"]
    for index in range(library.cuda.device_count()):
        name, memory = library.cuda.get_device_name(index), library.cuda.mem_get_info(index)[1]
        devices.append(f"cuda:{index} {name} ({memory / 2**30:.0f} GiB)")
    if library.backends.mps.is_available():
        devices.append("mps")
    return "ok", f"{library.__version__}; {', '.join(devices)}", ""


def bf16() -> Answer:
    """How much faster the same convolution runs in bf16 on this machine."""
    import torch as library

    device = "cuda" if library.cuda.is_available() else "cpu"
    seconds = {}
    for kind in (library.float32, library.bfloat16):
        layer = library.nn.Conv2d(128, 128, 3, padding=1).to(device, kind).to(memory_format=library.channels_last)
        picture = library.randn(1, 128, 64, 64, device=device, dtype=kind)
        picture = picture.contiguous(memory_format=library.channels_last)
        with library.no_grad():
            for _ in range(3):
                layer(picture).sum().item()
            began = time.perf_counter()
            for _ in range(5):
                layer(picture).sum().item()
        seconds[kind] = time.perf_counter() - began
    gain = seconds[library.float32] / seconds[library.bfloat16]
    return "ok", f"a convolution on {device} runs {gain:.1f} times as fast in bf16 as in fp32", ""


def step() -> Answer:
    """Forward, backward, optimiser: as training does it, very small."""
    import torch as library

    library.manual_seed(0)
    layers = library.nn.Sequential(library.nn.Conv2d(3, 8, 3, padding=1), library.nn.Conv2d(8, 3, 3, padding=1))
    optimizer = library.optim.Adam(layers.parameters(), 1e-2)
    picture, losses = library.rand(1, 3, 32, 32), []
    for _ in range(5):
        optimizer.zero_grad()
        loss = (layers(picture) - picture).abs().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    if not losses[-1] < losses[0]:
        raise RuntimeError(f"the loss went from {losses[0]:.3f} to {losses[-1]:.3f}")
    return "ok", f"the loss fell from {losses[0]:.3f} to {losses[-1]:.3f} in 5 steps", ""


def codecs() -> Answer:
    """PyAV and its encoders."""
    import av

    missing = [name for name in ("libx264", "ffv1") if name not in av.codecs_available]
    detail = f"PyAV {av.__version__}"
    if missing:
        return "warning", f"{detail} lacks {', '.join(missing)}", "pip install --force-reinstall av"
    return "ok", f"{detail} with libx264 and ffv1", ""


def opencv() -> Answer:
    """OpenCV, and whether two distributions of it overwrite each other."""
    from importlib import metadata

    import cv2

    names = {str(one.metadata["Name"]).lower() for one in metadata.distributions() if one.metadata["Name"]}
    installed = sorted(name for name in names if name.startswith("opencv-") and "python" in name)
    if len(installed) > 1:
        remedy = f"pip uninstall -y {' '.join(installed)} && pip install opencv-python-headless"
        return "warning", f"{cv2.__version__}; {len(installed)} copies in one place: {', '.join(installed)}", remedy
    return "ok", f"{cv2.__version__} ({', '.join(installed) or 'not from pip'})", ""


def video() -> Answer:
    """Encode frames, decode them, compare."""
    import numpy as np

    from vid2vid_cli.media.reader import VideoReader
    from vid2vid_cli.media.writer import VideoWriter

    ramp = np.linspace(20, 230, 64, dtype=np.uint8)
    frames = [np.repeat(np.broadcast_to(ramp + 4 * n, (48, 64))[..., None], 3, axis=2).copy() for n in range(5)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.mp4"
        with VideoWriter(path, Fraction(25)) as writer:
            for frame in frames:
                writer.write(frame)
        back = list(VideoReader(path))
    if len(back) != len(frames):
        raise RuntimeError(f"wrote {len(frames)} frames, read {len(back)}")
    worst = max(float(np.abs(a.astype(int) - b.astype(int)).mean()) for a, b in zip(frames, back, strict=True))
    if worst > 8:
        raise RuntimeError(f"frames came back changed by {worst:.1f} of 255")
    return "ok", f"{len(frames)} frames written and read back, changed by {worst:.2f} of 255", ""


PROBES: dict[str, Callable[[], Answer]] = {
    "torch": torch,
    "bf16": bf16,
    "step": step,
    "codecs": codecs,
    "opencv": opencv,
    "video": video,
}

if __name__ == "__main__":
    print(json.dumps(PROBES[sys.argv[1]]()))
