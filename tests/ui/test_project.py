"""Paths of the page lead nowhere outside the project folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from vid2vid_cli.core.errors import ConfigError, MissingFileError
from vid2vid_cli.ui.project import OutsideProjectError, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a video, and links that lead out of it and to the video."""
    folder = tmp_path / "project"
    (folder / "clips").mkdir(parents=True)
    (folder / "clips" / "a b.mp4").touch()
    (folder / "-odd.mp4").touch()
    (folder / ".hidden.mp4").touch()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x.mp4").touch()
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "link.mp4").symlink_to(tmp_path / "secret" / "x.mp4")
    (folder / "inside.mp4").symlink_to(folder / "clips" / "a b.mp4")
    (folder / "loop").symlink_to(folder / "loop")
    return Project(folder)


def test_resolve_accepts_paths_in_the_project(project: Project) -> None:
    assert project.resolve("clips/a b.mp4") == project.root / "clips" / "a b.mp4"
    assert project.resolve(str(project.root / "clips" / "a b.mp4")) == project.root / "clips" / "a b.mp4"
    assert project.resolve("inside.mp4") == project.root / "clips" / "a b.mp4"
    assert project.resolve("runs/new") == project.root / "runs" / "new"


OUTSIDE = (
    *("../secret/x.mp4", "clips/../../secret/x.mp4", "link/x.mp4", "link.mp4", "/etc/passwd", "~/x.mp4", "~root/x.mp4"),
    *(".hidden.mp4", "clips/../.hidden.mp4", "a\0b", "clips/.."),
)


@pytest.mark.parametrize("text", OUTSIDE)
def test_resolve_refuses_paths_outside(project: Project, text: str) -> None:
    with pytest.raises(OutsideProjectError):
        project.resolve(text)


def test_resolve_refuses_absolute_paths_to_hidden_files(project: Project) -> None:
    with pytest.raises(OutsideProjectError):
        project.resolve(str(project.root / ".hidden.mp4"))


def test_relative_is_a_word_of_a_command(project: Project) -> None:
    assert project.relative("-odd.mp4") == "./-odd.mp4"
    assert project.relative(str(project.root / "clips")) == "clips"
    assert project.relative("inside.mp4") == "inside.mp4"  # outputs have the name that the user gave


@pytest.mark.parametrize(
    "words",
    [
        ["--out", "../elsewhere"],
        ["--out=/etc/x"],
        ["-o/etc/x"],
        ["-O", "labels.input_dir=/etc"],
        ["--initial-frame", "published:/etc/x.ckpt"],
        ["--config", "link/x.yaml"],
        ["--out", "~/x"],
        ["--remove", "car@../x"],
        ["--set", 'data.attributes_file="/etc/passwd"'],
        ["--set", "data.attributes_file='../secret/x.mp4'"],
        ["--set", "data.files=[/etc/passwd]"],
        ["--set", "data.files=[clips,clips/../..]"],
        ["--set", "data={attributes_file: /etc/passwd}"],
        ["--set", "data.files= ../secret"],
        ["--set", 'data.attributes_file="link.mp4"'],
        ["--set", "data.files=[~/x.csv, clips]"],
        ["--set", 'data.attributes_file="clips dir/../.."'],
        ["--set", r'data.attributes_file="\x2fetc\x2fpasswd"'],
        ["-C", 'labels.input_dir="../.."'],
        ["-Clabels.input_dir=['..']"],
        ["--set", "data.files=[" + "a," * 200 + "]"],
    ],
)
def test_check_words_refuses_paths_outside(project: Project, words: list[str]) -> None:
    with pytest.raises(OutsideProjectError):
        project.check_words(words)


def test_check_words_accepts_options(project: Project) -> None:
    words = ["--fps", "30000/1001", "--set", "losses.l1=20", "--end", "1:30", "--out", "datasets/new", "-c", "edges"]
    project.check_words([*words, "--remove", "car@0%,0%,50%,100%", "--background", "#00ff00", "--attribute", "a=-1.5"])
    project.check_words(["--set", 'data.attributes_file="clips/a b.csv"', "--set", "losses.scales=[1, 0.5, 2e-3]"])
    project.check_words(["--set", "generator={base_channels: 8, kind: 'fast'}"])


def test_project_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingFileError):
        Project(tmp_path / "none")
    with pytest.raises(ConfigError):
        Project(tmp_path / "file")
