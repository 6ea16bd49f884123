"""Edits of label maps: the same frames as from label files that are edited in advance."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.factories import HEIGHT, NUM_FRAMES, WIDTH, blob_frame, make_blob_video, tiny_config

from vid2vid_cli.cli import run_command_line
from vid2vid_cli.conditioning import Annotation
from vid2vid_cli.conditioning.conditioner import LABELS_KEY
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.engine.events import Event, WarningEvent, ignore_events
from vid2vid_cli.media.contact_sheet import GAP_PX
from vid2vid_cli.media.images import save_png
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.pipelines.synthesize import SynthesizeRequest, plan_synthesize, synthesize
from vid2vid_cli.pipelines.train import TrainRequest, train
from vid2vid_cli.pipelines.transfer import TransferRequest, transfer
from vid2vid_cli.pipelines.transfer_plan import plan_transfer
from vid2vid_cli.rendering.frames import AnnotatedFrame
from vid2vid_cli.rendering.label_edits import LabelEdits
from vid2vid_cli.rendering.parse_edits import parse_edits
from vid2vid_cli.rendering.video_output import RenderResult
from vid2vid_cli.tools.inspect import inspect_path

CLASS_NAMES = ("road", "wall", "Man", "tree")
ROAD, WALL, MAN, TREE = range(4)
FPS = Fraction(30000, 1001)
MAX_ENCODING_ERROR = 3
"""Maximum difference of equal frames after x264, in grey levels; other labels differ by 10 and more."""
LABEL_OPTIONS = {"format": "ids", "classes": [{"id": index, "name": name} for index, name in enumerate(CLASS_NAMES)]}


@pytest.fixture(autouse=True)
def _empty_working_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def label_map(index: int, scale: int = 1) -> np.ndarray:
    """A man who moves from the road to the wall; `scale` times larger."""
    background = np.arange(WIDTH)[None] // (WIDTH // 2)
    labels = np.where(blob_frame(index)[:, :, 0] > 200, MAN, background).astype(np.uint8)
    return labels.repeat(scale, 0).repeat(scale, 1)


def instance_map(index: int) -> np.ndarray:
    """In the format of Cityscapes: the class id where there is no instance."""
    labels = label_map(index).astype(np.uint16)
    return np.where(labels == MAN, 2001, labels).astype(np.uint16)


def write_images(folder: str, images: list[np.ndarray]) -> Path:
    Path(folder).mkdir(parents=True)
    for index, image in enumerate(images):
        save_png(Path(folder) / f"{index:03d}.png", image)
    return Path(folder)


@pytest.fixture(scope="module")
def label_model(blob_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on `blob_video` with labels and instances; folders run, data, labels and things."""
    root = tmp_path_factory.mktemp("city")
    labels = write_images(f"{root}/labels", [label_map(index) for index in range(NUM_FRAMES)])
    instances = write_images(f"{root}/things", [instance_map(index) for index in range(NUM_FRAMES)])
    (root / "names.txt").write_text("\n".join(CLASS_NAMES))
    options = {"labels": {"input_dir": str(labels), "instances": str(instances), "classes": str(root / "names.txt")}}
    data = prepare(PrepareRequest((blob_video,), ("labels",), root / "data", options=options), ignore_events).path
    config = tiny_config(
        schedule={
            "max_steps": 2,
            "clip_length": 4,
            "max_clip_length": 4,
            "clip_growth_interval": 6,
            "frames_per_update": 2,
        }
    )
    train(TrainRequest(config, "tiny", data, root / "run", device="cpu"), ignore_events)
    return root


def synthesize_frames(model: Path, source: Path, instances: Path, **changes: Any) -> list[np.ndarray]:
    emit = changes.pop("emit", ignore_events)
    options = {} if (source / "dataset.json").exists() else {"labels": {"instances": str(instances)}}
    request = SynthesizeRequest(model / "run", source, options=options, device="cpu", precision="fp32", **changes)
    return read_comparison(synthesize(request, emit))


