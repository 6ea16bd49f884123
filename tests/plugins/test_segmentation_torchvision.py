"""The weights in the segmentation spec match those that torchvision publishes."""

from __future__ import annotations

import pytest
from vid2vid_segmentation import SPEC
from vid2vid_segmentation.deeplab import TORCHVISION_NAMES


def test_spec_weights_match_torchvision() -> None:
    models = pytest.importorskip("torchvision").models
    weight_files = {file.name: file for file in SPEC.weights}
    for name in TORCHVISION_NAMES.values():
        published = models.get_model_weights(name).DEFAULT
        file = weight_files[published.url.rsplit("/", 1)[-1]]
        assert published.url in file.source
        assert file.size_bytes == pytest.approx(published.meta["_file_size"] * 2**20, rel=1e-3)
