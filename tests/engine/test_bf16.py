"""Convolutions in bf16: some kernels for CPUs compute wrong values for some shapes, see `ops.resample.patch_conv2d`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vid2vid_cli.config.presets import preset_names
from vid2vid_cli.config.resolve import resolve_config
from vid2vid_cli.core.model_specs import ConditionSpec
from vid2vid_cli.engine.build import build_generator
from vid2vid_cli.ops.resample import downsample2x


class CompareConvolutions(TorchDispatchMode):
    """Computes each convolution in bf16, and its gradients, in fp32 too; `errors` are relative to the fp32 result."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[float] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in (torch.ops.aten.convolution, torch.ops.aten.convolution_backward):
            results = result if isinstance(result, tuple) else (result,)
            if any(value is not None and value.dtype == torch.bfloat16 for value in results):
                exact = func(*(value.float() if isinstance(value, torch.Tensor) else value for value in args))
                for value, other in zip(results, exact if isinstance(exact, tuple) else (exact,), strict=True):
                    if value is not None and other.norm() > 0:
                        self.errors.append(float((value.float() - other).norm() / other.norm()))
        return result


@pytest.mark.parametrize("preset", [name for name in preset_names() if not name.startswith("savp")])
def test_convolutions_of_generator_are_right_in_bf16(preset: str) -> None:
    """With 16 condition channels, as for a face, `fast` had a wrong first layer on CPUs with AMX, and trained worse."""
    config = resolve_config(preset, None, [], {}).config
    generator = build_generator(config.generator, ConditionSpec(16))
    size = 4 << config.generator.num_downsamples + config.generator.num_scales - 1
    past = [torch.rand(1, generator.past_frames, 3, size, size)]
    for _ in range(1, config.generator.num_scales):
        past.append(downsample2x(past[-1][0])[None])
    window = torch.rand(1, generator.window_size, 16, size, size)
    with torch.autocast("cpu", torch.bfloat16), CompareConvolutions() as convolutions:
        generator(window, past).image.sum().backward()
    assert convolutions.errors
    assert max(convolutions.errors) < 0.03
