"""Layers and origins of a configuration, and errors of invalid settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.data import DataConfig
from vid2vid_cli.config.other_names import FORMER_NAMES
from vid2vid_cli.config.presets import preset_summary, read_yaml
from vid2vid_cli.config.resolve import (
    config_from_mapping,
    dump_yaml,
    preset_names,
    preset_path,
    resolve_config,
    setting_keys,
)
from vid2vid_cli.core.errors import ConfigError, MissingFileError, UnknownPresetError


def config_error(*settings: str, preset: str | None = None, config: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve_config(preset, config, settings)
    return caught.value.message


def test_resolve_config_later_layers_override(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("schedule: {max_steps: 11, batch_size: 2, clip_length: 3}\n")
    resolved = resolve_config(
        "tiny",
        preset,
        ["schedule.batch_size=4", "schedule.clip_length=5"],
        {"--clip-length": ("schedule.clip_length", 6), "--seed": ("runtime.seed", None)},
    )
    schedule = resolved.config.schedule
    assert (schedule.max_steps, schedule.batch_size, schedule.clip_length) == (11, 4, 6)
    assert resolved.origins["data.height"] == "preset tiny"
    assert resolved.origins["schedule.max_steps"] == f"--config {preset}"
    assert resolved.origins["schedule.batch_size"] == "--set"
    assert resolved.origins["schedule.clip_length"] == "--clip-length"
    assert resolved.origins["runtime.seed"] == "default"


def test_resolve_config_origins_cover_all_settings() -> None:
    resolved = resolve_config(None, None)
    assert resolved.config == Config()
    assert list(resolved.origins) == setting_keys()
    assert {origin for *_, origin in resolved.iter_rows()} == {"default"}


@pytest.mark.parametrize("name", preset_names())
def test_presets_load_and_have_summary(name: str) -> None:
    assert resolve_config(name, None).config.summary == preset_summary(name) != ""


@pytest.mark.parametrize(
    ("name", "conditioners", "output_size"),
    [
        ("pose", ("pose",), (256, 192)),
        ("pose_512p", ("pose",), (512, 384)),
        ("pose_1024p", ("pose",), (1024, 768)),
        ("tiny", ("something",), (148, 110)),
        ("fast", ("something",), (296, 222)),
        ("street", ("labels",), (256, 512)),
        ("street", ("segmentation",), (256, 512)),
        ("street_256", ("segmentation",), (128, 256)),
        ("street_1024", ("labels",), (512, 1024)),
        ("street_2048", ("labels",), (1024, 2048)),
        ("edges", ("edges",), (192, 342)),
        ("face", ("landmarks",), (256, 256)),
    ],
)
def test_presets_conditioners_and_output_size(
    name: str, conditioners: tuple[str, ...], output_size: tuple[int, int]
) -> None:
    """Frames of 1920 x 1080 with a subject box of aspect ratio 3:4."""
    config = resolve_config(name, None).config
    assert config.accepts(conditioners)
    assert config.accepts((*conditioners, "other")) is (name in ("tiny", "fast"))
    assert config.data.output_size(1080, 1920, (600, 100, 1200, 900)) == output_size


def test_pose_presets_use_joint_dropout() -> None:
    for name in ("pose", "pose_512p", "pose_1024p"):
        assert resolve_config(name, None).config.conditioner_options == {"pose": {"joint_dropout": 0.05}}


def test_tiny_and_face_size_and_conditioners() -> None:
    assert resolve_config("tiny", None).config.data.height == 128
    assert resolve_config("tiny", None).config.conditioners is None
    face = resolve_config("face", None).config
    assert (face.data.height, face.conditioners) == (256, ("landmarks",))


def test_dump_yaml_round_trip(tmp_path: Path) -> None:
    config = resolve_config("face", None, ["optimizer.lr=1e-5", "discriminators.temporal.frame_strides=[]"]).config
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(config))
    assert resolve_config(None, path).config == config
    assert config_from_mapping(config.model_dump(mode="json"), "a run") == config


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.5e3", "-2e+2", ".5e1"])
def test_read_yaml_parses_exponents_as_numbers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"value: {text}\n")
    value = read_yaml(path, "a")["value"]
    assert isinstance(value, float)
    assert value == float(text)


def test_read_yaml_keeps_strings(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("value: e5\nother: '1e-4'\n")
    assert read_yaml(path, "a") == {"value": "e5", "other": "1e-4"}


def test_read_yaml_rejects_duplicate_keys(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("data:\n  height: 64\n  height: 128\n")
    message = config_error(config=path)
    assert str(path) in message
    assert "height" in message
    assert "line 3" in message


def test_read_yaml_rejects_python_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("data: !!python/object/apply:os.system ['true']\n")
    assert "not valid YAML" in config_error(config=path)


def test_resolve_config_accepts_empty_and_rejects_list_files(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("- 1\n- 2\n")
    assert str(path) in config_error(config=path)
    path.write_text("")
    assert resolve_config(None, path).config == Config()
    path.write_text("losses:\n  # l1: 3\n")
    assert resolve_config(None, path).config == Config()
    with pytest.raises(MissingFileError, match="no such file"):
        resolve_config(None, tmp_path / "b.yaml")


@pytest.mark.parametrize(
    ("setting", "suggestions"),
    [
        ("optimizer.rate", ["optimizer.lr"]),
        ("discriminator.width", ["discriminators.image.base_channels"]),
        ("temporal.rates", ["discriminators.temporal.frame_strides"]),
        ("epochs", ["schedule.max_steps"]),
        ("train.learning_rate", ["optimizer.lr"]),
        ("engine.recompute", ["runtime.gradient_checkpointing"]),
        ("rate", ["optimizer.lr"]),
        ("niter_step", ["schedule.clip_growth_interval"]),
        ("schedule.niter_step", ["schedule.clip_growth_interval"]),
        ("ngf", ["generator.base_channels"]),
        ("batchSize", ["schedule.batch_size"]),
        ("lambda_F", ["losses.flow", "losses.flow_warp"]),
        ("generator.widht", ["generator.base_channels"]),
        ("batch", ["schedule.batch_size"]),
        ("generator.norms", ["generator.norm"]),
        ("max_steps", ["schedule.max_steps"]),
        ("zzz", []),
    ],
)
def test_resolve_config_suggests_settings(setting: str, suggestions: list[str]) -> None:
    message = config_error(f"{setting}=3")
    assert message.startswith(f"{setting}: ")
    assert [key for key in setting_keys() if key in re.split(r"[ ?]", message)] == suggestions


def test_former_names_are_no_settings_and_their_replacements_are() -> None:
    keys = setting_keys()
    assert not FORMER_NAMES.keys() & set(keys)
    assert set(FORMER_NAMES.values()) <= set(keys)


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("generator=3", ["generator:", "(from --set)"]),
        ("discriminators.image=3", ["discriminators.image:", "(from --set)"]),
        ("data.height=4", ["data.height=4:", "16", "(from --set)"]),
        ("data.crop=face", ["data.crop=face:", "'subject', 'center' or 'random'", "(from --set)"]),
        ("data.random_resize=[2,1]", ["data.random_resize=[2, 1]:", "from 1 to 16", "(from --set)"]),
        ("data.random_resize=[1,2]", ["data.random_resize", "data.crop=random", "(from --set)"]),
        ("data.height", ["--set data.height:"]),
        ("schema_version=1", ["schema_version=1:", "version 2", "(from --set)"]),
        ("generator.past_frames=0", ["generator.flow", "generator.past_frames", "(from --set)"]),
    ],
)
def test_resolve_config_errors_name_setting_value_and_origin(setting: str, parts: list[str]) -> None:
    message = config_error(setting)
    assert [part for part in parts if part not in message] == []


def test_resolve_config_rejects_older_schema_before_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("schema_version: 1\noptimizer: {rate: 1e-4}\n")
    with pytest.raises(ConfigError, match="schema_version=1") as caught:
        resolve_config(None, path)
    assert "vid2vid train" in caught.value.hint


def test_config_rejects_height_too_small_for_generator() -> None:
    message = config_error("data.height=62", "generator.num_downsamples=5")
    assert all(part in message for part in ("data.height=62", "generator.num_downsamples=5", "64", "(from --set)"))
    resolve_config(None, None, ["data.height=64", "generator.num_downsamples=5"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ("data.height=32", "data.aspect_ratio=0.4", "data.size_rule=height"),
            "data.height=32 and data.aspect_ratio=0.4 give frames of 13x32",
        ),
        (("data.height=24", "data.aspect_ratio=3", "data.size_rule=height"), ""),
        (("data.height=24", "data.aspect_ratio=3"), "give frames of 42x14"),
        (("data.height=46", "data.aspect_ratio=0.5", "generator.num_downsamples=4"), ""),
        (
            ("data.height=64", "data.aspect_ratio=0.49", "data.size_rule=height", "generator.num_downsamples=4"),
            "give frames of 31x64",
        ),
        (("data.height=64", "data.aspect_ratio=null", "generator.num_downsamples=4"), ""),
        (
            ("data.aspect_ratio=-1",),
            "data.aspect_ratio=-1:",
        ),
        (
            ("data.aspect_ratio=wide",),
            "data.aspect_ratio=wide:",
        ),
        (("data.height=16", "data.aspect_ratio=subject", "generator.num_downsamples=3"), ""),
    ],
)
def test_config_rejects_width_too_small_for_generator(settings: tuple[str, ...], message: str) -> None:
    if message:
        assert message in config_error(*settings)
    else:
        resolve_config(None, None, settings)


@pytest.mark.parametrize(
    ("height", "aspect_ratio", "output_size"),
    [
        (256, 1.0, (256, 256)),
        (256, 0.75, (256, 192)),
        (61, 1.6, (61, 98)),
        (99, 1.0, (99, 99)),
        (100, None, (100, 178)),
        (100, "subject", (100, 178)),
    ],
)
def test_output_size_of_fixed_height(
    height: int, aspect_ratio: float | str | None, output_size: tuple[int, int]
) -> None:
    config = DataConfig(height=height, aspect_ratio=aspect_ratio, size_rule="height")
    assert config.output_size(1080, 1920) == output_size


@pytest.mark.parametrize(
    ("subject_box", "output_size", "size_of_equal_area"),
    [
        ((10, 20, 70, 100), (100, 76), (116, 86)),
        ((10, 20, 20, 100), (100, 50), (142, 70)),
        ((10, 20, 400, 100), (100, 200), (70, 142)),
        ((10, 20, 60, 20), (100, 200), (70, 142)),
        (None, (100, 178), (76, 134)),
    ],
)
def test_output_size_of_subject_box(
    subject_box: tuple[float, ...] | None, output_size: tuple[int, int], size_of_equal_area: tuple[int, int]
) -> None:
    """Aspect ratio 3:4; below the lower limit, above the upper limit, an empty box, and none: the frame's shape."""
    assert DataConfig(height=100).output_size(1080, 1920, subject_box) == size_of_equal_area
    assert DataConfig(height=100, size_rule="height").output_size(1080, 1920, subject_box) == output_size
    fixed_shape = DataConfig(height=100, aspect_ratio=1.5, size_rule="height")
    assert fixed_shape.output_size(1080, 1920, subject_box) == (100, 150)


