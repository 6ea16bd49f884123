"""The Python API with a real tiny checkpoint."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from helpers.factories import HEIGHT, NUM_FRAMES, WIDTH

import vid2vid_cli
from vid2vid_cli import api
from vid2vid_cli.commands.synthesize import synthesize as synthesize_command
from vid2vid_cli.commands.transfer import transfer as transfer_command
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.data.dataset import Dataset
from vid2vid_cli.engine.events import ArtifactEvent, Event, StepEvent
from vid2vid_cli.media.images import save_png
from vid2vid_cli.requests.background import BackgroundOptions
from vid2vid_cli.requests.render import StyleOptions, SynthesizeRequest, TransferRequest

SETTINGS = {
    "data.height": 24,
    "generator.base_channels": 4,
    "generator.num_res_blocks": 2,
    "discriminators.image.base_channels": 4,
    "discriminators.image.num_scales": 1,
    "discriminators.temporal.base_channels": 4,
    "runtime.precision": "fp32",
}


def test_import_is_lazy_and_light() -> None:
    code = (
        "import sys, vid2vid_cli; assert vid2vid_cli.__version__; "
        "print([name for name in ('torch', 'numpy', 'pydantic', 'typer') if name in sys.modules]); "
        "from vid2vid_cli import load_generator; print('torch' in sys.modules)"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout.splitlines() == ["[]", "True"]


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        vars(vid2vid_cli)["__getattr__"]("no_such_name")


def test_prepare_train_synthesize_and_transfer(blob_video: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    dataset = vid2vid_cli.prepare(blob_video, "edges", out=tmp_path / "data", max_frames=12, on_event=events.append)
    assert dataset.num_frames == 12
    run = vid2vid_cli.train(
        str(dataset.path),
        "tiny",
        settings=SETTINGS,
        out=tmp_path / "run",
        max_steps=2,
        device="cpu",
        on_event=events.append,
    )
    assert [event.step for event in events if isinstance(event, StepEvent)] == [1, 2]
    assert str(dataset.path) in [event.path for event in events if isinstance(event, ArtifactEvent)]
    assert run.checkpoint.is_file()
    video = vid2vid_cli.synthesize(run.checkpoint, dataset.path, out=tmp_path / "a.mp4", device="cpu")
    assert (video.num_frames, video.compare_path) == (12, None)
    video = vid2vid_cli.transfer(
        blob_video, run.path, out=tmp_path / "b.mkv", max_frames=5, device="cpu", format="mkv", save=["raw"]
    )
    assert (video.num_frames, list(video.layer_paths)) == (5, ["raw"])


def command_options(command: Callable[..., None], *positional: str) -> set[str]:
    """The options of a command, without those on its output in the terminal; options on styles are one group."""
    names = set(inspect.signature(command).parameters) - {"dry_run", "json", "quiet", *positional}
    style_names = {field.name for field in fields(StyleOptions)}
    assert style_names <= names
    return names - style_names | {"style_options"}


def test_api_has_the_options_of_the_commands() -> None:
    """No option can be added to a command alone."""
    batch_options = {"skip_done", "keep_going"}
    transfer_options = command_options(transfer_command, "sources", "targets")
    assert api.TransferManyOptions.__optional_keys__ == transfer_options
    assert api.TransferOptions.__optional_keys__ == transfer_options - batch_options
    synthesize_options = command_options(synthesize_command, "checkpoint", "sources")
    assert api.SynthesizeOptions.__optional_keys__ == synthesize_options - batch_options


def test_options_become_fields_of_the_request() -> None:
    values = api._request_fields(
        {"background": "alpha", "keep_size": True, "out": "a.mov", "save": ["raw"], "start": 1.5}
    )
    request = TransferRequest(Path("s.mp4"), Path("t.ckpt"), **values)
    assert request.background_options == BackgroundOptions("alpha", keep_size=True)
    assert (request.out, request.save, request.start, request.compare) == (Path("a.mov"), ("raw",), 1.5, False)
    assert SynthesizeRequest(Path("t.ckpt"), Path("d"), **api._request_fields({"split": "val"})).split == "val"


def test_unknown_option_is_an_error() -> None:
    with pytest.raises(TypeError, match="keepsize"):
        api.transfer("s.mp4", "t.ckpt", keepsize=True)  # type: ignore[call-arg]


def test_train_rejects_unknown_setting(dataset: Path) -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.lr"):
        vid2vid_cli.train(dataset, settings={"optimizer.rate": 1})


def test_load_generator_renders_frames_of_dataset(run_folder: Path, dataset: Path) -> None:
    generator = vid2vid_cli.load_generator(run_folder, device="cpu", precision="fp32")
    image = generator.render(dataset)
    assert (image.shape, image.dtype) == ((*generator.metadata.output_size, 3), np.uint8)
    images = list(generator.render_frames(dataset))
    assert len(images) == NUM_FRAMES
    np.testing.assert_array_equal(image, images[0])
    np.testing.assert_array_equal(generator.render(str(dataset), frame=3), images[3])
    with pytest.raises(IndexError, match=f"{NUM_FRAMES} frames"):
        generator.render(dataset, frame=NUM_FRAMES)


def test_load_generator_renders_annotations_like_dataset(run_folder: Path, dataset: Path) -> None:
    generator = vid2vid_cli.load_generator(run_folder, device="cpu", precision="fp32")
    annotation = Dataset(dataset).load_annotation(0, 0, "edges")
    np.testing.assert_array_equal(generator.render([annotation]), generator.render(dataset))


def test_load_generator_renders_label_image(run_folder: Path, tmp_path: Path) -> None:
    edges = np.zeros((HEIGHT, WIDTH), np.uint8)
    edges[10:12] = edges[:, 20:22] = 255
    save_png(tmp_path / "edges.png", edges)
    generator = vid2vid_cli.load_generator(run_folder, device="cpu", precision="fp32")
    image = generator.render(tmp_path / "edges.png")
    assert image.shape == (*generator.metadata.output_size, 3)
    save_png(tmp_path / "edges.png", edges[::-1])
    assert (generator.render(tmp_path / "edges.png") != image).any()
