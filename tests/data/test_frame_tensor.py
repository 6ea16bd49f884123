"""Conversion of frames and conditions to tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vid2vid_cli.data.frame_tensor import condition_to_tensor


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
@pytest.mark.parametrize("num_channels", [1, 3, 16, 600])
def test_condition_to_tensor_equals_torch_in_both_memory_formats(num_channels: int, dtype: type) -> None:
    channels = np.random.default_rng(0).integers(-1, 2, (num_channels, 6, 9)).astype(dtype)
    for channels_last in (False, True):
        tensor = condition_to_tensor(channels, channels_last=channels_last)
        assert torch.equal(tensor, torch.from_numpy(channels))
    is_converted = tensor[None].is_contiguous(memory_format=torch.channels_last)
    assert is_converted == (num_channels <= 512)
