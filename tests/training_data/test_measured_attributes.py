"""Attributes that the conditioner of a dataset measures, and the frames that have none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.dots_conditioner import DOTS_PLUGIN
from helpers.factories import make_blob_video, tiny_config

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.training.start_notices import describe_attributes
from vid2vid_cli.training_data.open_data import open_training_data


def fader_config(*attributes: str, attributes_file: Path | None = None) -> Config:
    return tiny_config(schedule={"clip_length": 1, "max_clip_length": 1}).with_settings(
        {
            "model": "fader",
            "generator.kind": "unet",
            "generator.past_frames": 0,
            "generator.flow": False,
            "generator.attributes": attributes,
            "data.attributes_file": None if attributes_file is None else str(attributes_file),
        }
    )


@pytest.fixture(autouse=True)
def _dots_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)


@pytest.fixture
def dots_dataset(tmp_path: Path) -> Path:
    """The disc moves from x = 12 to x = 68 in frames of 56 pixels, and leaves them."""
    video = make_blob_video(tmp_path / "a.mp4", 48)
    return prepare(PrepareRequest((video,), ("dots",), tmp_path / "set"), ignore_events).path


def test_measured_attribute_is_scaled_and_unmeasured_frames_are_left_out(dots_dataset: Path) -> None:
    config = fader_config("dot_x")
    data = open_training_data(dots_dataset, config)
    sampler = data.build_sampler(config)
    assert sampler.attributes is not None
    values = sampler.attributes[0][:, 0]
    is_measured = np.isfinite(values)
    assert 0 < is_measured.sum() < len(values)
    assert np.nanmin(values) == -1
    assert np.nanmax(values) == 1
    assert np.all(np.diff(values[is_measured]) > 0)
    used = np.concatenate([np.arange(r.start, r.stop) for r in sampler.ranges])
    assert is_measured[used].all()
    (notice,) = describe_attributes(config, data, sampler)
    assert f"{(~is_measured).sum()} frames" in notice
    _, notice = describe_attributes(config.with_settings({"augmentation.hflip_prob": 0.5}), data, sampler)
    assert "augmentation.hflip_prob=0.5" in notice


def test_column_of_the_file_precedes_the_measurement(dots_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text("dot_x\n0-9\n")
    config = fader_config("dot_x", attributes_file=tmp_path / "values.csv")
    (attribute,) = open_training_data(dots_dataset, config).load_attributes(config)
    assert np.flatnonzero(attribute.values).tolist() == list(range(10))


def test_unknown_attribute_suggests_measurements(dots_dataset: Path) -> None:
    config = fader_config("dot_y")
    with pytest.raises(ConfigError) as caught:
        open_training_data(dots_dataset, config).build_sampler(config)
    assert "Did you mean dot_x?" in caught.value.hint