@pytest.mark.parametrize("aspect_ratio", [None, "subject", 0.1, 0.5, 1.0, 10.0])
@pytest.mark.parametrize("frame_size", [(480, 512), (1080, 720), (272, 640), (16, 4096)])
def test_output_size_of_equal_area_is_even(aspect_ratio: float | str | None, frame_size: tuple[int, int]) -> None:
    height, width = DataConfig(height=256, aspect_ratio=aspect_ratio).output_size(*frame_size)
    assert (height % 2, width % 2) == (0, 0)
    assert height * width == pytest.approx(256**2, rel=0.08)


def test_config_from_mapping_uses_defaults_for_missing_keys() -> None:
    mapping = Config().model_dump(mode="json")
    del mapping["data"]["aspect_ratio"], mapping["conditioner_options"]
    config = config_from_mapping(mapping, "a run")
    assert config.data == DataConfig()
    assert config.conditioner_options == {}


def test_conditioner_options_are_merged_per_option(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("conditioner_options:\n  pose: {joint_dropout: 0.05, line: 2}\n  edges: {}\n")
    resolved = resolve_config(str(preset), None, ["conditioner_options.pose.joint_dropout=1e-1"])
    assert resolved.config.conditioner_options == {"pose": {"joint_dropout": 0.1, "line": 2}}
    rows = {key: (value, origin) for key, value, origin in resolved.iter_rows()}
    assert rows["conditioner_options.pose.joint_dropout"] == (0.1, "--set")
    assert rows["conditioner_options.pose.line"] == (2, f"preset {preset}")
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(resolved.config))
    assert resolve_config(None, path).config == resolved.config
    preset.write_text("conditioner_options:\n  # pose: {joint_dropout: 0.05}\n")
    assert resolve_config(str(preset), None).config.conditioner_options == {}


