"""Layers, origins, and what is said about settings that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from vid2vid_cli.config.config import Config
from vid2vid_cli.config.data import DataConfig
from vid2vid_cli.config.presets import preset_summary, read_yaml
from vid2vid_cli.config.resolve import (
    config_from_mapping,
    dump_yaml,
    load_layers,
    preset_for,
    preset_names,
    preset_path,
    setting_keys,
)
from vid2vid_cli.core.errors import ConfigError, MissingFileError, UnknownPresetError


def refused(*sets: str, preset: str | None = None, config: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_layers(preset, config, sets, {})
    return caught.value.message


def test_every_later_layer_wins_and_says_so(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("schedule: {steps: 11, batch: 2, clip: 3}\n")
    resolved = load_layers(
        "tiny", mine, ["schedule.batch=4", "schedule.clip=5"], {"schedule.clip": 6, "engine.seed": None}
    )
    schedule = resolved.config.schedule
    assert (schedule.steps, schedule.batch, schedule.clip) == (11, 4, 6)
    assert resolved.origins["data.size"] == "preset tiny"
    assert resolved.origins["schedule.steps"] == f"--config {mine}"
    assert resolved.origins["schedule.batch"] == "--set"
    assert resolved.origins["schedule.clip"] == "--clip"
    assert resolved.origins["engine.seed"] == "default"


def test_origins_cover_every_setting() -> None:
    resolved = load_layers(None, None, [], {})
    assert resolved.config == Config()
    assert list(resolved.origins) == setting_keys()
    assert {origin for *_, origin in resolved.rows()} == {"default"}


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_introduces_itself(name: str) -> None:
    assert load_layers(name, None, [], {}).config.summary == preset_summary(name) != ""


@pytest.mark.parametrize(
    ("name", "conditioners", "picture"),
    [
        ("pose", ("pose",), (256, 192)),
        ("pose_512p", ("pose",), (512, 384)),
        ("pose_1024p", ("pose",), (1024, 768)),
        ("tiny", ("something",), (128, 128)),
        ("fast", ("something",), (256, 256)),
        ("street", ("labels",), (256, 512)),
        ("street", ("segmentation",), (256, 512)),
        ("street_256", ("segmentation",), (128, 256)),
        ("street_1024", ("labels",), (512, 1024)),
        ("street_2048", ("labels",), (1024, 2048)),
        ("edges", ("edges",), (256, 456)),
        ("face", ("landmarks",), (256, 256)),
    ],
)
def test_what_each_preset_is_for(name: str, conditioners: tuple[str, ...], picture: tuple[int, int]) -> None:
    """Of frames of 1920 x 1080 with somebody in them, three wide and four high; the names say the height of people and
    the width of streets, as published."""
    config = load_layers(name, None, [], {}).config
    assert config.takes(conditioners)
    assert config.takes((*conditioners, "other")) is (name in ("tiny", "fast"))
    assert config.data.picture(1080, 1920, (600, 100, 1200, 900)) == picture


@pytest.mark.parametrize(
    ("conditioners", "preset"),
    [
        (("landmarks",), "face"),
        (("pose",), "pose"),
        (("labels",), "street"),
        (("segmentation",), "street"),
        (("edges",), "edges"),
        (("pose", "densepose"), "tiny"),
        (("something",), "tiny"),
    ],
)
def test_the_preset_for_a_dataset(conditioners: tuple[str, ...], preset: str) -> None:
    assert preset_for(conditioners) == preset


def test_presets_leave_out_joints_as_published() -> None:
    for name in ("pose", "pose_512p", "pose_1024p"):
        assert load_layers(name, None, [], {}).config.conditioner_options == {"pose": {"drop": 0.05}}


def test_the_two_presets_of_the_readme() -> None:
    assert load_layers("tiny", None, [], {}).config.data.size == 128
    assert load_layers("tiny", None, [], {}).config.conditioners is None
    face = load_layers("face", None, [], {}).config
    assert (face.data.size, face.conditioners) == (256, ("landmarks",))


def test_dumped_settings_read_back_the_same(tmp_path: Path) -> None:
    config = load_layers("face", None, ["optimizer.rate=1e-5", "temporal.rates=[]"], {}).config
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(config))
    assert load_layers(None, path, [], {}).config == config
    assert config_from_mapping(config.model_dump(mode="json"), "a run") == config


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.5e3", "-2e+2", ".5e1"])
def test_exponents_are_numbers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"value: {text}\n")
    value = read_yaml(path, "a")["value"]
    assert isinstance(value, float)
    assert value == float(text)


def test_words_stay_words(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("value: e5\nother: '1e-4'\n")
    assert read_yaml(path, "a") == {"value": "e5", "other": "1e-4"}


def test_a_key_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("data:\n  size: 64\n  size: 128\n")
    assert refused(config=path) == f"{path}: not valid YAML: size stands there twice (line 3)."


def test_python_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("data: !!python/object/apply:os.system ['true']\n")
    assert "not valid YAML" in refused(config=path)


def test_a_file_that_holds_no_settings(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("- 1\n- 2\n")
    assert refused(config=path) == f"{path}: holds a list, not settings."
    path.write_text("")
    assert load_layers(None, path, [], {}).config == Config()
    path.write_text("losses:\n  # pixel: 3\n")
    assert load_layers(None, path, [], {}).config == Config()
    with pytest.raises(MissingFileError, match="no such file"):
        load_layers(None, tmp_path / "b.yaml", [], {})


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("generator.widht=3", "generator.widht: not a setting (from --set). Did you mean generator.width?"),
        ("batch=3", "batch: not a setting (from --set). Did you mean schedule.batch?"),
        ("generator.norms=3", "generator.norms: not a setting (from --set). Did you mean generator.norm?"),
        ("zzz=3", "zzz: not a setting (from --set)."),
        ("generator=3", "generator: a section, not a setting (from --set)."),
        ("data.size=4", "data.size=4: should be greater than or equal to 16 (from --set)."),
        ("data.crop=face", "data.crop=face: should be 'focus', 'whole' or 'random' (from --set)."),
        (
            "data.scale=[2,1]",
            "data.scale=[2, 1]: should be two numbers from 1 to 16, the smaller one first (from --set).",
        ),
        ("data.scale=[1,2]", "data.scale is for data.crop=random, and data.crop is focus (from --set)."),
        ("data.size", "--set data.size: no value."),
        ("schema_version=2", "schema_version=2: this vid2vid reads version 1 (from --set)."),
        (
            "generator.past=0",
            "generator.flow needs generator.past of at least 1: there is no last frame to warp (from --set).",
        ),
    ],
)
def test_words_about_a_setting(setting: str, words: str) -> None:
    assert refused(setting) == words


def test_a_picture_too_small_for_the_generator_is_refused() -> None:
    words = "data.size=63 is too small for generator.downsamples=5: at least 64 pixels are needed, or fewer downsamples"
    assert refused("data.size=63", "generator.downsamples=5") == f"{words} (from --set)."
    load_layers(None, None, ["data.size=64", "generator.downsamples=5"], {})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("data.size=32", "data.aspect=0.4"), "data.size=32 and data.aspect=0.4 make a picture 13 pixels wide"),
        (("data.size=24", "data.aspect=3"), ""),
        (("data.size=64", "data.aspect=0.5", "generator.downsamples=4"), ""),
        (("data.size=64", "data.aspect=0.49", "generator.downsamples=4"), "a picture 31 pixels wide, too narrow for"),
        (("data.size=64", "data.aspect=null", "generator.downsamples=4"), ""),
        (("data.aspect=-1",), "data.aspect=-1: should be a number from 0.1 to 10, focus or null (from --set)."),
        (("data.aspect=wide",), "data.aspect=wide: should be a number from 0.1 to 10, focus or null (from --set)."),
        (("data.size=16", "data.aspect=focus", "generator.downsamples=3"), ""),
    ],
)
def test_both_sides_of_the_picture_are_large_enough(settings: tuple[str, ...], words: str) -> None:
    if words:
        assert words in refused(*settings)
    else:
        load_layers(None, None, settings, {})


@pytest.mark.parametrize(
    ("size", "aspect", "picture"),
    [
        (256, 1.0, (256, 256)),
        (256, 0.75, (256, 192)),
        (61, 1.6, (61, 98)),
        (99, 1.0, (99, 99)),
        (100, None, (100, 178)),
        (100, "focus", (100, 178)),
    ],
)
def test_the_picture_of_frames(size: int, aspect: float | str | None, picture: tuple[int, int]) -> None:
    assert DataConfig(size=size, aspect=aspect).picture(1080, 1920) == picture


@pytest.mark.parametrize(
    ("focus", "picture"),
    [
        ((10, 20, 70, 100), (100, 76)),
        ((10, 20, 20, 100), (100, 50)),
        ((10, 20, 400, 100), (100, 200)),
        ((10, 20, 60, 20), (100, 200)),
    ],
)
def test_the_picture_of_what_was_found(focus: tuple[float, ...], picture: tuple[int, int]) -> None:
    """Six by eight; then narrower than half its height, and wider than twice."""
    assert DataConfig(size=100, aspect="focus").picture(1080, 1920, focus) == picture
    assert DataConfig(size=100, aspect=1.5).picture(1080, 1920, focus) == (100, 150)


def test_settings_of_the_first_release_are_square_and_draw_as_prepared() -> None:
    old = Config().model_dump(mode="json")
    del old["data"]["aspect"], old["conditioner_options"]
    config = config_from_mapping(old, "a run")
    assert config.data.picture(1080, 1920) == (256, 256)
    assert config.conditioner_options == {}


def test_options_of_conditioners_come_in_layers_too(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("conditioner_options:\n  pose: {drop: 0.05, line: 2}\n  edges: {}\n")
    resolved = load_layers(str(mine), None, ["conditioner_options.pose.drop=1e-1"], {})
    assert resolved.config.conditioner_options == {"pose": {"drop": 0.1, "line": 2}}
    rows = {key: (value, origin) for key, value, origin in resolved.rows()}
    assert rows["conditioner_options.pose.drop"] == (0.1, "--set")
    assert rows["conditioner_options.pose.line"] == (2, f"preset {mine}")
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(resolved.config))
    assert load_layers(None, path, [], {}).config == resolved.config
    mine.write_text("conditioner_options:\n  # pose: {drop: 0.05}\n")
    assert load_layers(str(mine), None, [], {}).config.conditioner_options == {}


def test_what_an_option_holds_is_its_own_affair() -> None:
    (text,) = ("conditioner_options.labels.colours={sky: [0, 0, 255], road: {a: 1}}",)
    config = load_layers(None, None, [text], {}).config
    assert config.conditioner_options["labels"]["colours"] == {"sky": [0, 0, 255], "road": {"a": 1}}
    assert config_from_mapping(config.model_dump(mode="json"), "a run") == config


@pytest.mark.parametrize(
    "setting", ["conditioner_options.pose=3", "conditioner_options=3", "conditioner_options.pose.a.b=3"]
)
def test_an_option_of_a_conditioner_has_three_words(setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_layers(None, None, [setting], {})
    assert caught.value.message == f"{setting[:-2]}: not an option of a conditioner (from --set)."
    assert (
        caught.value.hint == "Write conditioner_options.NAME.OPTION=VALUE, such as conditioner_options.pose.drop=0.1."
    )


def test_which_datasets_settings_take() -> None:
    config = load_layers(None, None, ["conditioners=[labels|segmentation, edges]"], {}).config
    assert config.choices() == (("labels", "segmentation"), ("edges",))
    for names, taken in (
        (("labels", "edges"), True),
        (("segmentation", "edges"), True),
        (("edges", "labels"), False),
        (("labels",), False),
        (("labels", "edges", "pose"), False),
    ):
        assert config.takes(names) is taken
    assert load_layers(None, None, [], {}).config.takes(("anything", "at", "all"))
    assert "conditioners=['a b']: 'a b' is no conditioner" in refused("conditioners=[a b]")
    assert "no conditioner" in refused("conditioners=[labels|]")
    assert "names none: write null for any" in refused("conditioners=[]")


def test_all_faults_are_told_at_once_each_with_its_origin(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data: {size: 4}\n")
    assert refused("schedule.steps=0", config=path).splitlines() == [
        f"data.size=4: should be greater than or equal to 16 (from --config {path}).",
        "schedule.steps=0: should be greater than or equal to 1 (from --set).",
    ]


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UnknownPresetError) as caught:
        preset_path("facee")
    assert caught.value.message == "facee: not a preset. Did you mean face?"
    assert "tiny" in caught.value.hint


def test_a_preset_may_be_a_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("data: {size: 96}\n")
    assert load_layers(str(mine), None, [], {}).config.data.size == 96
    with pytest.raises(MissingFileError):
        preset_path(str(tmp_path / "absent.yaml"))
