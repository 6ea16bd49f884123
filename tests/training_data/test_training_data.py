"""A dataset as settings want it seen and drawn: its picture, its conditioners, and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.dots_conditioner import PLUGINS, DotOptions
from helpers.factories import make_film, tiny_config

from vid2vid_cli.config.config import Config
from vid2vid_cli.core.errors import ConfigError, DatasetMismatchError
from vid2vid_cli.data.cropping import frame_view
from vid2vid_cli.data.manifest import read_manifest
from vid2vid_cli.engine.events import silent
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.training_data.find_dataset import choose_dataset
from vid2vid_cli.training_data.training_data import open_for_checkpoint, open_subject


@pytest.fixture(scope="module")
def dotted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The blob, followed by `dots`, which looks for pixels that are 190 red; 56 x 40."""
    folder = tmp_path_factory.mktemp("dotted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VID2VID_PLUGINS", PLUGINS)
        request = PrepareRequest(
            (make_film(folder / "a.mp4", 10),), ("dots",), folder / "set", options={"dots": {"bright": "190"}}
        )
        return prepare(request, silent).path


@pytest.fixture(autouse=True)
def _dots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VID2VID_PLUGINS", PLUGINS)


def config(**changes: Any) -> Config:
    return tiny_config().model_copy(update=changes)


def test_the_picture_has_the_shape_that_is_asked_for(dotted: Path) -> None:
    for aspect, picture in ((1.0, (24, 24)), (1.5, (24, 36)), (None, (24, 34)), (0.7, (24, 17))):
        settings = tiny_config(data={"size": 24, "aspect": aspect, "crop": "whole"})
        subject = open_subject(dotted, settings)
        assert (subject.view.height, subject.view.width) == picture
        assert subject.view == frame_view(40, 56, picture, "whole", {})
        assert subject.sampler(settings).draw(0, 2).frames.shape == (1, 2, 3, *picture)
        info = subject.info("ada", settings, {})
        assert info.picture == picture
        assert open_for_checkpoint(dotted, info, Path("a.ckpt")).view == subject.view


def test_a_picture_of_what_was_found_shows_all_of_it(dotted: Path) -> None:
    """The dot moves to the right: its box is wider than high, and fills the picture."""
    dots = read_manifest(dotted).conditioner("dots").statistics["focus"]
    view = open_subject(dotted, tiny_config(data={"size": 24, "aspect": "focus"})).view
    wide, tall = dots[2] - dots[0], dots[3] - dots[1]
    assert view.width == 2 * round(12 * wide / tall) > 26
    corners = view.points(np.array([[dots[0] - 0.5, dots[1] - 0.5], [dots[2] - 0.5, dots[3] - 0.5]]))
    assert np.allclose(corners, [[-0.5, -0.5], [view.width - 0.5, 23.5]], atol=0.6)


def test_frames_too_narrow_for_the_generator(dotted: Path) -> None:
    """Known only with the dataset, where the picture takes its shape from the frames."""
    settings = tiny_config(data={"size": 45, "aspect": None}, generator={"downsamples": 4})
    assert open_subject(dotted, settings).view.width == 62
    deeper = settings.model_copy(update={"generator": settings.generator.model_copy(update={"downsamples": 5})})
    with pytest.raises(ConfigError, match=r"data.size=45 is too small .* the frames of .* are 56x40") as caught:
        open_subject(dotted, deeper)
    assert "data.size" in caught.value.hint


def test_how_things_are_drawn_is_set_in_training_and_remembered(dotted: Path) -> None:
    settings = config(conditioner_options={"dots": {"radius": 7.5}})
    subject = open_subject(dotted, settings)
    assert subject.conditioners[0].options == DotOptions(bright=190, radius=7.5)
    (use,) = subject.info("ada", settings, {}).conditioners
    assert use.options == {"bright": 190, "twice": False, "radius": 7.5, "person": "largest"}
    drawn = open_for_checkpoint(dotted, subject.info("ada", settings, {}), Path("a.ckpt"))
    assert drawn.conditioners[0].options == subject.conditioners[0].options
    plain, thick = (open_subject(dotted, one).sampler(one).draw(0, 2).conditions for one in (config(), settings))
    assert (thick > 0).sum() > 2 * (plain > 0).sum() > 0


@pytest.mark.parametrize(
    ("options", "words", "hint"),
    [
        (
            {"dots": {"bright": 3}},
            "conditioner_options.dots.bright: says how things are found, which `prepare` has done already; "
            "training may set radius.",
            "vid2vid prepare --conditioner dots --option dots.bright=3 VIDEO",
        ),
        ({"dots": {"file": "a.txt"}}, "conditioner_options.dots.file: says how things are found", "--option dots.file"),
        ({"dots": {"radios": 3}}, "dots.radios: not an option of dots", "dots.radius"),
        ({"dots": {"radius": 0}}, "dots.radius=0: input should be greater than or equal to 0.5", "radius"),
        ({"pose": {"drop": 3}}, "conditioner_options.pose: set was prepared with dots", "--conditioner pose"),
    ],
)
def test_options_that_do_not_fit(dotted: Path, options: dict[str, dict[str, Any]], words: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_subject(dotted, config(conditioner_options=options))
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_alternatives_and_options_for_those_not_there(dotted: Path) -> None:
    settings = config(conditioners=("pose|dots",), conditioner_options={"pose": {"drop": 1}, "dots": {"radius": 2}})
    assert open_subject(dotted, settings).conditioners[0].options.radius == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wanted", "words", "hint"),
    [
        (("labels|segmentation",), "needs labels or segmentation.", "Prepare it with --conditioner labels,"),
        (("dots", "edges"), "needs dots, and edges.", "Prepare it with --conditioner dots --conditioner edges,"),
    ],
)
def test_a_dataset_that_does_not_fit(dotted: Path, wanted: tuple[str, ...], words: str, hint: str) -> None:
    with pytest.raises(DatasetMismatchError) as caught:
        open_subject(dotted, config(conditioners=wanted))
    assert f"set was prepared with dots, and the preset {words}" in caught.value.message
    assert hint in caught.value.hint


def test_the_newest_that_fits_one_of_the_alternatives(
    dotted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("datasets").mkdir()
    Path("datasets/a").symlink_to(dotted)
    assert choose_dataset(None, config(conditioners=("edges|dots",)), "x") == Path("datasets/a")
    with pytest.raises(DatasetMismatchError, match="has labels or edges, as street needs") as caught:
        choose_dataset(None, config(conditioners=("labels|edges",)), "street")
    assert caught.value.hint == "Make one: vid2vid prepare --conditioner labels video.mp4"
