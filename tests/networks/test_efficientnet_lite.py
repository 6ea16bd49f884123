"""EfficientNet-Lite0: shapes and padding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vid2vid_cli.networks.efficientnet_lite import EfficientNetLite0, SameConv2d


def test_features_have_published_shapes() -> None:
    network = EfficientNetLite0(16).eval()
    with torch.no_grad():
        features = network(torch.zeros(1, 3, 65, 96))
    channels = [feature.shape[1] for feature in features]
    assert channels == [32, 16, *[24] * 2, *[40] * 2, *[80] * 3, *[112] * 3, *[192] * 4, 320]
    assert [features[index].shape[2:] for index in (0, 1, 3, 5, 8, 11, 16)] == [
        (33, 48),
        (33, 48),
        (17, 24),
        (9, 12),
        (5, 6),
        (5, 6),
        (3, 3),
    ]
    assert not any("_se_" in key for key in network.state_dict())


@pytest.mark.parametrize(("size", "kernel_size", "padding"), [(8, 3, (0, 1)), (9, 3, (1, 1)), (8, 5, (1, 2))])
def test_same_conv2d_pads_at_the_end_first(size: int, kernel_size: int, padding: tuple[int, int]) -> None:
    conv = SameConv2d(1, 1, kernel_size, stride=2)
    image = torch.randn(1, 1, size, size)
    padded = F.pad(image, (*padding, *padding))
    assert torch.equal(conv(image), F.conv2d(padded, conv.weight, stride=2))
    assert conv(image).shape[-1] == -(-size // 2)
