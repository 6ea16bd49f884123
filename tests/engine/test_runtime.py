"""The machine: every `auto` is resolved, and what is not there is told."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vid2vid_cli.core.errors import DeviceError
from vid2vid_cli.engine import runtime
from vid2vid_cli.engine.runtime import choose_device, choose_machine


@pytest.mark.parametrize("wanted", ["gpu", "cuda:99", "xpu", ""])
def test_devices_that_are_not_here(wanted: str) -> None:
    with pytest.raises(DeviceError, match="device"):
        choose_device(wanted)


def test_auto_is_something_that_works() -> None:
    machine = choose_machine("auto")
    assert machine.precision in ("fp32", "bf16")
    torch.zeros(1, device=machine.device)


def test_what_is_asked_for_is_what_is_had() -> None:
    machine = choose_machine("cpu", "bf16", False)
    assert machine.describe() == "cpu, bf16"
    layer = machine.place(nn.Conv2d(8, 8, 3))
    with machine.autocast():
        assert layer(torch.zeros(1, 8, 4, 4)).dtype == torch.bfloat16
    machine = choose_machine("cpu", "fp32")
    assert machine.describe() == "cpu, fp32, channels_last"
    layer = machine.place(nn.Conv2d(8, 8, 3))
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)
    with machine.autocast():
        assert layer(torch.zeros(1, 8, 4, 4)).dtype == torch.float32


@pytest.mark.parametrize(("has", "gain", "chosen"), [(True, 2.0, "bf16"), (True, 1.1, "fp32"), (False, 9.0, "fp32")])
def test_bf16_is_measured_where_the_processor_has_it(
    has: bool, gain: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_cpu_has_bf16", lambda: has)
    monkeypatch.setattr(runtime, "_seconds", lambda kind: 1.0 if kind == torch.float32 else 1.0 / gain)
    assert choose_machine("cpu").precision == chosen
    assert choose_machine("cpu", "bf16").precision == "bf16"