def test_conditioner_option_values_are_not_flattened() -> None:
    (text,) = ("conditioner_options.labels.colours={sky: [0, 0, 255], road: {a: 1}}",)
    config = resolve_config(None, None, [text]).config
    assert config.conditioner_options["labels"]["colours"] == {"sky": [0, 0, 255], "road": {"a": 1}}
    assert config_from_mapping(config.model_dump(mode="json"), "a run") == config


@pytest.mark.parametrize(
    "setting", ["conditioner_options.pose=3", "conditioner_options=3", "conditioner_options.pose.a.b=3"]
)
def test_conditioner_option_keys_have_three_parts(setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_config(None, None, [setting])
    assert caught.value.message.startswith(f"{setting[:-2]}: ")
    assert "conditioner_options.NAME.OPTION=VALUE" in caught.value.hint


def test_config_accepts_conditioners() -> None:
    config = resolve_config(None, None, ["conditioners=[labels|segmentation, edges]"]).config
    assert config.conditioner_alternatives() == (("labels", "segmentation"), ("edges",))
    for names, is_accepted in (
        (("labels", "edges"), True),
        (("segmentation", "edges"), True),
        (("edges", "labels"), False),
        (("labels",), False),
        (("labels", "edges", "pose"), False),
    ):
        assert config.accepts(names) is is_accepted
    assert resolve_config(None, None).config.accepts(("anything", "at", "all"))
    for value in ("[a b]", "[labels|]", "[]"):
        assert "conditioners=" in config_error(f"conditioners={value}")


def test_resolve_config_reports_all_errors_with_origin(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data: {height: 4}\n")
    first_line, second_line = config_error("schedule.max_steps=0", config=path).splitlines()
    assert first_line.startswith("data.height=4: ")
    assert f"(from --config {path})" in first_line
    assert second_line.startswith("schedule.max_steps=0: ")
    assert "(from --set)" in second_line


def test_preset_path_suggests_similar_name() -> None:
    with pytest.raises(UnknownPresetError) as caught:
        preset_path("facee")
    assert "facee" in caught.value.message
    assert "face?" in caught.value.message
    assert "tiny" in caught.value.hint


def test_preset_path_accepts_file(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("data: {height: 96}\n")
    assert resolve_config(str(preset), None).config.data.height == 96
    with pytest.raises(MissingFileError):
        preset_path(str(tmp_path / "absent.yaml"))
