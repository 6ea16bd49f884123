"""`synthesize` with imported networks: the frames that are written equal those of the published recursion.

The conditions of the reference are computed from the label files here, independently of the conditioners.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.nvidia_reference import ImageGenerator, ScaleGenerator, generate_frames_float64, write_network
from torch import Tensor

from vid2vid_cli.core.errors import ConfigError, NoFramesError
from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.engine.checkpoint_metadata import load_metadata
from vid2vid_cli.engine.events import Event, InfoEvent, WarningEvent, ignore_events
from vid2vid_cli.engine.inference import to_uint8_image
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.writer import VideoWriter
from vid2vid_cli.nvidia_import.importer import ImportRequest, import_release
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize

HEIGHT, WIDTH, NUM_FRAMES, CAR_CLASS = 64, 96, 6, 26
RunCommand = Callable[..., list[ImageArray]]


@pytest.fixture
def run_synthesize(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunCommand:
    """Runs `synthesize` and returns the frames that it passes to the encoder, which is lossy."""
    written_frames: list[ImageArray] = []
    write = VideoWriter.write

    def record_frame(writer: VideoWriter, frame: ImageArray) -> None:
        written_frames.append(frame.copy())
        write(writer, frame)

    monkeypatch.setattr(VideoWriter, "write", record_frame)

    def run(checkpoint: Path, source: Path, emit: Callable[[Event], None] = ignore_events, **changes: object) -> list:
        written_frames.clear()
        settings = {"out": tmp_path / "out.mp4", "device": "cpu", "precision": "fp32", "compare": False, **changes}
        result = synthesize(SynthesizeRequest(checkpoint, source, overwrite=True, **settings), emit)  # type: ignore[arg-type]
        assert result.num_frames == len(written_frames)
        return list(written_frames)

    return run


def assert_same_frames(frames: list[ImageArray], reference: list[Tensor]) -> None:
    """Equal up to one level where a value lies between two levels."""
    assert len(frames) == len(reference)
    differences = [
        np.abs(frame.astype(int) - to_uint8_image(expected[0]))
        for frame, expected in zip(frames, reference, strict=True)
    ]
    assert max(difference.max() for difference in differences) <= 1
    assert np.mean(differences) < 0.01
    assert min(frame.std() for frame in frames) > 5  # not constant


def write_street_files(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write the sequence `a` of the published layout, test_A and test_inst; return labels and instances (t, h, w)."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 35, (NUM_FRAMES, HEIGHT // 8, WIDTH // 8)).astype(np.uint8)
    labels[:, 2:4, 3:9] = CAR_CLASS
    labels = labels.repeat(8, 1).repeat(8, 2)
    instances = labels.copy()
    instances[:, 16:32, 48:72] = 200  # a second car beside the first one
    for name, images in (("test_A", labels), ("test_inst", instances)):
        (folder / name / "a").mkdir(parents=True)
        for index, image in enumerate(images):
            save_png(folder / name / "a" / f"{index:03d}.png", image)
    return labels, instances


def street_conditions(labels: np.ndarray, instances: np.ndarray) -> list[Tensor]:
    """One-hot labels and edges, (1, 36, h, w) per frame: a pixel is an edge if a neighbour has another instance id."""
    edges = np.zeros(labels.shape, bool)
    for axis in (1, 2):
        is_different = np.diff(instances.astype(int), axis=axis) != 0
        first, second = [slice(None)] * 3, [slice(None)] * 3
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        edges[tuple(first)] |= is_different
        edges[tuple(second)] |= is_different
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 35).permute(0, 3, 1, 2)
    return list(torch.cat([one_hot.float(), torch.from_numpy(edges)[:, None].float()], 1).split(1))


def import_street(folder: Path, num_scales: int = 1, **changes: object) -> tuple[Path, list[ScaleGenerator]]:
    """Write and import a street network with a foreground branch."""
    scales = [
        write_network(ScaleGenerator(36, scale, has_foreground=True), folder / f"latest_net_G{scale}.pth", seed=scale)
        for scale in range(num_scales)
    ]
    request = ImportRequest(folder, "street", folder.parent / "made.ckpt", image_size=(HEIGHT, WIDTH), **changes)  # type: ignore[arg-type]
    return import_release(request, ignore_events).path, scales


@pytest.mark.parametrize("num_scales", [1, 2])
def test_street_begins_from_two_generated_images(tmp_path: Path, run_synthesize: RunCommand, num_scales: int) -> None:
    """The single-image generator, found beside the checkpoint, generates frames 0 and 1; the output begins at 2."""
    image_generator = write_network(
        ImageGenerator(35), tmp_path / "label2city_single" / "latest_net_G_1024.pth", legacy_format=True
    )
    checkpoint, scales = import_street(tmp_path / "label2city", num_scales)
    labels, instances = write_street_files(tmp_path / "city")
    conditions = street_conditions(labels, instances)
    with torch.no_grad():
        given_frames = torch.stack([image_generator(condition[:, :35]) for condition in conditions[:2]], 1)
    reference = list(generate_frames_float64(scales, conditions, given_frames, CAR_CLASS))
    assert load_metadata(checkpoint).image_generator == "made_image.ckpt"
    assert len(reference) == NUM_FRAMES - 2
    assert_same_frames(run_synthesize(checkpoint, tmp_path / "city"), reference)
    options = {"labels": {"instances": tmp_path / "city" / "test_inst" / "a"}}
    label_folder = tmp_path / "city" / "test_A" / "a"
    assert_same_frames(run_synthesize(checkpoint, label_folder, options=options), reference)
    renamed = (tmp_path / "made_image.ckpt").rename(tmp_path / "renamed.ckpt")
    choice = f"published:{renamed}"
    assert_same_frames(run_synthesize(checkpoint, tmp_path / "city", initial_frame=choice), reference)
    repeated_start = run_synthesize(checkpoint, tmp_path / "city", initial_frame=str(renamed))
    assert len(repeated_start) == NUM_FRAMES
    assert np.abs(repeated_start[2].astype(int) - to_uint8_image(reference[0][0])).max() > 1


def test_street_begins_from_two_real_frames(tmp_path: Path, run_synthesize: RunCommand) -> None:
    checkpoint, scales = import_street(tmp_path / "label2city")
    labels, instances = write_street_files(tmp_path / "city")
    rng = np.random.default_rng(7)
    coarse_frames = rng.integers(0, 256, (NUM_FRAMES, HEIGHT // 16, WIDTH // 16, 3)).astype(np.uint8)
    real_frames = coarse_frames.repeat(16, 1).repeat(16, 2)  # different images, but no cuts within a sequence
    (tmp_path / "city" / "test_B" / "a").mkdir(parents=True)
    for index, frame in enumerate(real_frames):
        save_png(tmp_path / "city" / "test_B" / "a" / f"{index:03d}.png", frame)
    given_frames = torch.from_numpy(real_frames[:2]).permute(0, 3, 1, 2)[None].float() / 127.5 - 1
    reference = list(generate_frames_float64(scales, street_conditions(labels, instances), given_frames, CAR_CLASS))
    events: list[Event] = []
    assert_same_frames(run_synthesize(checkpoint, tmp_path / "city", events.append), reference)
    assert any("as published" in event.message for event in events if isinstance(event, InfoEvent))
    assert (
        "real, as published"
        in dict(plan_synthesize(SynthesizeRequest(checkpoint, tmp_path / "city")).rows)["initial frame"]
    )


def test_densepose_begins_from_zeros(tmp_path: Path, run_synthesize: RunCommand) -> None:
    """Pose starts without given frames: the first output belongs to the third condition and is not warped."""
    folder = tmp_path / "pose"
    scale = write_network(ScaleGenerator(3), folder / "latest_net_G0.pth")
    request = ImportRequest(folder, "pose", tmp_path / "made.ckpt", image_size=(HEIGHT, WIDTH))
    checkpoint = import_release(request, ignore_events).path
    rng = np.random.default_rng(5)
    iuv = np.concatenate(
        [rng.integers(0, 25, (NUM_FRAMES, 8, 12, 1)), rng.integers(0, 256, (NUM_FRAMES, 8, 12, 2))], -1
    ).astype(np.uint8)
    iuv[..., 1:][np.broadcast_to(iuv[..., :1] == 0, iuv[..., 1:].shape)] = 0
    iuv = iuv.repeat(8, 1).repeat(8, 2)
    (tmp_path / "iuv").mkdir()
    for index, image in enumerate(iuv):
        save_png(tmp_path / "iuv" / f"{index:03d}.png", image[..., ::-1].copy())  # files contain V, U, I as RGB
    values = iuv.astype(np.float32)
    values[..., 0] *= 255 / 24
    conditions = list(torch.from_numpy(values[..., ::-1].copy()).permute(0, 3, 1, 2).div(127.5).sub(1).split(1))
    reference = list(generate_frames_float64([scale], conditions, None, is_published_start=True))
    assert len(reference) == NUM_FRAMES - 2
    assert_same_frames(run_synthesize(checkpoint, tmp_path / "iuv"), reference)


def test_published_start_without_given_frames(tmp_path: Path, run_synthesize: RunCommand) -> None:
    checkpoint, _ = import_street(tmp_path / "label2city")
    write_street_files(tmp_path / "city")
    events: list[Event] = []
    assert len(run_synthesize(checkpoint, tmp_path / "city", events.append)) == NUM_FRAMES
    assert any("starts from zeros" in event.message for event in events if isinstance(event, WarningEvent))
    with pytest.raises(ConfigError) as caught:
        run_synthesize(checkpoint, tmp_path / "city", initial_frame="published")
    assert "published:CKPT" in caught.value.hint
    write_network(ImageGenerator(35), tmp_path / "label2city_single" / "latest_net_G_1024.pth")
    checkpoint, _ = import_street(tmp_path / "label2city", overwrite=True)
    (tmp_path / "made_image.ckpt").unlink()
    events.clear()
    assert len(run_synthesize(checkpoint, tmp_path / "city", events.append)) == NUM_FRAMES
    assert any("made_image.ckpt does not exist" in event.message for event in events if isinstance(event, WarningEvent))


def test_published_start_of_clips_that_are_too_short(tmp_path: Path, run_synthesize: RunCommand) -> None:
    write_network(ImageGenerator(35), tmp_path / "label2city_single" / "latest_net_G_1024.pth")
    checkpoint, _ = import_street(tmp_path / "label2city")
    write_street_files(tmp_path / "city")
    assert len(run_synthesize(checkpoint, tmp_path / "city", max_frames=3)) == 1
    with pytest.raises(NoFramesError, match="published"):
        run_synthesize(checkpoint, tmp_path / "city", max_frames=2)


def test_foreground_ids_select_the_channels_of_the_mask(tmp_path: Path, run_synthesize: RunCommand) -> None:
    write_network(ImageGenerator(35), tmp_path / "label2city_single" / "latest_net_G_1024.pth")
    labels, _ = write_street_files(tmp_path / "city")
    default_path, _ = import_street(tmp_path / "label2city")
    default_frames = run_synthesize(default_path, tmp_path / "city")
    both_path, _ = import_street(tmp_path / "label2city", foreground_ids=(24, 26), overwrite=True)
    metadata = load_metadata(both_path)
    assert metadata.foreground_indices == (24, 26)
    assert metadata.generator.foreground_classes == ("person", "car")
    both_frames = run_synthesize(both_path, tmp_path / "city")
    changed = np.abs(both_frames[0].astype(int) - default_frames[0]).max(-1) > 1
    assert changed.any()
    assert not changed[labels[2] != 24].any()  # the first output belongs to frame 2
