"""`synthesize` of label video that exists already, and conditioners combined on the whole way."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from helpers.factories import COUNT, FPS, HEIGHT, WIDTH, blob_frame, tiny_config
from helpers.synthetic_faces import schematic
from helpers.video_files import click_times, clicks, make_clip

from vid2vid_cli.conditioning import View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import (
    ConfigError,
    DatasetError,
    FilesMismatchError,
    LabelFilesError,
    MissingFileError,
    NoFramesError,
    NothingFoundError,
)
from vid2vid_cli.data.augmentation import Take
from vid2vid_cli.data.clip_sampler import read_clip, render_conditions
from vid2vid_cli.data.dataset import Dataset, Span
from vid2vid_cli.engine.checkpoint import ConditionerUse, load_info
from vid2vid_cli.engine.events import Event, Warned, silent
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.frame_renderer import Rendered
from vid2vid_cli.rendering.label_video import open_labels
from vid2vid_cli.rendering.source_video import Driver
from vid2vid_cli.rendering.time_range import Stretch
from vid2vid_cli.training_data.training_data import open_for_checkpoint


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def label_map(index: int, times: int = 1) -> np.ndarray:
    """Where the blob is, on two grounds: ids 0, 1, 2; `times` larger."""
    frame = blob_frame(index)
    ids = np.where(frame[:, :, 0] > 200, 2, np.arange(WIDTH)[None] // (WIDTH // 2)).astype(np.uint8)
    return ids.repeat(times, 0).repeat(times, 1)


def write_labels(folder: Path, count: int = COUNT, times: int = 1, first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for index in range(count):
        save_png(folder / f"{index:03d}.png", label_map(first + index, times))
    return folder


def face(index: int, size: float = 12, x: float = 28) -> np.ndarray:
    return schematic(mouth=0.1 + 0.1 * (index % 3)) * size + (x, 15)


def write_faces(folder: Path, count: int, **changes: float) -> Path:
    folder.mkdir(parents=True)
    for index in range(count):
        (folder / f"{index:03d}.json").write_text(json.dumps(face(index, **changes).tolist()))
    return folder


def learn(root: Path, video: Path, conditioners: tuple[str, ...], options: dict[str, dict[str, str]]) -> Path:
    data = prepare(PrepareRequest((video,), conditioners, root / "data" / "blob", options), silent).path
    config = tiny_config(schedule={"steps": 2, "clip": 4, "clip_max": 4, "grow_every": 6, "frames_per_update": 2})
    return train(TrainRequest(config, "tiny", data, root / "runs" / "blob", device="cpu"), silent).path


@pytest.fixture(scope="module")
def street(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on `film` with its labels: street/data/blob, street/runs/blob, street/labels."""
    root = tmp_path_factory.mktemp("street")
    folder = write_labels(root / "labels")
    learn(root, film, ("labels",), {"labels": {"dir": str(folder), "classes": "3"}})
    return root


