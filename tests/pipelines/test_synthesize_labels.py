"""`synthesize` of label videos, and combined conditioners in all commands."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from helpers.factories import FPS, HEIGHT, NUM_FRAMES, WIDTH, blob_frame, tiny_config
from helpers.synthetic_faces import schematic_face
from helpers.video_files import click_track, find_clicks, write_video

from vid2vid_cli.conditioning import View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import (
    ConfigError,
    DatasetError,
    InputFileMismatchError,
    LabelFileError,
    MissingFileError,
    NoDetectionError,
    NoFramesError,
)
from vid2vid_cli.data.augmentation import ClipSpec
from vid2vid_cli.data.clip_sampler import load_clip, render_conditions
from vid2vid_cli.data.dataset import Dataset, FrameRange
from vid2vid_cli.engine.checkpoint_metadata import ConditionerConfig, load_metadata
from vid2vid_cli.engine.events import Event, WarningEvent, ignore_events
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.rendering.label_video import open_label_sources
from vid2vid_cli.rendering.retargeter import Retargeter
from vid2vid_cli.rendering.time_range import TimeRange
from vid2vid_cli.rendering.video_output import RenderResult
from vid2vid_cli.training_data.open_data import open_data_for_checkpoint


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def label_map(index: int, scale: int = 1) -> np.ndarray:
    """The blob (id 2) on two backgrounds (0 and 1); `scale` times larger."""
    frame = blob_frame(index)
    labels = np.where(frame[:, :, 0] > 200, 2, np.arange(WIDTH)[None] // (WIDTH // 2)).astype(np.uint8)
    return labels.repeat(scale, 0).repeat(scale, 1)


def write_labels(folder: Path, num_frames: int = NUM_FRAMES, scale: int = 1, start: int = 0) -> Path:
    folder.mkdir(parents=True)
    for index in range(num_frames):
        save_png(folder / f"{index:03d}.png", label_map(start + index, scale))
    return folder


def face_points(index: int, size: float = 12, x: float = 28) -> np.ndarray:
    return schematic_face(mouth_gap=0.1 + 0.1 * (index % 3)) * size + (x, 15)


def write_face_points(folder: Path, num_frames: int, **changes: float) -> Path:
    folder.mkdir(parents=True)
    for index in range(num_frames):
        (folder / f"{index:03d}.json").write_text(json.dumps(face_points(index, **changes).tolist()))
    return folder


def train_model(root: Path, video: Path, conditioners: tuple[str, ...], options: dict[str, dict[str, str]]) -> Path:
    data = prepare(PrepareRequest((video,), conditioners, root / "data" / "blob", options=options), ignore_events).path
    config = tiny_config(
        schedule={
            "max_steps": 2,
            "clip_length": 4,
            "max_clip_length": 4,
            "clip_growth_interval": 6,
            "frames_per_update": 2,
        }
    )
    return train(TrainRequest(config, "tiny", data, root / "runs" / "blob", device="cpu"), ignore_events).path


@pytest.fixture(scope="module")
def street_model(blob_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on `blob_video` with labels; folders data/blob, runs/blob and labels."""
    root = tmp_path_factory.mktemp("street")
    folder = write_labels(root / "labels")
    train_model(root, blob_video, ("labels",), {"labels": {"input_dir": str(folder), "classes": "3"}})
    return root