def read_comparison(result: RenderResult) -> list[np.ndarray]:
    """Condition and result of each frame: the right part of the comparison video."""
    assert result.compare_path is not None
    return [frame[:, -(2 * 360 + GAP_PX) :] for frame in VideoReader(result.compare_path)]


def max_difference(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    """The largest mean difference between two frames."""
    return max(float(np.abs(a.astype(int) - b).mean()) for a, b in zip(first, second, strict=True))


def test_label_edits_match_manual_edits(label_model: Path) -> None:
    """The man is removed from frame 5 on; road becomes tree in the left half until 0.5 s."""
    edits: dict[str, Any] = {"replace": ("ROAD=tree@-0.5s@0%,0%,50%,100%",), "remove": ("man@5-",)}
    background = np.broadcast_to(np.arange(WIDTH) // (WIDTH // 2), (HEIGHT, WIDTH)).astype(np.uint8)
    edited_labels, edited_instances = [], []
    for index in range(NUM_FRAMES):
        labels, instances = (
            (label_map(index), instance_map(index)) if index < 5 else (background.copy(), background.astype(np.uint16))
        )
        if index < 0.5 * FPS:
            instances[:, : WIDTH // 2][labels[:, : WIDTH // 2] == ROAD] = TREE
            labels[:, : WIDTH // 2][labels[:, : WIDTH // 2] == ROAD] = TREE
        edited_labels.append(labels)
        edited_instances.append(instances)
    expected = synthesize_frames(
        label_model, write_images("edited", edited_labels), write_images("edited_things", edited_instances)
    )
    unedited = synthesize_frames(label_model, label_model / "labels", label_model / "things")
    assert max_difference(unedited, expected) > 10
    events: list[Event] = []
    assert (
        max_difference(
            synthesize_frames(label_model, label_model / "labels", label_model / "things", emit=events.append, **edits),
            expected,
        )
        < MAX_ENCODING_ERROR
    )
    (warning,) = [event.message for event in events if isinstance(event, WarningEvent)]
    assert "tree" in warning
    assert (
        max_difference(synthesize_frames(label_model, label_model / "data", label_model / "things", **edits), expected)
        < MAX_ENCODING_ERROR
    )
    request = TransferRequest(
        make_blob_video(Path("source.mp4").absolute()),
        label_model / "run",
        options={"labels": {"input_dir": str(label_model / "labels"), "instances": str(label_model / "things")}},
        device="cpu",
        precision="fp32",
        **edits,
    )
    assert max_difference(read_comparison(transfer(request, ignore_events)), expected) < MAX_ENCODING_ERROR
    assert dict(plan_transfer(request).rows)["edit"]


def test_label_edits_boxes_use_source_pixels(label_model: Path) -> None:
    """Maps of 784 x 560 pixels show the same scene and are reduced when they are read."""
    small_frames = synthesize_frames(
        label_model, label_model / "labels", label_model / "things", replace=("road=tree@0,0,14,20",)
    )
    labels = write_images("large", [label_map(index, 14) for index in range(4)])
    large_instances = write_images(
        "large_things", [instance_map(index).repeat(14, 0).repeat(14, 1) for index in range(4)]
    )
    large_frames = synthesize_frames(label_model, labels, large_instances, replace=("road=tree@0,0,196,280",))
    assert max_difference(small_frames[:4], large_frames) < MAX_ENCODING_ERROR


def test_label_edits_count_frames_and_reset_memory_per_clip(label_model: Path) -> None:
    """The second of two clips starts at frame 4 of the output and is filled without classes of the first."""
    labels = load_conditioner("labels", LABEL_OPTIONS)
    first, second = np.full((6, 6), WALL, np.uint8), np.full((6, 6), WALL, np.uint8)
    first[2:4, 2:4] = TREE
    second[1:5, 1:5] = MAN

    def make_frames(label_ids: np.ndarray, count: int) -> list[AnnotatedFrame]:
        return [
            AnnotatedFrame(None, False, (Annotation(6, 6, 1.0, images={LABELS_KEY: label_ids}),)) for _ in range(count)
        ]

    label_edits = LabelEdits(parse_edits(["wall=road@5-"], ["man"]), [labels], Fraction(25))
    edited_clips = [
        [frame.annotations[0].images[LABELS_KEY] for frame in label_edits.edit_clip(make_frames(labels_, 4), (6, 6))]
        for labels_ in (first, second)
    ]
    assert all(np.array_equal(edited, first) for edited in edited_clips[0])
    assert [edited.tolist() for edited in edited_clips[1]] == [
        np.full((6, 6), value).tolist() for value in (WALL, *[ROAD] * 3)
    ]
    events: list[Event] = []
    label_edits.report(events.append)
    assert events == []
    # In one clip, the removed man is filled with the tree of earlier frames.
    label_edits = LabelEdits(parse_edits([], ["man"]), [labels], Fraction(25))
    joined_clip = [
        frame.annotations[0].images[LABELS_KEY]
        for frame in label_edits.edit_clip([*make_frames(first, 4), *make_frames(second, 4)], (6, 6))
    ]
    assert all(np.array_equal(edited, first) for edited in joined_clip)


def test_label_edits_apply_to_conditioners_with_class() -> None:
    """Edges, and a segmentation without the class, are unchanged."""
    labels, segmentation = load_conditioner("labels", LABEL_OPTIONS), load_conditioner("segmentation")
    edges = load_conditioner("edges")
    label_ids = np.full((2, 2), MAN, np.uint8)
    annotation = Annotation(2, 2, 1.0, images={LABELS_KEY: label_ids})
    annotated_frame = AnnotatedFrame(None, False, (annotation, annotation, annotation))
    label_edits = LabelEdits(parse_edits(["man=wall"], []), [edges, segmentation, labels], Fraction(25))
    (edited_frame,) = label_edits.edit_clip([annotated_frame], (2, 2))
    assert [int(edited.images[LABELS_KEY][0, 0]) for edited in edited_frame.annotations] == [MAN, MAN, WALL]
    empty_frame = AnnotatedFrame(None, False, (annotation, annotation, Annotation(2, 2, 0.0)))
    assert next(iter(label_edits.edit_clip([empty_frame], (2, 2)))) == empty_frame


def test_label_edits_warn_about_unused_edits(label_model: Path) -> None:
    events: list[Event] = []
    edits = {"replace": ("tree=road", "wall=road@9s-"), "remove": ("man@-2@90%,0%,100%,100%",)}
    unedited = synthesize_frames(label_model, label_model / "labels", label_model / "things")
    assert (
        max_difference(
            synthesize_frames(label_model, label_model / "labels", label_model / "things", emit=events.append, **edits),
            unedited,
        )
        < MAX_ENCODING_ERROR
    )
    warnings = [event.message for event in events if isinstance(event, WarningEvent)]
    edit_texts = ["--remove man@-2@90%,0%,100%,100%", "--replace tree=road", "--replace wall=road@9s-"]
    assert len(warnings) == 3
    assert all(warning.startswith(text) for warning, text in zip(warnings, edit_texts, strict=True))
    assert "24 frames, 0.80 s" in warnings[2]
    full_frame = AnnotatedFrame(
        None, False, (Annotation(2, 2, 1.0, images={LABELS_KEY: np.full((2, 2), MAN, np.uint8)}),)
    )
    label_edits = LabelEdits(parse_edits([], ["man"]), [load_conditioner("labels", LABEL_OPTIONS)], Fraction(25))
    (edited_frame,) = label_edits.edit_clip([full_frame], (2, 2))
    assert edited_frame.annotations[0].images[LABELS_KEY].tolist() == [[MAN, MAN]] * 2
    label_edits.report(events.append)
    assert isinstance(events[-1], WarningEvent)
    assert events[-1].message.startswith("1 of 1 frames")


def test_label_edits_warn_about_rare_classes() -> None:
    label_edits = LabelEdits(
        parse_edits(["man=road", "man=wall", "road=tree"], ["tree"]),
        [load_conditioner("edges"), load_conditioner("labels", LABEL_OPTIONS)],
        Fraction(25),
    )
    for shares, expected in (({"road": 0.9, "wall": 0.0004}, ["wall", "tree"]), ({}, [])):
        events: list[Event] = []
        label_edits.warn_rare_classes([{}, {"class_shares": shares}], events.append)
        messages = [event.message for event in events if isinstance(event, WarningEvent)]
        assert [message.partition(": ")[2].split()[0] for message in messages] == expected


def test_label_edits_reject_invalid_edits(label_model: Path, run_folder: Path, dataset: Path) -> None:
    def expect_error_hint(
        setting: str, checkpoint: Path = label_model / "run", source: Path = label_model / "data", **edits: Any
    ) -> str:
        for pipeline in (plan_synthesize, lambda request: synthesize(request, ignore_events)):
            with pytest.raises(ConfigError, match=setting) as caught:
                pipeline(SynthesizeRequest(checkpoint, source, device="cpu", **edits))
        assert not list(Path.cwd().glob("*.mp4"))
        return caught.value.hint

    assert expect_error_hint("'raod'", replace=("raod=tree",)).startswith("Did you mean road?")
    assert "inspect" in expect_error_hint("'zebra'", replace=("road=zebra",))
    assert expect_error_hint("--remove 9", remove=("9",))
    expect_error_hint("class 2", replace=("man=2",))
    expect_error_hint("56x40", remove=("man@0,0,57,40",))
    expect_error_hint("56x40", source=label_model / "labels", remove=("man@0,0,10,41",))
    expect_error_hint("OLD=NEW", replace=("man",))
    assert "--remove" in expect_error_hint("edges", run_folder, dataset, remove=("man",))


def test_inspect_path_lists_label_classes(label_model: Path) -> None:
    expected = "0 road, 1 wall, 2 Man, 3 tree"
    assert dict(inspect_path(label_model / "run" / "run.ckpt").rows)["labels classes"] == expected
    assert dict(inspect_path(label_model / "data").rows)["labels classes"] == expected
    rows = plan_synthesize(
        SynthesizeRequest(label_model / "run", label_model / "data", remove=("man", "tree@1-2"))
    ).rows
    assert [value for name, value in rows if name == "edit"] == ["remove man", "remove tree@1-2"]


def test_synthesize_command_applies_label_edits(label_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--replace", "road=tree@1-2", "--replace", "wall=1", "--remove", "man@50%,0%,100%,100%"]
    assert (
        run_command_line(["synthesize", str(label_model / "run"), str(label_model / "data"), *args, "--dry-run"]) == 21
    )
    assert "--replace wall=1:" in capsys.readouterr().err
    args[3] = "wall=road"
    assert (
        run_command_line(
            [
                "synthesize",
                str(label_model / "run"),
                str(label_model / "data"),
                *args,
                "--device",
                "cpu",
                "--no-compare",
            ]
        )
        == 0
    )
    assert "--replace road=tree@1-2: tree" in capsys.readouterr().err
    assert list(Path.cwd().iterdir()) == [Path.cwd() / "data_synthesized.mp4"]


def test_edit_clip_counts_output_frames() -> None:
    """Given frames, which have no output, are edited like the first output frame and not counted."""
    conditioner = load_conditioner("labels", LABEL_OPTIONS)
    label_edits = LabelEdits(parse_edits(("road=tree@0-0",), ()), [conditioner], FPS)
    labels = np.full((4, 4), ROAD, np.uint8)
    frames = [AnnotatedFrame(None, False, (Annotation(4, 4, 1.0, images={LABELS_KEY: labels}),)) for _ in range(4)]
    edited_frames = list(label_edits.edit_clip(frames, (4, 4), num_given_frames=2))
    assert [int(frame.annotations[0].images[LABELS_KEY][0, 0]) for frame in edited_frames] == [TREE, TREE, TREE, ROAD]
    assert label_edits.num_frames == 2
