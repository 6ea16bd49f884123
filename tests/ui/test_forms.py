"""Values of the forms become command lines that the commands accept."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from vid2vid_cli.cli import app
from vid2vid_cli.ui.forms import FORMS, FieldError
from vid2vid_cli.ui.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for name in ("datasets/a", "runs/a"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a.mp4", "-b.mp4", "x; touch y.mp4"):
        (tmp_path / name).touch()
    return Project(tmp_path)


PREPARE = {"videos": "a.mp4", "conditioners": ["edges"]}


def test_prepare_arguments(project: Project) -> None:
    values = {"videos": "-b.mp4", "conditioners": ["edges", "pose"], "max_frames": " 40 ", "end": "1:30", "start": ""}
    arguments = FORMS["prepare"].build_arguments({**values, "extra": "--fps 25 -O 'edges.sigma=2'"}, project)
    options = ["--conditioner", "edges", "--conditioner", "pose", "--end", "1:30", "--max-frames", "40"]
    assert arguments == ["prepare", *options, "--fps", "25", "-O", "edges.sigma=2", "./-b.mp4"]


def test_no_shell_and_no_option_in_a_value(project: Project) -> None:
    arguments = FORMS["prepare"].build_arguments({**PREPARE, "videos": "x; touch y.mp4"}, project)
    assert arguments[-1] == "x; touch y.mp4"
    arguments = FORMS["prepare"].build_arguments({**PREPARE, "conditioners": ["--overwrite"]}, project)
    assert "--conditioner=--overwrite" in arguments


def test_train_transfer_and_resume_arguments(project: Project) -> None:
    values = {"data": "datasets/a", "preset": "tiny", "max_steps": "5", "max_seconds": "5m"}
    assert FORMS["train"].build_arguments(values, project) == [
        *("train", "--data", "datasets/a", "--preset", "tiny", "--max-time", "5m", "--steps", "5")
    ]
    assert FORMS["train"].build_arguments({"data": "", "preset": ""}, project) == ["train"]
    values = {"sources": "a.mp4", "targets": "runs/a", "keep_size": True}
    arguments = FORMS["transfer"].build_arguments(values, project)
    assert arguments == ["transfer", "--target", "runs/a", "--keep-size", "a.mp4"]
    arguments = FORMS["transfer"].build_arguments({"sources": "a.mp4", "targets": "hf:ada/dancer@v1"}, project)
    assert arguments == ["transfer", "--target", "hf:ada/dancer@v1", "a.mp4"]
    with pytest.raises(FieldError):
        FORMS["transfer"].build_arguments({"sources": "a.mp4", "targets": "hf:../../etc"}, project)
    assert FORMS["resume"].build_arguments({"run": "runs/a"}, project) == ["train", "--resume", "runs/a"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"videos": "", "conditioners": ["edges"]}, "videos"),
        ({"videos": "a.mp4", "conditioners": []}, "conditioners"),
        ({**PREPARE, "videos": "none.mp4"}, "videos"),
        ({**PREPARE, "videos": "../a.mp4"}, "videos"),
        ({**PREPARE, "videos": 3}, "videos"),
        ({**PREPARE, "max_frames": "many"}, "max_frames"),
        ({**PREPARE, "max_frames": "0"}, "max_frames"),
        ({**PREPARE, "end": "noon"}, "end"),
        ({**PREPARE, "start": "1" * 5000}, "start"),
        ({**PREPARE, "extra": "--out 'x"}, "extra"),
        ({**PREPARE, "extra": "--out ../x"}, "extra"),
        ({**PREPARE, "extra": ["--out"]}, "extra"),
        ({**PREPARE, "conditioners": ["edges", "labels=../x"]}, "conditioners"),
        ({**PREPARE, "extra": """-C 'labels.input_dir="../.."'"""}, "extra"),
    ],
)
def test_wrong_values_name_the_field(project: Project, values: dict[str, object], field: str) -> None:
    with pytest.raises(FieldError) as caught:
        FORMS["prepare"].build_arguments(values, project)
    assert caught.value.field == field


@pytest.mark.parametrize("preset", ["../secret.yaml", "/etc/secret.yaml", "~/secret.yaml", "runs/../../secret.yaml"])
def test_preset_outside_is_refused(project: Project, preset: str) -> None:
    with pytest.raises(FieldError) as caught:
        FORMS["train"].build_arguments({"data": "datasets/a", "preset": preset}, project)
    assert caught.value.field == "preset"


def test_output_folder_outside_is_refused(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    (project.root / "runs" / "a").rmdir()
    (project.root / "runs").rmdir()
    (project.root / "runs").symlink_to(tmp_path_factory.mktemp("other"))
    with pytest.raises(FieldError, match="runs"):
        FORMS["train"].build_arguments({"data": "datasets/a"}, project)


@pytest.mark.parametrize("name", FORMS)
def test_fields_are_options_of_the_command(name: str) -> None:
    """The flags exist, and every field has a help text."""
    help_text = CliRunner().invoke(app, [FORMS[name].words[0], "-h"], env={"COLUMNS": "200"}).output
    for field in FORMS[name].fields:
        assert field.help
        assert not field.flag or f"{field.flag} " in help_text
