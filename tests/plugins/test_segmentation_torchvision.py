"""The weights that the spec of segmentation lists are those that torchvision publishes."""

from __future__ import annotations

import pytest
from vid2vid_segmentation import SPEC
from vid2vid_segmentation.deeplab import NAMES


def test_the_spec_lists_what_torchvision_downloads() -> None:
    models = pytest.importorskip("torchvision").models
    listed = {file.name: file for file in SPEC.weights}
    for name in NAMES.values():
        published = models.get_model_weights(name).DEFAULT
        file = listed[published.url.rsplit("/", 1)[-1]]
        assert published.url in file.source
        assert file.size == pytest.approx(published.meta["_file_size"] * 2**20, rel=1e-3)
