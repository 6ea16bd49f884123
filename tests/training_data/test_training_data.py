"""Datasets opened for training: image size, conditioners and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.dots_conditioner import DOTS_PLUGIN, DotsOptions
from helpers.factories import make_blob_video, tiny_config

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError
from vid2vid_cli.data.cropping import crop_view
from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.engine.events import ignore_events
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.training_data.dataset_conditioners import find_dataset
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint, open_training_data


@pytest.fixture(scope="module")
def dots_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The blob video, 56 x 40, annotated by `dots` with a threshold of 190."""
    folder = tmp_path_factory.mktemp("dots_dataset")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)
        request = PrepareRequest(
            (make_blob_video(folder / "a.mp4", 10),), ("dots",), folder / "set", options={"dots": {"min_red": "190"}}
        )
        return prepare(request, ignore_events).path


@pytest.fixture(autouse=True)
def _dots_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", DOTS_PLUGIN)


def make_config(**changes: Any) -> Config:
    return tiny_config().model_copy(update=changes)


def test_training_data_image_size_follows_aspect_ratio(dots_dataset: Path) -> None:
    for aspect_ratio, image_size in ((1.0, (24, 24)), (1.5, (24, 36)), (None, (24, 34)), (0.7, (24, 17))):
        config = tiny_config(data={"height": 24, "aspect_ratio": aspect_ratio, "crop": "center"})
        training_data = open_training_data(dots_dataset, config)
        assert (training_data.view.height, training_data.view.width) == image_size
        assert training_data.view == crop_view(40, 56, image_size, "center", {})
        assert training_data.build_sampler(config).sample_batch(0, 2).frames.shape == (1, 2, 3, *image_size)
        metadata = training_data.checkpoint_metadata("ada", config, {})
        assert metadata.output_size == image_size
        assert open_data_for_checkpoint(dots_dataset, metadata, Path("a.ckpt")).view == training_data.view


def test_training_data_describes_the_part_of_the_frame(dots_dataset: Path) -> None:
    """Frames of 56 x 40: the whole frame of the same shape, a centred square, and random crops."""
    texts = [
        open_training_data(dots_dataset, tiny_config(data=data)).describe_size()
        for data in (
            {"aspect_ratio": None, "size_rule": "area", "crop": "center"},
            {"crop": "center"},
            {"crop": "random"},
        )
    ]
    assert texts[0] == "28x20 of 56x40: the whole frame"
    assert texts[1] == "24x24 of 56x40: 71% of the frame's width, all of its height"
    assert texts[2].startswith("24x24, random crops")


def test_training_data_subject_crop_contains_subject_box(dots_dataset: Path) -> None:
    """The box of the moving dot is wider than high and fills the image."""
    subject_box = read_manifest(dots_dataset).conditioner_record("dots").statistics["subject_box"]
    view = open_training_data(dots_dataset, tiny_config(data={"height": 24, "aspect_ratio": "subject"})).view
    box_width, box_height = subject_box[2] - subject_box[0], subject_box[3] - subject_box[1]
    assert view.width == 2 * round(12 * box_width / box_height) > 26
    corners = view.transform_points(
        np.array([[subject_box[0] - 0.5, subject_box[1] - 0.5], [subject_box[2] - 0.5, subject_box[3] - 0.5]])
    )
    assert np.allclose(corners, [[-0.5, -0.5], [view.width - 0.5, 23.5]], atol=0.6)


def test_open_training_data_rejects_too_narrow_frames(dots_dataset: Path) -> None:
    """With aspect_ratio=null the image size depends on the dataset."""
    data = {"height": 64, "size_rule": "area", "aspect_ratio": None}
    generator = {"num_downsamples": 4, "base_channels": 16}
    view = open_training_data(dots_dataset, tiny_config(data=data, generator=generator)).view
    assert (view.width, view.height) == (76, 54)
    deeper_config = tiny_config(data=data, generator={**generator, "num_downsamples": 5})
    with pytest.raises(ConfigError, match=r"data\.height=64 .* 76x54.* 56x40") as caught:
        open_training_data(dots_dataset, deeper_config)
    assert "data.height" in caught.value.hint


def test_training_data_stores_render_options(dots_dataset: Path) -> None:
    config = make_config(conditioner_options={"dots": {"radius": 7.5}})
    training_data = open_training_data(dots_dataset, config)
    assert training_data.conditioners[0].options == DotsOptions(min_red=190, radius=7.5)
    (conditioner_config,) = training_data.checkpoint_metadata("ada", config, {}).conditioners
    assert conditioner_config.options == {"min_red": 190, "two_channels": False, "radius": 7.5, "person": "largest"}
    restored = open_data_for_checkpoint(
        dots_dataset, training_data.checkpoint_metadata("ada", config, {}), Path("a.ckpt")
    )
    assert restored.conditioners[0].options == training_data.conditioners[0].options
    thin_conditions, thick_conditions = (
        open_training_data(dots_dataset, run_config).build_sampler(run_config).sample_batch(0, 2).conditions
        for run_config in (make_config(), config)
    )
    assert (thick_conditions > 0).sum() > 2 * (thin_conditions > 0).sum() > 0


@pytest.mark.parametrize(
    ("options", "message_parts", "hint"),
    [
        (
            {"dots": {"min_red": 3}},
            ("conditioner_options.dots.min_red", "radius"),
            "vid2vid prepare --conditioner dots --conditioner-option dots.min_red=3 VIDEO",
        ),
        (
            {"dots": {"input_path": "a.txt"}},
            ("conditioner_options.dots.input_path",),
            "--conditioner-option dots.input_path",
        ),
        ({"dots": {"radios": 3}}, ("dots.radios",), "dots.radius"),
        ({"dots": {"radius": 0}}, ("dots.radius=0", "0.5"), "radius"),
        ({"pose": {"joint_dropout": 3}}, ("conditioner_options.pose", "dots"), "--conditioner pose"),
    ],
)
def test_open_training_data_rejects_bad_options(
    dots_dataset: Path, options: dict[str, dict[str, Any]], message_parts: tuple[str, ...], hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        open_training_data(dots_dataset, make_config(conditioner_options=options))
    assert all(part in caught.value.message for part in message_parts)
    assert hint in caught.value.hint


def test_open_training_data_ignores_options_of_unused_alternative(dots_dataset: Path) -> None:
    config = make_config(
        conditioners=("pose|dots",), conditioner_options={"pose": {"joint_dropout": 1}, "dots": {"radius": 2}}
    )
    assert open_training_data(dots_dataset, config).conditioners[0].options.radius == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("required", "requirement", "hint"),
    [
        (("labels|segmentation",), "labels or segmentation", "--conditioner labels,"),
        (("dots", "edges"), "dots, and edges", "--conditioner dots --conditioner edges,"),
    ],
)
def test_open_training_data_rejects_other_conditioners(
    dots_dataset: Path, required: tuple[str, ...], requirement: str, hint: str
) -> None:
    with pytest.raises(DatasetMismatchError) as caught:
        open_training_data(dots_dataset, make_config(conditioners=required))
    assert requirement in caught.value.message
    assert hint in caught.value.hint


def test_find_dataset_picks_newest_matching_alternative(
    dots_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("datasets").mkdir()
    Path("datasets/a").symlink_to(dots_dataset)
    assert find_dataset(None, make_config(conditioners=("edges|dots",)), "x") == Path("datasets/a")
    with pytest.raises(DatasetMismatchError, match="street needs labels or edges") as caught:
        find_dataset(None, make_config(conditioners=("labels|edges",)), "street")
    assert "vid2vid prepare --conditioner labels video.mp4" in caught.value.hint