@pytest.fixture(scope="module")
def head(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on `film` as if there were a face: head/runs/blob, head/points."""
    root = tmp_path_factory.mktemp("head")
    folder = write_faces(root / "points", COUNT)
    learn(root, film, ("landmarks",), {"landmarks": {"points_dir": str(folder)}})
    return root


def run(checkpoint: Path, source: Path, **changes: Any) -> Rendered:
    tell = changes.pop("tell", silent)
    settings = {"device": "cpu", "precision": "fp32", "compare": False, **changes}
    return synthesize(SynthesizeRequest(checkpoint, source, **settings), tell)


def shown(
    model: Path, source: Path, *, retarget: bool = True, stretch: Stretch | None = None, **options: dict[str, str]
) -> list[list[np.ndarray]]:
    """What the generator is shown of each clip: (c, h, w) for each frame."""
    info = load_info(model / "blob.ckpt")
    clips = []
    for part in open_labels(source, info, model, options, stretch=stretch):
        driver = Driver(part, part.look(silent), info, retarget=retarget)
        seen = driver.shot(part.found())
        clips.append([render_conditions(part.conditioners, one.annotations, driver.views) for one in seen])
    return clips


def of_dataset(model: Path, folder: Path) -> list[np.ndarray]:
    """The same of a prepared dataset of one clip."""
    subject = open_for_checkpoint(folder, load_info(model / "blob.ckpt"), model)
    names = subject.dataset.manifest.conditioner_names
    frames = range(subject.dataset.manifest.frames)
    found = [[subject.dataset.annotation(0, index, name) for name in names] for index in frames]
    return [render_conditions(subject.conditioners, one, subject.views) for one in found]


def away(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """The largest mean difference of two frames."""
    return max(float(np.abs(a - b).mean()) for a, b in zip(one, other, strict=True))


def ffv1(path: Path, frames: list[np.ndarray], fps: Fraction) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=fps)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = "gray"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    return path


def test_a_folder_of_label_pictures_gives_what_its_dataset_gives(street: Path) -> None:
    model = street / "runs" / "blob"
    done = run(model, street / "labels", compare=True)
    assert (done.path, done.compare) == (Path("labels_synthesized.mp4"), Path("labels_synthesized_compare.mp4"))
    assert (done.frames, done.fps) == (COUNT, FPS)
    assert len(list(VideoReader(done.path))) == COUNT
    # Label pictures beside the result, and no third picture.
    assert done.compare is not None
    assert probe(done.compare).width < 3 * 24
    own = of_dataset(model, street / "data" / "blob")
    assert own[0].shape == (3, 24, 24)
    (clip,) = shown(model, street / "labels")
    assert np.array_equal(clip, own)
    (larger,) = shown(model, write_labels(Path("large"), times=3))
    assert away(larger, own) < 0.01


def test_a_label_video_keeps_its_rate(street: Path) -> None:
    video = ffv1(Path("walk_labels.mkv"), [label_map(index) for index in range(COUNT)], Fraction(10))
    model = street / "runs" / "blob"
    done = run(model, video)
    assert (done.path, done.fps, done.frames) == (Path("walk_labels_synthesized.mp4"), 10, COUNT)
    assert np.array_equal(shown(model, video)[0], of_dataset(model, street / "data" / "blob"))


def test_datasets_of_other_programs_clip_by_clip(street: Path) -> None:
    model = street / "runs" / "blob"
    own = of_dataset(model, street / "data" / "blob")
    write_labels(Path("city/seg_maps/a"), 6)
    write_labels(Path("city/seg_maps/b"), 4, times=2)
    clips = shown(model, Path("city"))
    assert [away(clip, own[: len(clip)]) < 0.01 for clip in clips] == [True, True]
    assert [len(clip) for clip in clips] == [6, 4]
    done = run(model, Path("city"), compare=True)
    assert done.frames == 10
    for name, count, times in (("a", 6, 1), ("b", 4, 2)):
        Path(f"city/images/{name}").mkdir(parents=True)
        for index in range(count):
            save_png(Path(f"city/images/{name}/{index}.png"), blob_frame(index, HEIGHT * times, WIDTH * times))
    with_pictures = run(model, Path("city"), compare=True)
    assert with_pictures.compare is not None
    assert done.compare is not None
    assert probe(with_pictures.compare).width > probe(done.compare).width  # the pictures stand beside


def test_splits_of_other_programs(street: Path) -> None:
    model = street / "runs" / "blob"
    write_labels(Path("city/train_A/s"), 5)
    write_labels(Path("city/test_A/s"), 3)
    assert run(model, Path("city"), split="holdout").frames == 3
    assert run(model, Path("city")).frames == 8
    rows = dict(plan_synthesize(SynthesizeRequest(model, Path("city"), split="train")).rows)
    assert "city/train_A/s, 5 frames at 30000/1001 fps" in rows["labels"]
    with pytest.raises(ConfigError, match="is not a dataset, so it has no train frames"):
        run(model, Path("city/train_A/s"), split="train")


def test_points_without_pictures(head: Path) -> None:
    model = head / "runs" / "blob"
    own = of_dataset(model, head / "data" / "blob")
    done = run(model, head / "points")
    assert (done.frames, done.fps) == (COUNT, FPS)
    assert np.array_equal(shown(model, head / "points", retarget=False)[0], own)
    assert away(shown(model, head / "points")[0], own) < 0.02
    # The same face on frames four times as large comes to the target's place, unless that is not wanted.
    other = write_faces(Path("other"), COUNT, size=4 * 12, x=4 * 28)
    assert away(shown(model, other)[0], own) < 0.02
    assert away(shown(model, other, retarget=False)[0], own) > 0.2


def test_points_of_larger_frames_that_are_not_brought_to_the_target_are_told(head: Path) -> None:
    model, other = head / "runs" / "blob", write_faces(Path("other"), 6, size=4 * 12, x=4 * 28)
    events: list[Event] = []
    run(model, other, tell=events.append)
    assert not [event for event in events if isinstance(event, Warned)]
    run(model, other, retarget=False, tell=events.append)
    (warned,) = [event.message for event in events if isinstance(event, Warned)]
    assert warned.startswith("The points of other belong to frames larger than the model's 56x40")


SECOND = float(FPS)


@pytest.mark.parametrize("kind", ["pictures", "video", "points"])
def test_a_stretch_shows_the_frames_of_the_whole(street: Path, head: Path, kind: str) -> None:
    """From the 7th frame on, six of them, whatever holds the labels; the rest of the files is still there."""
    model, source = street / "runs" / "blob", street / "labels"
    if kind == "video":
        source = ffv1(Path("labels.mkv"), [label_map(index) for index in range(COUNT)], FPS)
    if kind == "points":
        model, source = head / "runs" / "blob", head / "points"
    (whole,) = shown(model, source, retarget=False)
    for stretch in (Stretch(7 / SECOND, 13 / SECOND), Stretch(7 / SECOND, max_frames=6)):
        (part,) = shown(model, source, retarget=False, stretch=stretch)
        assert np.array_equal(part, whole[7:13])
    (rest,) = shown(model, source, retarget=False, stretch=Stretch(7 / SECOND))
    assert np.array_equal(rest, whole[7:])
    done = run(model, source, start=7 / SECOND, max_frames=6)
    assert (done.frames, len(list(VideoReader(done.path)))) == (6, 6)


def test_a_stretch_of_several_clips(street: Path) -> None:
    """Six frames and four: the fifth to the eighth of all are the last two of one, and the first two of the other."""
    model = street / "runs" / "blob"
    write_labels(Path("city/seg_maps/a"), 6)
    write_labels(Path("city/seg_maps/b"), 4, first=9)
    first, second = shown(model, Path("city"))
    parts = shown(model, Path("city"), stretch=Stretch(4 / SECOND, 8 / SECOND))
    assert all(np.array_equal(one, other) for one, other in zip(parts, (first[4:], second[:2]), strict=True))
    (last,) = shown(model, Path("city"), stretch=Stretch(7 / SECOND))
    assert np.array_equal(last, second[1:])
    with pytest.raises(NoFramesError, match=r"city holds no frame from 2 s on: it is 0\.33 s long"):
        run(model, Path("city"), start=2.0)
    with pytest.raises(ConfigError, match=r"nothing between 1 s and 0\.5 s"):
        run(model, Path("city"), start=1.0, end=0.5)


def test_drawn_edges_drive_a_model_of_edges(run_folder: Path, dataset: Path) -> None:
    data = Dataset(dataset)
    Path("drawn").mkdir()
    for index in range(COUNT):  # dark lines on white, as people draw
        save_png(Path(f"drawn/{index}.png"), 255 - data.annotation(0, index, "edges").images["edges"])
    assert np.array_equal(shown(run_folder, Path("drawn"))[0], of_dataset(run_folder, dataset))


def test_a_frame_without_a_face_holds_the_last(head: Path) -> None:
    folder = write_faces(Path("points"), 6)
    (folder / "003.json").write_text("[]")
    events: list[Event] = []
    assert run(head / "runs" / "blob", folder, tell=events.append).frames == 6
    assert [event.message for event in events if isinstance(event, Warned)] == [
        "there is nothing on 1 of 6 frames; there the last pose was held."
    ]


def test_sound_of_a_label_video(tmp_path: Path) -> None:
    """A drawn skeleton with music drives a model of drawings."""
    frames = [blob_frame(index) for index in range(COUNT)]
    drawn = make_clip(Path("drawn.mp4"), frames, 25, sound=clicks(COUNT / 25, [0.2]))
    learn(tmp_path, drawn, ("labels",), {"labels": {"dir": str(drawn), "kind": "rgb"}})
    done = run(tmp_path / "runs" / "blob", drawn, compare=True)
    assert click_times(done.path) == pytest.approx([0.2], abs=0.03)
    late = run(tmp_path / "runs" / "blob", drawn, start=0.12)
    assert click_times(late.path) == pytest.approx([0.08], abs=0.03)


def test_labels_and_edges_are_channels_in_the_order_named(film: Path, tmp_path: Path) -> None:
    labels = write_labels(Path("labels"))
    options = {"labels": {"dir": str(labels), "classes": "3"}}
    model = learn(tmp_path, film, ("labels", "edges"), options)
    info = load_info(model / "blob.ckpt")
    assert [(use.name, use.channels) for use in info.conditioners] == [("labels", 3), ("edges", 1)]
    data = Dataset(tmp_path / "data" / "blob")
    both = [load_conditioner(use.name, use.options) for use in info.conditioners]
    view = View.of_box((0, 0, WIDTH, HEIGHT), 24, 24)
    conditions = read_clip(data, both, Take(view, Span(0, 0, 2))).conditions[0, 1].numpy()
    found = [data.annotation(0, 1, use.name) for use in info.conditioners]
    assert np.array_equal(conditions[:3], both[0].render(found[0], view))
    assert np.array_equal(conditions[3:], both[1].render(found[1], view))
    # From a dataset of another program, and from the video with the labels beside it.
    Path("set").mkdir()
    labels.rename("set/seg_maps")
    Path("set/images").mkdir()
    for index, frame in enumerate(VideoReader(film)):
        save_png(Path(f"set/images/{index:03d}.png"), frame)
    assert np.array_equal(shown(model, Path("set"))[0], of_dataset(model, data.folder))
    assert run(model, Path("set")).frames == COUNT
    request = TransferRequest(film, model, options={"labels": {"dir": "set/seg_maps"}}, device="cpu", precision="fp32")
    assert transfer(request, silent).frames == COUNT
    with pytest.raises(ConfigError, match=r"needs labels of labels and edges, and .* of one of them only"):
        run(model, Path("set/seg_maps"))


def test_two_conditioners_that_read_need_two_places(film: Path, tmp_path: Path) -> None:
    labels, points = write_labels(Path("labels")), write_faces(Path("points"), COUNT)
    options = {"labels": {"dir": str(labels), "classes": "3"}, "landmarks": {"points_dir": str(points)}}
    model = learn(tmp_path, film, ("labels", "landmarks"), options)
    with pytest.raises(ConfigError, match="needs labels of labels and landmarks, and points can be those of one"):
        run(model, points)
    own = of_dataset(model, tmp_path / "data" / "blob")
    (clip,) = shown(model, points, retarget=False, labels={"dir": str(labels)})
    assert np.array_equal(clip, own)
    assert run(model, points, options={"labels": {"dir": str(labels)}}).frames == COUNT
    with pytest.raises(ConfigError, match="Options were given for pose"):
        run(model, points, options={"pose": {"json_dir": str(points)}})
    write_labels(Path("set/seg_maps"))
    with pytest.raises(DatasetError, match=r"set holds labels, and blob also needs landmarks"):
        run(model, Path("set"))


def test_bad_input(street: Path, head: Path, film: Path) -> None:
    with pytest.raises(ConfigError, match=r"blob\.mp4 holds pictures, and landmarks reads points") as caught:
        run(head / "runs" / "blob", film)
    assert caught.value.hint.startswith("For an ordinary video: vid2vid transfer ")
    kind = load_conditioner("segmentation")
    use = ConditionerUse(name="segmentation", options={}, channels=kind.channels, statistics={})
    info = load_info(street / "runs" / "blob" / "blob.ckpt").model_copy(update={"conditioners": (use,)})
    with pytest.raises(ConfigError, match="segmentation draws its labels from ordinary video, and cannot read any"):
        open_labels(film, info, Path("x.ckpt"), {})
    with pytest.raises(LabelFilesError):  # an ordinary video is no label video
        run(street / "runs" / "blob", film)
    empty = write_faces(Path("empty"), 0)
    (empty / "0.json").write_text("[]")
    with pytest.raises(NothingFoundError, match="labels of landmarks are empty on all of 1 frames of empty"):
        run(head / "runs" / "blob", empty)
    Path("nothing").mkdir()
    with pytest.raises(LabelFilesError, match="nothing holds no files"):
        run(head / "runs" / "blob", Path("nothing"))
    write_labels(Path("fewer"), 11)
    with pytest.raises(FilesMismatchError, match="11 pictures"):
        run(street / "runs" / "blob", street / "labels", options={"labels": {"dir": "fewer"}})
    with pytest.raises(MissingFileError, match=r"nowhere does not exist \(labels\.instances\)"):
        run(street / "runs" / "blob", street / "labels", options={"labels": {"instances": "nowhere"}})
    odd = write_labels(Path("odd"), 3)
    save_png(odd / "001.png", label_map(1) + 5)
    with pytest.raises(LabelFilesError, match=r"001\.png"):
        run(street / "runs" / "blob", odd)
    assert not list(Path.cwd().glob("*.mp4"))
