"""Label files: automatic options, video input, errors, class lists, and `prepare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from vid2vid_labels.classes import CLASS_SETS

from vid2vid_cli.conditioning import Annotation, Conditioner, VideoContext, View, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import ConfigError, InputFileMismatchError, LabelFileError, MissingFileError
from vid2vid_cli.engine.events import InfoEvent
from vid2vid_cli.media.images import save_jpeg, save_png
from vid2vid_cli.media.label_images import load_label_image, save_indexed_png
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare

CITYSCAPES_COLOURS = np.array([label_class.colour for label_class in CLASS_SETS["cityscapes"]], np.uint8)


def make_ids(index: int, height: int = 24, width: int = 32) -> Any:
    """Cityscapes ids 7, 11 and 26 in moving bands."""
    bands = np.array([7, 11, 26], np.uint8)[(np.arange(width) + 3 * index) // 11 % 3]
    return np.repeat(bands[None], height, axis=0)


def write_images(folder: Path, images: Sequence[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        save_png(folder / f"{index}.png", image)
    return folder


def write_video(path: Path, images: Sequence[Any], codec: str = "ffv1", pixel_format: str = "") -> Path:
    image_format = "rgb24" if images[0].ndim == 3 else "gray" if images[0].dtype == np.uint8 else "gray16le"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixel_format or image_format
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format=image_format)))
        container.mux(stream.encode())
    return path


def make_context(count: int | None, height: int, width: int, view: View | None = None) -> VideoContext:
    view = view or View.from_box((0, 0, width, height), height, width)
    fps = Fraction(25)
    return VideoContext(Path("clip.mp4"), height, width, num_frames=count, fps=fps, view=view, sampled_fps=fps)


def load_labels(**options: Any) -> Conditioner:
    return load_conditioner("labels", options)


def annotate(conditioner: Conditioner, count: int = 1, height: int = 24, width: int = 32) -> list[Annotation]:
    return list(conditioner.annotate(detect_cuts([np.zeros((height, width, 3), np.uint8)] * count)))


# Automatic options


def test_ids_without_classes_are_rejected(tmp_path: Path) -> None:
    write_images(tmp_path, [make_ids(0), make_ids(1)])
    with pytest.raises(LabelFileError, match=r"7, 11, 26\.") as caught:
        load_labels(input_dir=tmp_path)
    assert "labels.classes=cityscapes" in caught.value.hint
    assert "labels.classes=27 " in caught.value.hint


def test_auto_classes_recognises_standard_colours(tmp_path: Path) -> None:
    conditioner = load_labels(input_dir=write_images(tmp_path, [CITYSCAPES_COLOURS[make_ids(0)]]))
    assert (conditioner.options.format, conditioner.options.classes) == ("colours", "cityscapes")
    assert "34 classes, cityscapes" in conditioner.remarks[0]
    (annotation,) = annotate(conditioner)
    assert np.array_equal(annotation.images["labels"], make_ids(0))


def test_auto_format_uses_rgb_for_other_images(tmp_path: Path) -> None:
    shades = np.arange(24 * 32, dtype=np.int64).reshape(24, 32) // 3
    grey = write_images(tmp_path / "grey", [shades.astype(np.uint8)])
    blue = write_images(tmp_path / "blue", [np.full((24, 32, 3), (0, 0, 153), np.uint8)])
    for folder in (grey, blue):
        conditioner = load_labels(input_dir=folder)
        assert (conditioner.options.format, conditioner.num_channels) == ("rgb", 3)
        assert "labels.format=rgb" in conditioner.remarks[0]
    (annotation,) = annotate(load_labels(input_dir=grey))
    assert np.array_equal(annotation.images["rgb"][:, :, 2], shades.astype(np.uint8))


def test_ids_may_be_stored_as_rgb(tmp_path: Path) -> None:
    folder = write_images(tmp_path, [np.repeat(make_ids(0)[:, :, None], 3, axis=2)])
    (annotation,) = annotate(load_labels(input_dir=folder, classes="cityscapes"))
    assert np.array_equal(annotation.images["labels"], make_ids(0))


def test_resolved_options_are_persistent(tmp_path: Path) -> None:
    """A dataset and a checkpoint render without the label files."""
    conditioner = load_labels(input_dir=write_images(tmp_path, [CITYSCAPES_COLOURS[make_ids(0)]]))
    restored = load_labels(**conditioner.options.persistent_values())
    assert (restored.num_channels, restored.options.instance_edges, restored.remarks) == (34, False, ())


def test_auto_options_of_nested_folders_are_resolved_later(tmp_path: Path) -> None:
    """The files of several videos in one folder are resolved for each video."""
    write_images(tmp_path / "first", [CITYSCAPES_COLOURS[make_ids(0)]])
    conditioner = load_labels(input_dir=tmp_path)
    assert conditioner.options.format == "auto"
    bound = type(conditioner)(conditioner.options.model_copy(update={"input_dir": tmp_path / "first"}))
    assert bound.num_channels == 34


def test_missing_label_files_are_rejected() -> None:
    for access in (lambda: annotate(load_labels()), lambda: load_labels().num_channels):
        with pytest.raises(MissingFileError) as caught:
            access()
        assert "labels.input_dir=FOLDER" in caught.value.hint
    with pytest.raises(MissingFileError, match="nowhere"):
        annotate(load_labels(input_dir="nowhere", classes=3, format="ids"))


# Video


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ffv1_video_preserves_ids(tmp_path: Path, dtype: Any) -> None:
    ids = [make_ids(index).astype(dtype) for index in range(5)]
    source = write_video(tmp_path / "ids.mkv", ids)
    annotations = annotate(load_labels(input_dir=source, classes="cityscapes"), 5)
    for annotation, frame_ids in zip(annotations, ids, strict=True):
        assert np.array_equal(annotation.images["labels"], frame_ids)


def test_ffv1_video_of_colours_and_16_bit_instances(tmp_path: Path) -> None:
    ids = [make_ids(index) for index in range(3)]
    source = write_video(
        tmp_path / "colours.mkv", [CITYSCAPES_COLOURS[frame_ids] for frame_ids in ids], pixel_format="bgr0"
    )
    instances = [frame_ids.astype(np.uint16) * 1000 + 3 for frame_ids in ids]
    instance_source = write_video(tmp_path / "instances.mkv", instances)
    annotations = annotate(load_labels(input_dir=source, instances=instance_source), 3)
    for annotation, frame_ids, instance_ids in zip(annotations, ids, instances, strict=True):
        assert np.array_equal(annotation.images["labels"], frame_ids)
        assert np.array_equal(annotation.images["instances"], instance_ids)


def test_label_video_is_read_at_the_frame_index(tmp_path: Path) -> None:
    ids = [np.full((24, 32), index, np.uint8) for index in range(90)]
    conditioner = load_labels(input_dir=write_video(tmp_path / "ids.mkv", ids), classes=90)
    context = make_context(90, 24, 32)
    for first in (0, 4, 40):
        bound = conditioner.bind(replace(context, sampled_fps=context.fps / 2, start_seconds=0.12, first_index=first))
        ids_read = [int(annotation.images["labels"][0, 0]) for annotation in annotate(bound, 3)]
        assert ids_read == [3 + 2 * (first + index) for index in range(3)]


@pytest.mark.parametrize(("codec", "pixel_format"), [("libx264", "yuv420p"), ("ffv1", "yuv444p")])
def test_lossy_codecs_are_rejected_for_ids(tmp_path: Path, codec: str, pixel_format: str) -> None:
    source = write_video(tmp_path / "ids.mkv", [np.repeat(make_ids(0)[:, :, None], 3, axis=2)] * 3, codec, pixel_format)
    for label_format in ("ids", "auto"):
        with pytest.raises(LabelFileError, match=codec.removeprefix("lib").replace("x264", "h264")) as caught:
            annotate(load_labels(input_dir=source, format=label_format, classes="cityscapes"), 3)
        assert "ffv1" in caught.value.hint


def test_snap_colours_uses_nearest_class(tmp_path: Path) -> None:
    save_jpeg(tmp_path / "0.jpg", CITYSCAPES_COLOURS[make_ids(0)], 90)
    with pytest.raises(LabelFileError, match=r"0\.jpg") as caught:
        annotate(load_labels(input_dir=tmp_path, classes="cityscapes"))
    assert "labels.snap_colours=true" in caught.value.hint
    (annotation,) = annotate(load_labels(input_dir=tmp_path, classes="cityscapes", snap_colours=True))
    assert (annotation.images["labels"] == make_ids(0)).mean() > 0.97


# Errors


def test_unknown_id_is_rejected_with_position(tmp_path: Path) -> None:
    ids = [make_ids(0), make_ids(1)]
    ids[1] = ids[1].copy()
    ids[1][5, 9:12] = 40
    write_images(tmp_path, ids)
    with pytest.raises(LabelFileError, match=r"1\.png.* 40 at x=9, y=5 \(3 pixels\)") as caught:
        annotate(load_labels(input_dir=tmp_path, classes="cityscapes"), 2)
    assert "0 to 33" in caught.value.message
    assert "labels.classes=41" in caught.value.hint
    assert "labels.ignore_ids=40" in caught.value.hint
    annotate(load_labels(input_dir=tmp_path, classes="cityscapes", ignore_ids=40), 2)


def test_unknown_void_id_hint_keeps_ignored_ids(tmp_path: Path) -> None:
    write_images(tmp_path, [np.full((24, 32), 255, np.uint8)])
    with pytest.raises(LabelFileError) as caught:
        annotate(load_labels(input_dir=tmp_path, classes="cityscapes", ignore_ids="0,1"))
    assert caught.value.hint.startswith("--conditioner-option labels.ignore_ids=0,1,255 ")


def test_unknown_colour_is_rejected_with_position(tmp_path: Path) -> None:
    image = CITYSCAPES_COLOURS[make_ids(0)]
    image[2, 3] = (1, 2, 3)
    write_images(tmp_path, [image])
    with pytest.raises(LabelFileError, match=r"0\.png.*\(1, 2, 3\) at x=3, y=2 \(1 pixel\)"):
        annotate(load_labels(input_dir=tmp_path, format="colours", classes="cityscapes"))


def test_label_counts_and_aspect_ratios_are_checked(tmp_path: Path) -> None:
    write_images(tmp_path / "a", [make_ids(0)] * 3)
    conditioner = load_labels(input_dir=tmp_path / "a", classes="cityscapes")
    with pytest.raises(InputFileMismatchError, match=r"3 files.*clip\.mp4.*4 frames"):
        annotate(conditioner.bind(make_context(4, 24, 32)))
    with pytest.raises(InputFileMismatchError, match=r"3 frames.*frame 3"):
        annotate(conditioner.bind(make_context(None, 24, 32)), 4)
    with pytest.raises(InputFileMismatchError, match=r"0\.png.*32 x 24.*32 x 32"):
        annotate(conditioner.bind(make_context(3, 32, 32)), height=32)
    write_images(tmp_path / "b", [make_ids(0)] * 2)
    conditioner = load_labels(input_dir=tmp_path / "a", instances=tmp_path / "b", classes="cityscapes")
    with pytest.raises(InputFileMismatchError, match=r"labels\.instances.*2 files"):
        annotate(conditioner.bind(make_context(3, 24, 32)))


def test_labels_of_another_scale_are_aligned(tmp_path: Path) -> None:
    """Labels of half the video's size; `prepare` crops the right half of the video."""
    save_indexed_png(tmp_path / "0.png", np.repeat(np.arange(16, dtype=np.uint8)[None], 8, axis=0))
    view = View(((1.0, 0.0, -16.0), (0.0, 1.0, 0.0)), 16, 16)
    conditioner = load_labels(input_dir=tmp_path, classes=16).bind(make_context(1, 16, 32, view))
    (annotation,) = annotate(conditioner, height=16, width=16)
    assert annotation.images["labels"][0].tolist() == [8 + index // 2 for index in range(16)]


def test_instance_images_must_exist_and_be_grey(tmp_path: Path) -> None:
    write_images(tmp_path / "a", [make_ids(0)])
    write_images(tmp_path / "b", [CITYSCAPES_COLOURS[make_ids(0)]])
    with pytest.raises(LabelFileError, match="instance ids"):
        annotate(load_labels(input_dir=tmp_path / "a", instances=tmp_path / "b", classes="cityscapes"))
    with pytest.raises(MissingFileError, match=r"labels\.instances"):
        annotate(load_labels(input_dir=tmp_path / "a", instance_edges=True, classes="cityscapes"))


# Class lists


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '["road", "sky"]'),
        ("b.json", '{"road": [128, 64, 128], "sky": "#4682b4"}'),
        ("c.json", '{"0": "road", "1": {"name": "sky", "color": [70, 130, 180]}}'),
        ("d.yaml", "- {id: 0, name: road, colour: [128, 64, 128]}\n- {name: sky, colour: '#4682b4'}\n"),
        ("e.txt", "# mine\nroad 128 64 128\n\nsky 70 130 180  # blue\n"),
        ("f.csv", "name,r,g,b\nroad,128,64,128\nsky,70,130,180\n"),
        ("g.txt", "128 64 128\troad\n70 130 180\tsky\n"),
        ("h.txt", "0 road #804080\n1 sky #4682b4\n"),
        ("i.txt", "\ufeff0 128 64 128 road\n1 70 130 180 sky\n"),
    ],
)
def test_class_list_formats(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    classes = load_labels(format="ids", classes=str(tmp_path / name)).classes()
    assert [(label_class.id, label_class.name) for label_class in classes] == [(0, "road"), (1, "sky")]
    if name != "a.json":
        assert classes[1].colour == (70, 130, 180)


@pytest.mark.parametrize(
    ("text", "expected_text"),
    [
        ("road 128 64", "line 1"),
        ("road 300 1 1", "colour of road"),
        ("0 road 1 1 1\n0 sky 2 2 2", "id 0"),
        ("", "no classes"),
    ],
)
def test_invalid_class_list_is_rejected(tmp_path: Path, text: str, expected_text: str) -> None:
    (tmp_path / "mine.txt").write_text(text)
    with pytest.raises(ConfigError, match=expected_text) as caught:
        load_labels(classes=str(tmp_path / "mine.txt"))
    assert "mine.txt" in caught.value.message


@pytest.mark.parametrize(("option", "value"), [("classes", "citiscapes"), ("classes", "0"), ("ignore_ids", "void")])
def test_invalid_options_are_rejected(option: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"labels\.{option}='{value}'"):
        load_labels(**{option: value})


# prepare


def test_prepare_stores_ids_colours_and_names(tmp_path: Path, blob_video: Path) -> None:
    count = 24
    folder = write_images(tmp_path / "seg", [make_ids(index, 40, 56) for index in range(count)])
    instances = write_images(
        tmp_path / "inst", [make_ids(index, 40, 56).astype(np.uint16) * 1000 for index in range(count)]
    )
    events: list[Any] = []
    options = {"labels": {"input_dir": str(folder), "instances": str(instances), "classes": "cityscapes"}}
    result = prepare(PrepareRequest((blob_video,), ("labels",), tmp_path / "out", options=options), events.append)
    assert result.detection_counts == {"labels": (count, count)}
    assert any("34 classes" in event.message for event in events if isinstance(event, InfoEvent))
    stored_path = tmp_path / "out" / "clips" / "000" / "labels" / "labels" / "000005.png"
    ids = load_label_image(stored_path).values
    assert np.array_equal(ids, make_ids(5, 40, 56))
    assert CITYSCAPES_COLOURS[26].tobytes() in stored_path.read_bytes(), "the palette has the colours of the classes"
    manifest = (tmp_path / "out" / "dataset.json").read_text()
    assert '"sidewalk"' in manifest
    assert '"num_channels": 35' in manifest
    assert str(folder) not in manifest
