"""A model of the family is a layer over a preset, and under all that is said explicitly."""

from __future__ import annotations

from pathlib import Path

import pytest

from vid2vid_cli.config.resolve import config_from_mapping, dump_yaml, load_layers, preset_names
from vid2vid_cli.core.errors import ConfigError


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("model", ["pix2pixhd", "pix2pix"])
def test_every_preset_trains_every_model_at_its_own_size(preset: str, model: str) -> None:
    own = load_layers(preset, None, [], {}).config
    config = load_layers(preset, None, [f"model={model}"], {}).config
    assert (config.generator.past, config.generator.flow, config.temporal.rates) == (0, False, ())
    assert (config.data, config.optimizer) == (own.data, own.optimizer)
    assert config.generator.width == own.generator.width
    assert config.schedule.steps == own.schedule.steps
    assert (config.generator.kind == "unet") is (model == "pix2pix")


def test_what_pix2pix_is() -> None:
    resolved = load_layers("tiny", None, ["model=pix2pix"], {})
    losses = resolved.config.losses
    assert (losses.gan, losses.pixel, losses.adversarial) == ("cross_entropy", 100, 1)
    assert (losses.feature_matching, losses.perceptual) == (0, 0)
    assert (resolved.config.discriminator.scales, resolved.config.discriminator.layers) == (1, 3)
    assert resolved.origins["losses.pixel"] == "model=pix2pix"
    assert resolved.origins["generator.width"] == "preset tiny"
    assert resolved.origins["model"] == "--set"


@pytest.mark.parametrize(("size", "levels"), [(16, 4), (96, 6), (128, 7), (256, 8), (512, 8)])
def test_a_unet_is_as_deep_as_its_picture_allows(size: int, levels: int) -> None:
    config = load_layers("tiny", None, ["model=pix2pix", f"data.size={size}"], {}).config
    assert config.generator.downsamples == levels


def test_pix2pixhd_keeps_what_vid2vid_took_over_from_it() -> None:
    own = load_layers("face", None, ["generator.scales=2"], {}).config
    config = load_layers("face", None, ["generator.scales=2", "model=pix2pixhd"], {}).config
    assert config.losses == own.losses
    assert config.discriminator == own.discriminator
    unlike = {"past": 0, "flow": False}
    assert config.generator == own.generator.model_copy(update=unlike)


def test_what_is_said_explicitly_wins(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("model: pix2pix\nlosses: {pixel: 7, feature_matching: 3}\n")
    resolved = load_layers("tiny", mine, ["losses.pixel=8", "generator.downsamples=3"], {})
    losses = resolved.config.losses
    assert (losses.pixel, losses.feature_matching, losses.gan) == (8, 3, "cross_entropy")
    assert resolved.config.generator.downsamples == 3
    assert load_layers("tiny", mine, ["model=vid2vid"], {}).config.generator.past == 2


def test_settings_of_a_run_read_back_the_same(tmp_path: Path) -> None:
    config = load_layers("tiny", None, ["model=pix2pix", "generator.downsamples=4"], {}).config
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(config))
    assert load_layers("street", path, [], {}).config == config
    assert config_from_mapping(config.model_dump(mode="json"), "run") == config


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (["model=pix2pix", "generator.blocks=4"], "generator.blocks: a unet generator has no such thing (from --set)."),
        (["model=pix2pix", "generator.past=2"], "draws each frame alone"),
        (["model=pix2pix", "generator.scales=2"], "draws each frame alone"),
        (["generator.kind=unet"], "model=pix2pix sets them all"),
        (["generator.dropout=0.1"], "generator.dropout: a composite generator has no such thing (from --set)."),
        (["generator.patch=2"], "generator.patch: a composite generator has no such thing (from --set)."),
        (["generator.kind=fast", "generator.kernel=3"], "generator.kernel: a fast generator has no such thing"),
        (["generator.kind=fast", "schedule.fix_global=5"], "a fast generator has one scale"),
        (["generator.kind=fast", "generator.scales=2"], "at one scale"),
        (["generator.kind=fast", "generator.foreground=[car]"], "foreground and background together"),
        (["generator.kind=fast", "generator.patch=8", "generator.downsamples=2"], "is 3 downsamplings"),
        (["model=pix2pixhd", "losses.flow=3"], "losses.flow: there is no flow without generator.flow (from --set)."),
        (["model=cyclegan"], "model=cyclegan: should be 'vid2vid', 'pix2pixhd'"),
        (["model=pix2pix", "data.size=100", "generator.downsamples=8"], "at least 129 pixels are needed"),
        (["model=pix2pix", "data.size=large"], "data.size=large"),
    ],
)
def test_what_does_not_go_together_is_said(sets: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_layers("tiny", None, sets, {})
    assert words in caught.value.message
