"""Choice of device, precision and memory format."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vid2vid_cli.core.errors import ConfigError, DeviceError
from vid2vid_cli.engine import runtime
from vid2vid_cli.engine.runtime import choose_device, choose_runtime, gpu_precision


@pytest.mark.parametrize("requested", ["gpu", "cuda:99", "xpu", ""])
def test_choose_device_rejects_missing_devices(requested: str) -> None:
    with pytest.raises(DeviceError):
        choose_device(requested)


def test_choose_runtime_auto_gives_usable_device() -> None:
    chosen = choose_runtime("auto")
    assert chosen.precision in ("fp32", "bf16", "fp16")
    torch.zeros(1, device=chosen.device)


def test_choose_runtime_returns_requested_values() -> None:
    chosen = choose_runtime("cpu", "bf16", False)
    assert chosen.describe() == "cpu, bf16"
    layer = chosen.prepare_module(nn.Conv2d(8, 8, 3))
    with chosen.autocast():
        assert layer(torch.zeros(1, 8, 4, 4)).dtype == torch.bfloat16
    chosen = choose_runtime("cpu", "fp16", False)
    assert chosen.describe() == "cpu, fp16"
    with chosen.autocast():
        assert chosen.prepare_module(nn.Conv2d(8, 8, 3))(torch.zeros(1, 8, 4, 4)).dtype == torch.float16
    with pytest.raises(ConfigError, match="half"):
        choose_runtime("cpu", "half")
    chosen = choose_runtime("cpu", "fp32")
    assert chosen.describe() == "cpu, fp32, channels_last"
    layer = chosen.prepare_module(nn.Conv2d(8, 8, 3))
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)
    with chosen.autocast():
        assert layer(torch.zeros(1, 8, 4, 4)).dtype == torch.float32


@pytest.mark.parametrize(
    ("has_bf16", "speedup", "expected"), [(True, 2.0, "bf16"), (True, 1.1, "fp32"), (False, 9.0, "fp32")]
)
def test_auto_precision_measures_bf16_on_cpu(
    has_bf16: bool, speedup: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_has_cpu_bf16", lambda: has_bf16)
    monkeypatch.setattr(runtime, "_convolution_seconds", lambda: {torch.float32: 1.0, torch.bfloat16: 1.0 / speedup})
    assert choose_runtime("cpu").precision == expected
    assert choose_runtime("cpu", "bf16").precision == "bf16"


@pytest.mark.parametrize(
    ("compute_capability", "expected"),
    [((6, 1), "fp32"), ((7, 0), "fp16"), ((7, 5), "fp16"), ((8, 0), "bf16"), ((8, 9), "bf16"), ((12, 0), "bf16")],
)
def test_gpu_precision_is_that_of_the_tensor_cores(compute_capability: tuple[int, int], expected: str) -> None:
    assert gpu_precision(compute_capability) == expected


def test_auto_precision_does_not_change_within_a_process() -> None:
    assert runtime._convolution_seconds() is runtime._convolution_seconds()
    assert choose_runtime("cpu") == choose_runtime("cpu")


def test_training_on_a_cpu_uses_the_contiguous_format() -> None:
    assert not choose_runtime("cpu", "fp32", is_training=True).channels_last
    assert choose_runtime("cpu", "fp32", True, is_training=True).channels_last
    assert choose_runtime("cpu", "fp32").channels_last


def test_inference_limits_the_threads_of_its_block() -> None:
    before = torch.get_num_threads()
    with runtime.Runtime(torch.device("cpu"), "fp32", False, num_threads=before + 1).inference():
        assert torch.get_num_threads() == before + 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before
    assert not torch.is_inference_mode_enabled()
