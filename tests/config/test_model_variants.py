"""`model` is a layer above the preset and below explicit settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from vid2vid_cli.config.resolve import config_from_mapping, dump_yaml, preset_names, resolve_config
from vid2vid_cli.core.errors import ConfigError


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("model", ["pix2pixhd", "pix2pix"])
def test_model_variants_keep_size_and_optimizer_of_preset(preset: str, model: str) -> None:
    preset_config = resolve_config(preset, None).config
    config = resolve_config(preset, None, [f"model={model}"]).config
    assert (config.generator.past_frames, config.generator.flow, config.discriminators.temporal.frame_strides) == (
        0,
        False,
        (),
    )
    assert (config.data, config.optimizer) == (preset_config.data, preset_config.optimizer)
    assert config.generator.base_channels == preset_config.generator.base_channels
    assert config.schedule.max_steps == preset_config.schedule.max_steps
    assert (config.generator.kind == "unet") is (model == "pix2pix")


def test_pix2pix_settings_and_origins() -> None:
    resolved = resolve_config("tiny", None, ["model=pix2pix"])
    losses = resolved.config.losses
    assert (losses.gan_mode, losses.l1, losses.adversarial) == ("vanilla", 100, 1)
    assert (losses.feature_matching, losses.perceptual) == (0, 0)
    assert (resolved.config.discriminators.image.num_scales, resolved.config.discriminators.image.num_layers) == (1, 3)
    assert resolved.origins["losses.l1"] == "model=pix2pix"
    assert resolved.origins["generator.base_channels"] == "preset tiny"
    assert resolved.origins["model"] == "--set"


@pytest.mark.parametrize(("height", "num_downsamples"), [(16, 4), (96, 6), (128, 7), (256, 8), (512, 8)])
def test_pix2pix_depth_follows_height(height: int, num_downsamples: int) -> None:
    config = resolve_config("tiny", None, ["model=pix2pix", f"data.height={height}"]).config
    assert config.generator.num_downsamples == num_downsamples


def test_pix2pixhd_keeps_losses_and_image_discriminator() -> None:
    preset_config = resolve_config("face", None, ["generator.num_scales=2"]).config
    config = resolve_config("face", None, ["generator.num_scales=2", "model=pix2pixhd"]).config
    assert config.losses == preset_config.losses
    assert config.discriminators.image == preset_config.discriminators.image
    expected = {**preset_config.generator.model_dump(), "past_frames": 0, "flow": False}
    assert config.generator.model_dump() == expected


def test_model_variant_is_overridden_by_explicit_settings(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("model: pix2pix\nlosses: {l1: 7, feature_matching: 3}\n")
    resolved = resolve_config("tiny", path, ["losses.l1=8", "generator.num_downsamples=3"])
    losses = resolved.config.losses
    assert (losses.l1, losses.feature_matching, losses.gan_mode) == (8, 3, "vanilla")
    assert resolved.config.generator.num_downsamples == 3
    assert resolve_config("tiny", path, ["model=vid2vid"]).config.generator.past_frames == 2


def test_model_variant_dump_yaml_round_trip(tmp_path: Path) -> None:
    config = resolve_config("tiny", None, ["model=pix2pix", "generator.num_downsamples=4"]).config
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(config))
    assert resolve_config("street", path).config == config
    assert config_from_mapping(config.model_dump(mode="json"), "run") == config


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (["model=pix2pix", "generator.num_res_blocks=4"], ["generator.num_res_blocks:", "unet", "(from --set)"]),
        (["model=pix2pix", "generator.past_frames=2"], ["generator.kind=unet", "generator.past_frames=0"]),
        (["model=pix2pix", "generator.num_scales=2"], ["generator.kind=unet", "generator.num_scales=1"]),
        (["generator.kind=unet"], ["model=pix2pix"]),
        (["generator.dropout=0.1"], ["generator.dropout:", "composite", "(from --set)"]),
        (["generator.patch_size=2"], ["generator.patch_size:", "composite", "(from --set)"]),
        (["generator.kind=fast", "generator.kernel_size=3"], ["generator.kernel_size:", "fast"]),
        (["generator.kind=fast", "schedule.freeze_coarse_steps=5"], ["schedule.freeze_coarse_steps:", "fast"]),
        (["generator.kind=fast", "generator.num_scales=2"], ["generator.num_scales=1"]),
        (["generator.kind=fast", "generator.foreground_classes=[car]"], ["generator.foreground_classes=[]"]),
        (
            ["generator.kind=fast", "generator.patch_size=8", "generator.num_downsamples=2"],
            ["generator.patch_size=8", "at least 3"],
        ),
        (["generator.kind=composite", "generator.num_references=2"], ["generator.num_references=2", "kind=fast"]),
        (["generator.kind=fast", "generator.num_references=5"], ["generator.num_references=5", "4"]),
        (["generator.kind=spade"], ["generator.kind=spade", "generator.num_references of at least 1"]),
        (
            ["generator.kind=spade", "generator.num_references=1", "generator.num_scales=2"],
            ["generator.kind=spade", "generator.num_scales=1"],
        ),
        (
            ["generator.kind=spade", "generator.num_references=1", "generator.upsample=resize"],
            ["generator.upsample:", "spade", "(from --set)"],
        ),
        (
            ["model=cyclegan", "generator.kind=fast", "generator.num_references=1"],
            ["model=cyclegan", "generator.num_references=0"],
        ),
        (["generator.kind=fast", "generator.blend_references=false"], ["generator.blend_references:", "fast"]),
        (["model=pix2pixhd", "losses.flow=3"], ["losses.flow:", "generator.flow", "(from --set)"]),
        (["model=stylegan"], ["model=stylegan:", "'vid2vid', 'pix2pixhd'"]),
        (["model=pix2pix", "data.height=100", "generator.num_downsamples=8"], ["129"]),
        (["model=pix2pix", "data.height=large"], ["data.height=large"]),
    ],
)
def test_resolve_config_rejects_unsupported_combinations(settings: list[str], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_config("tiny", None, settings)
    assert [part for part in parts if part not in caught.value.message] == []


UNPAIRED = ("cyclegan", "dualgan", "discogan")


@pytest.mark.parametrize("model", UNPAIRED)
def test_unpaired_models_resolve_on_their_preset_and_on_tiny(model: str) -> None:
    for preset in ("cyclegan", "tiny"):
        config = resolve_config(preset, None, [f"model={model}"]).config
        assert (config.is_unpaired, config.generator.past_frames, config.schedule.clip_length) == (True, 0, 1)
        assert config.accepts(("none",))
        assert config.accepts(("edges",))


def test_unpaired_temporal_term_reads_two_frames() -> None:
    config = resolve_config("cyclegan", None, ["losses.temporal_warp=10"]).config
    assert (config.losses.temporal_warp, config.schedule.clip_length, config.schedule.max_clip_length) == (10, 2, 2)


@pytest.mark.parametrize(
    ("preset", "setting"),
    [("tiny", "losses.cycle=1"), ("tiny", "unpaired.history_size=1"), ("cyclegan", "losses.l1=1")],
)
def test_settings_of_the_other_kind_of_model_are_refused(preset: str, setting: str) -> None:
    with pytest.raises(ConfigError, match=setting.partition("=")[0]):
        resolve_config(preset, None, [setting])


def test_savp_resolves_on_its_preset_and_on_tiny() -> None:
    for preset in ("savp", "savp_small", "tiny"):
        config = resolve_config(preset, None, ["model=savp"]).config
        assert (config.generator.kind, config.generator.target, config.generator.flow) == (
            "savp",
            "future_frames",
            False,
        )
        assert (config.num_initial_frames, config.losses.l1) == (2, 100)
        assert config.accepts(("none",))


@pytest.mark.parametrize(
    ("preset", "settings", "parts"),
    [
        ("tiny", ["losses.kl=1"], ["losses.kl", "model=savp"]),
        ("tiny", ["generator.latent_channels=4"], ["generator.latent_channels", "model=bicyclegan"]),
        ("tiny", ["generator.kind=savp"], ["generator.kind=savp", "model=savp"]),
        ("savp", ["generator.past_frames=0"], ["generator.past_frames"]),
        ("savp", ["schedule.initial_frames=zeros"], ["schedule.initial_frames=real"]),
        ("savp", ["generator.latent_encoder=false"], ["generator.latent_encoder=false", "losses.kl=0"]),
        ("savp", ["generator.latent_injection=input"], ["generator.latent_injection=input", "all or norm"]),
        ("bicyclegan", ["generator.latent_injection=norm"], ["generator.latent_injection=norm", "all or input"]),
        ("savp", ["schedule.clip_length=2"], ["schedule.clip_length=2", "3 predicted", "4"]),
        ("savp", ["losses.temporal_warp=1"], ["losses.temporal_warp", "model=savp"]),
    ],
)
def test_savp_rejects_unsupported_combinations(preset: str, settings: list[str], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_config(preset, None, settings)
    assert [part for part in parts if part not in caught.value.message] == []


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        ("generator.motion_encoder", "true", ["generator.latent_encoder=false", "losses.kl=0"]),
        ("generator.motion_encoder", "true", ["generator.latent_channels=0"]),
        ("generator.latent_encoder", "false", ["generator.latent_channels=0"]),
        ("generator.latent_injection", "norm", ["generator.latent_channels=0"]),
    ],
)
def test_savp_refuses_settings_of_latents_that_it_does_not_have(key: str, value: str, cause: list[str]) -> None:
    """Only explicit ones: the preset sets them too."""
    resolve_config("savp_small", None, cause)
    with pytest.raises(ConfigError) as caught:
        resolve_config("savp_small", None, [*cause, f"{key}={value}"])
    assert caught.value.message.startswith(f"{key}: ")
    assert cause[0] in caught.value.message


@pytest.mark.parametrize(
    ("preset", "setting"),
    [
        ("fader", "discriminators.image.base_channels=8"),
        ("fader", "generator.skip_connections=true"),
        ("savp", "discriminators.image.num_layers=2"),
        ("savp_small", "discriminators.image.base_channels=8"),
        ("vaegan", "discriminators.image.num_layers=2"),
    ],
)
def test_settings_of_networks_that_a_model_does_not_have_are_refused(preset: str, setting: str) -> None:
    resolve_config(preset, None)
    with pytest.raises(ConfigError) as caught:
        resolve_config(preset, None, [setting])
    assert caught.value.message.startswith(setting.partition("=")[0])


def test_wgan_needs_weight_clipping() -> None:
    with pytest.raises(ConfigError, match="weight_clip"):
        resolve_config("cyclegan", None, ["model=dualgan", "losses.gan_mode=wgan"])
    resolve_config("cyclegan", None, ["model=dualgan", "losses.gan_mode=wgan", "unpaired.weight_clip=0.01"])


def test_paired_models_refuse_datasets_of_frames_alone() -> None:
    assert not resolve_config("tiny", None).config.accepts(("none",))