@pytest.fixture(scope="module")
def face_model(blob_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on `blob_video` with face points; folders data/blob, runs/blob and points."""
    root = tmp_path_factory.mktemp("head")
    folder = write_face_points(root / "points", NUM_FRAMES)
    train_model(root, blob_video, ("landmarks",), {"landmarks": {"input_dir": str(folder)}})
    return root


def run_synthesize(checkpoint: Path, source: Path, **changes: Any) -> RenderResult:
    emit = changes.pop("emit", ignore_events)
    settings = {"device": "cpu", "precision": "fp32", "compare": False, **changes}
    return synthesize(SynthesizeRequest(checkpoint, source, **settings), emit)


def render_source_conditions(
    model: Path, source: Path, *, retarget: bool = True, time_range: TimeRange | None = None, **options: dict[str, str]
) -> list[list[np.ndarray]]:
    """The conditions of each clip: (c, h, w) per frame."""
    metadata = load_metadata(model / "blob.ckpt")
    clips = []
    for label_source in open_label_sources(source, metadata, model, options, time_range=time_range):
        retargeter = Retargeter(label_source, label_source.scan(ignore_events), metadata, retarget=retarget)
        annotated_frames = retargeter.retarget_shot(label_source.annotate())
        clips.append(
            [
                render_conditions(label_source.conditioners, frame.annotations, retargeter.views)
                for frame in annotated_frames
            ]
        )
    return clips


def render_dataset_conditions(model: Path, folder: Path) -> list[np.ndarray]:
    """The conditions of a dataset of one clip."""
    training_data = open_data_for_checkpoint(folder, load_metadata(model / "blob.ckpt"), model)
    names = training_data.dataset.manifest.conditioner_names
    frames = range(training_data.dataset.manifest.num_frames)
    annotations = [[training_data.dataset.load_annotation(0, index, name) for name in names] for index in frames]
    return [
        render_conditions(training_data.conditioners, frame_annotations, training_data.views)
        for frame_annotations in annotations
    ]


def max_difference(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    """The largest mean difference between two frames."""
    return max(float(np.abs(a - b).mean()) for a, b in zip(first, second, strict=True))


def write_ffv1_video(path: Path, frames: list[np.ndarray], fps: Fraction) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=fps)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = "gray"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    return path


def test_synthesize_label_folder_matches_dataset(street_model: Path) -> None:
    model = street_model / "runs" / "blob"
    result = run_synthesize(model, street_model / "labels", compare=True)
    assert (result.path, result.compare_path) == (
        Path("labels_synthesized.mp4"),
        Path("labels_synthesized_compare.mp4"),
    )
    assert (result.num_frames, result.fps) == (NUM_FRAMES, FPS)
    assert len(list(VideoReader(result.path))) == NUM_FRAMES
    # The comparison has no source image: it would equal the condition.
    assert result.compare_path is not None
    assert probe(result.compare_path).width < 3 * 360
    expected = render_dataset_conditions(model, street_model / "data" / "blob")
    assert expected[0].shape == (3, 24, 24)
    (clip,) = render_source_conditions(model, street_model / "labels")
    assert np.array_equal(clip, expected)
    (large_clip,) = render_source_conditions(model, write_labels(Path("large"), scale=3))
    assert max_difference(large_clip, expected) < 0.01


def test_synthesize_label_video_keeps_fps(street_model: Path) -> None:
    video = write_ffv1_video(Path("walk_labels.mkv"), [label_map(index) for index in range(NUM_FRAMES)], Fraction(10))
    model = street_model / "runs" / "blob"
    result = run_synthesize(model, video)
    assert (result.path, result.fps, result.num_frames) == (Path("walk_labels_synthesized.mp4"), 10, NUM_FRAMES)
    assert np.array_equal(
        render_source_conditions(model, video)[0], render_dataset_conditions(model, street_model / "data" / "blob")
    )


def test_synthesize_foreign_dataset_clip_by_clip(street_model: Path) -> None:
    model = street_model / "runs" / "blob"
    expected = render_dataset_conditions(model, street_model / "data" / "blob")
    write_labels(Path("city/seg_maps/a"), 6)
    write_labels(Path("city/seg_maps/b"), 4, scale=2)
    clips = render_source_conditions(model, Path("city"))
    assert [max_difference(clip, expected[: len(clip)]) < 0.01 for clip in clips] == [True, True]
    assert [len(clip) for clip in clips] == [6, 4]
    result = run_synthesize(model, Path("city"), compare=True)
    assert result.num_frames == 10
    for name, count, scale in (("a", 6, 1), ("b", 4, 2)):
        Path(f"city/images/{name}").mkdir(parents=True)
        for index in range(count):
            save_png(Path(f"city/images/{name}/{index}.png"), blob_frame(index, HEIGHT * scale, WIDTH * scale))
    result_with_frames = run_synthesize(model, Path("city"), compare=True)
    assert result_with_frames.compare_path is not None
    assert result.compare_path is not None
    assert probe(result_with_frames.compare_path).width > probe(result.compare_path).width  # with the source


def test_synthesize_foreign_dataset_split(street_model: Path) -> None:
    model = street_model / "runs" / "blob"
    write_labels(Path("city/train_A/s"), 5)
    write_labels(Path("city/test_A/s"), 3)
    assert run_synthesize(model, Path("city"), split="val").num_frames == 3
    assert run_synthesize(model, Path("city")).num_frames == 8
    rows = dict(plan_synthesize(SynthesizeRequest(model, Path("city"), split="train")).rows)
    assert "city/train_A/s, 5 frames at 30000/1001 fps" in rows["labels"]
    with pytest.raises(ConfigError, match="train"):
        run_synthesize(model, Path("city/train_A/s"), split="train")


def test_synthesize_point_files_without_images(face_model: Path) -> None:
    model = face_model / "runs" / "blob"
    expected = render_dataset_conditions(model, face_model / "data" / "blob")
    result = run_synthesize(model, face_model / "points")
    assert (result.num_frames, result.fps) == (NUM_FRAMES, FPS)
    assert np.array_equal(render_source_conditions(model, face_model / "points", retarget=False)[0], expected)
    assert max_difference(render_source_conditions(model, face_model / "points")[0], expected) < 0.02
    # The same face on frames four times as large is retargeted, unless this is disabled.
    large_points = write_face_points(Path("other"), NUM_FRAMES, size=4 * 12, x=4 * 28)
    assert max_difference(render_source_conditions(model, large_points)[0], expected) < 0.02
    assert max_difference(render_source_conditions(model, large_points, retarget=False)[0], expected) > 0.2


def test_synthesize_warns_about_points_outside_frame(face_model: Path) -> None:
    model, large_points = face_model / "runs" / "blob", write_face_points(Path("other"), 6, size=4 * 12, x=4 * 28)
    events: list[Event] = []
    run_synthesize(model, large_points, emit=events.append)
    assert not [event for event in events if isinstance(event, WarningEvent)]
    run_synthesize(model, large_points, retarget=False, emit=events.append)
    (message,) = [event.message for event in events if isinstance(event, WarningEvent)]
    assert "--no-retarget" in message


FRAMES_PER_SECOND = float(FPS)


@pytest.mark.parametrize("kind", ["images", "video", "points"])
def test_synthesize_time_range_matches_full_conditions(street_model: Path, face_model: Path, kind: str) -> None:
    """Six frames from frame 7 on, for each kind of label file."""
    model, source = street_model / "runs" / "blob", street_model / "labels"
    if kind == "video":
        source = write_ffv1_video(Path("labels.mkv"), [label_map(index) for index in range(NUM_FRAMES)], FPS)
    if kind == "points":
        model, source = face_model / "runs" / "blob", face_model / "points"
    (conditions,) = render_source_conditions(model, source, retarget=False)
    for time_range in (
        TimeRange(7 / FRAMES_PER_SECOND, 13 / FRAMES_PER_SECOND),
        TimeRange(7 / FRAMES_PER_SECOND, max_frames=6),
    ):
        (range_conditions,) = render_source_conditions(model, source, retarget=False, time_range=time_range)
        assert np.array_equal(range_conditions, conditions[7:13])
    (tail_conditions,) = render_source_conditions(
        model, source, retarget=False, time_range=TimeRange(7 / FRAMES_PER_SECOND)
    )
    assert np.array_equal(tail_conditions, conditions[7:])
    result = run_synthesize(model, source, start=7 / FRAMES_PER_SECOND, max_frames=6)
    assert (result.num_frames, len(list(VideoReader(result.path)))) == (6, 6)


def test_synthesize_time_range_across_clips(street_model: Path) -> None:
    """Clips of six and four frames: frames 4 to 7 are the last two of one and the first two of the other."""
    model = street_model / "runs" / "blob"
    write_labels(Path("city/seg_maps/a"), 6)
    write_labels(Path("city/seg_maps/b"), 4, start=9)
    first, second = render_source_conditions(model, Path("city"))
    range_clips = render_source_conditions(
        model, Path("city"), time_range=TimeRange(4 / FRAMES_PER_SECOND, 8 / FRAMES_PER_SECOND)
    )
    assert all(
        np.array_equal(clip, expected) for clip, expected in zip(range_clips, (first[4:], second[:2]), strict=True)
    )
    (last_clip,) = render_source_conditions(model, Path("city"), time_range=TimeRange(7 / FRAMES_PER_SECOND))
    assert np.array_equal(last_clip, second[1:])
    with pytest.raises(NoFramesError, match=r"0\.33 s"):
        run_synthesize(model, Path("city"), start=2.0)
    with pytest.raises(ConfigError, match=r"0\.5 s"):
        run_synthesize(model, Path("city"), start=1.0, end=0.5)


def test_synthesize_edge_drawings(run_folder: Path, dataset: Path) -> None:
    data = Dataset(dataset)
    Path("drawn").mkdir()
    for index in range(NUM_FRAMES):  # dark lines on white
        save_png(Path(f"drawn/{index}.png"), 255 - data.load_annotation(0, index, "edges").images["edges"])
    assert np.array_equal(
        render_source_conditions(run_folder, Path("drawn"))[0], render_dataset_conditions(run_folder, dataset)
    )


def test_synthesize_repeats_last_points_when_missing(face_model: Path) -> None:
    folder = write_face_points(Path("points"), 6)
    (folder / "003.json").write_text("[]")
    events: list[Event] = []
    assert run_synthesize(face_model / "runs" / "blob", folder, emit=events.append).num_frames == 6
    (message,) = [event.message for event in events if isinstance(event, WarningEvent)]
    assert "1 of 6 frames" in message


def test_synthesize_label_video_keeps_audio(tmp_path: Path) -> None:
    """A label video with audio."""
    frames = [blob_frame(index) for index in range(NUM_FRAMES)]
    label_video = write_video(Path("drawn.mp4"), frames, 25, audio=click_track(NUM_FRAMES / 25, [0.2]))
    train_model(tmp_path, label_video, ("labels",), {"labels": {"input_dir": str(label_video), "format": "rgb"}})
    result = run_synthesize(tmp_path / "runs" / "blob", label_video, compare=True)
    assert find_clicks(result.path) == pytest.approx([0.2], abs=0.03)
    late_result = run_synthesize(tmp_path / "runs" / "blob", label_video, start=0.12)
    assert find_clicks(late_result.path) == pytest.approx([0.08], abs=0.03)


def test_synthesize_concatenates_conditioner_channels(blob_video: Path, tmp_path: Path) -> None:
    labels = write_labels(Path("labels"))
    options = {"labels": {"input_dir": str(labels), "classes": "3"}}
    model = train_model(tmp_path, blob_video, ("labels", "edges"), options)
    metadata = load_metadata(model / "blob.ckpt")
    assert [(config.name, config.channels) for config in metadata.conditioners] == [("labels", 3), ("edges", 1)]
    data = Dataset(tmp_path / "data" / "blob")
    conditioners = [load_conditioner(config.name, config.options) for config in metadata.conditioners]
    view = View.from_box((0, 0, WIDTH, HEIGHT), 24, 24)
    conditions = load_clip(data, conditioners, ClipSpec(view, FrameRange(0, 0, 2))).conditions[0, 1].numpy()
    annotations = [data.load_annotation(0, 1, config.name) for config in metadata.conditioners]
    assert np.array_equal(conditions[:3], conditioners[0].render(annotations[0], view))
    assert np.array_equal(conditions[3:], conditioners[1].render(annotations[1], view))
    # From a dataset of another program, and from the video with separate label files.
    Path("set").mkdir()
    labels.rename("set/seg_maps")
    Path("set/images").mkdir()
    for index, frame in enumerate(VideoReader(blob_video)):
        save_png(Path(f"set/images/{index:03d}.png"), frame)
    assert np.array_equal(
        render_source_conditions(model, Path("set"))[0], render_dataset_conditions(model, data.folder)
    )
    assert run_synthesize(model, Path("set")).num_frames == NUM_FRAMES
    request = TransferRequest(
        blob_video, model, options={"labels": {"input_dir": "set/seg_maps"}}, device="cpu", precision="fp32"
    )
    assert transfer(request, ignore_events).num_frames == NUM_FRAMES
    with pytest.raises(ConfigError, match="labels and edges"):
        run_synthesize(model, Path("set/seg_maps"))


def test_synthesize_two_input_conditioners_need_two_paths(blob_video: Path, tmp_path: Path) -> None:
    labels, points = write_labels(Path("labels")), write_face_points(Path("points"), NUM_FRAMES)
    options = {"labels": {"input_dir": str(labels), "classes": "3"}, "landmarks": {"input_dir": str(points)}}
    model = train_model(tmp_path, blob_video, ("labels", "landmarks"), options)
    with pytest.raises(ConfigError, match="labels and landmarks"):
        run_synthesize(model, points)
    expected = render_dataset_conditions(model, tmp_path / "data" / "blob")
    (clip,) = render_source_conditions(model, points, retarget=False, labels={"input_dir": str(labels)})
    assert np.array_equal(clip, expected)
    assert run_synthesize(model, points, options={"labels": {"input_dir": str(labels)}}).num_frames == NUM_FRAMES
    with pytest.raises(ConfigError, match="pose"):
        run_synthesize(model, points, options={"pose": {"input_dir": str(points)}})
    write_labels(Path("set/seg_maps"))
    with pytest.raises(DatasetError, match="landmarks"):
        run_synthesize(model, Path("set"))


def test_synthesize_labels_rejects_bad_input(street_model: Path, face_model: Path, blob_video: Path) -> None:
    with pytest.raises(ConfigError, match="landmarks") as caught:
        run_synthesize(face_model / "runs" / "blob", blob_video)
    assert caught.value.hint.startswith("For an ordinary video: vid2vid transfer ")
    segmentation = load_conditioner("segmentation")
    conditioner_config = ConditionerConfig(
        name="segmentation", options={}, channels=segmentation.num_channels, statistics={}
    )
    metadata = load_metadata(street_model / "runs" / "blob" / "blob.ckpt").model_copy(
        update={"conditioners": (conditioner_config,)}
    )
    with pytest.raises(ConfigError, match="segmentation"):
        open_label_sources(blob_video, metadata, Path("x.ckpt"), {})
    with pytest.raises(LabelFileError):  # an ordinary video is not a label video
        run_synthesize(street_model / "runs" / "blob", blob_video)
    empty_folder = write_face_points(Path("empty"), 0)
    (empty_folder / "0.json").write_text("[]")
    with pytest.raises(NoDetectionError, match=r"landmarks.*1 frames"):
        run_synthesize(face_model / "runs" / "blob", empty_folder)
    Path("nothing").mkdir()
    with pytest.raises(LabelFileError, match="nothing"):
        run_synthesize(face_model / "runs" / "blob", Path("nothing"))
    write_labels(Path("fewer"), 11)
    with pytest.raises(InputFileMismatchError, match="11"):
        run_synthesize(
            street_model / "runs" / "blob", street_model / "labels", options={"labels": {"input_dir": "fewer"}}
        )
    with pytest.raises(MissingFileError, match=r"labels\.instances"):
        run_synthesize(
            street_model / "runs" / "blob", street_model / "labels", options={"labels": {"instances": "nowhere"}}
        )
    odd_folder = write_labels(Path("odd"), 3)
    save_png(odd_folder / "001.png", label_map(1) + 5)
    with pytest.raises(LabelFileError, match=r"001\.png"):
        run_synthesize(street_model / "runs" / "blob", odd_folder)
    assert not list(Path.cwd().glob("*.mp4"))
