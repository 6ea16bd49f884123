"""The segmentation plugin: the contract for each backend, label maps, tiles and smoothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from helpers.tiny_networks import write_colour_network, write_person_network
from vid2vid_segmentation.backend import TiledScores, TileScores
from vid2vid_segmentation.classes import VOC_CLASS_NAMES
from vid2vid_segmentation.label_fusion import fuse_tiles
from vid2vid_segmentation.tiling import make_tile_grid

from vid2vid_cli.conditioning import Annotation, View, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.synthetic import synthetic_clip
from vid2vid_cli.testing import ConditionerContract

RED, GREEN, GREY = (255, 0, 0), (0, 255, 0), (128, 128, 128)


class TestSelfieContract(ConditionerContract):
    name = "segmentation"
    options: ClassVar = {"backend": "selfie"}
    alternative_options: ClassVar = {"mask_threshold": "0.9"}
    render_options: ClassVar = {"classes_used": "person"}


class TestTorchvisionContract(ConditionerContract):
    name = "segmentation"
    options: ClassVar = {"input_size": "64", "batch_size": "2"}
    alternative_options: ClassVar = {"input_size": "96"}
    render_options: ClassVar = {"classes_used": "person,car"}

    def write_input_files(self, folder: Path) -> Mapping[str, Any]:
        return {"weights": str(write_person_network(folder / "random.pth"))}


class TestTFLiteContract(ConditionerContract):
    name = "segmentation"
    options: ClassVar = {"num_classes": "4", "smoothing": "0.6"}
    alternative_options: ClassVar = {"smoothing": "0"}
    render_options: ClassVar = {"classes_used": "2"}

    def write_input_files(self, folder: Path) -> Mapping[str, Any]:
        return {"weights": str(write_colour_network(folder / "colours.tflite"))}

    def clip(self) -> Sequence[Any]:
        return [make_scene(shift=3 * index) for index in range(5)]


@pytest.fixture(scope="module")
def colour_network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A TFLite network with the classes red, green and blue."""
    pytest.importorskip("ai_edge_litert")
    return str(write_colour_network(tmp_path_factory.mktemp("networks") / "colours.tflite"))


def make_scene(shift: int = 0, height: int = 96, width: int = 160) -> Any:
    """A textured grey frame with a red box and, at the right, a green one."""
    texture = np.random.default_rng(3).integers(-30, 31, (height, width, 1)).repeat(3, axis=2)
    frame = np.clip(np.array(GREY) + texture, 0, 255)
    frame[24:72, 20 + shift : 68 + shift] = RED
    frame[30:80, width - 30 : width - 4] = GREEN
    return frame.astype(np.uint8)


def annotate(frames: Sequence[Any], **options: object) -> list[Annotation]:
    return list(load_conditioner("segmentation", options).annotate(detect_cuts(frames)))


def label_maps(frames: Sequence[Any], **options: object) -> list[Any]:
    return [annotation.images["labels"] for annotation in annotate(frames, **options)]


def mask_iou(mask_a: Any, mask_b: Any) -> float:
    return float((mask_a & mask_b).sum() / max((mask_a | mask_b).sum(), 1))


# Label maps


def test_annotate_labels_colours_at_any_aspect_ratio(colour_network: str) -> None:
    for height, width in ((96, 160), (96, 400), (400, 90)):
        frame = make_scene(0, height, width)
        (label_map,) = label_maps([frame], weights=colour_network, num_classes=4, num_tiles=2)
        for label, colour in ((1, RED), (2, GREEN)):
            assert mask_iou(label_map == label, (frame == colour).all(axis=2)) > 0.85, (height, width, label)


def test_annotate_with_more_tiles_detects_smaller_objects(colour_network: str) -> None:
    frame = np.full((320, 640, 3), 128, np.uint8)
    frame[::40, ::40] = frame[1::40, ::40] = frame[::40, 1::40] = frame[1::40, 1::40] = RED
    coarse, fine = (
        np.count_nonzero(label_maps([frame], weights=colour_network, num_classes=4, num_tiles=n)[0]) for n in (1, 8)
    )
    assert coarse == 0
    assert fine > 100


def test_annotate_quality_is_zero_for_specks(colour_network: str) -> None:
    frame = np.full((96, 96, 3), 128, np.uint8)
    frame[50:53, 50:53] = RED
    (speck,) = annotate([frame], weights=colour_network, num_classes=4, num_tiles=3)
    assert 0 < np.count_nonzero(speck.images["labels"]) < 0.001 * 96 * 96
    assert speck.quality == 0
    (large,) = annotate([make_scene()], weights=colour_network, num_classes=4)
    assert large.quality > 0.9


@pytest.mark.parametrize("tile_size", [(257, 257), (256, 144), (33, 65)])
@pytest.mark.parametrize("frame_size", [(512, 512), (512, 910), (910, 512), (97, 61), (64, 4000), (3, 3), (1080, 1920)])
def test_make_tile_grid_covers_the_canvas(tile_size: tuple[int, int], frame_size: tuple[int, int]) -> None:
    for num_tiles in (0, 1, 2, 5):
        grid = make_tile_grid(frame_size, tile_size, num_tiles)
        for length, side, starts in ((grid.height, tile_size[0], grid.tops), (grid.width, tile_size[1], grid.lefts)):
            is_covered = np.zeros(length, bool)
            for start in starts:
                assert 0 <= start <= length - side
                is_covered[start : start + side] = True
            assert is_covered.all()
        if num_tiles == 0:
            assert (grid.height, grid.width) == tile_size
    wide_grid = make_tile_grid((512, 512 * 2), (257, 257), 1)
    assert wide_grid.width / wide_grid.height == pytest.approx(2, rel=0.2)


def test_fuse_tiles_blends_overlaps() -> None:
    low, high = (TileScores(0, left, np.full((2, 8, 10), value, np.float32)) for left, value in ((0, -1), (6, 3)))
    low.scores[0] = high.scores[0] = 0
    probabilities = fuse_tiles(TiledScores(8, 16, (low, high)), (0, 1)).values
    scores = np.log(probabilities[1] / probabilities[0])
    np.testing.assert_allclose(scores[:, :6], -1, atol=1e-5)
    np.testing.assert_allclose(scores[:, 10:], 3, atol=1e-5)
    assert (np.diff(scores[4, 5:11]) > 0).all()


# render, visualize, classes, statistics


def test_render_has_one_channel_per_class() -> None:
    conditioner = load_conditioner("segmentation", {})
    assert conditioner.num_channels == len(conditioner.classes()) == 21
    assert [label_class.name for label_class in conditioner.classes()] == list(VOC_CLASS_NAMES)
    assert conditioner.classes()[15].colour == (192, 128, 128)
    labels = np.zeros((4, 6), np.uint8)
    labels[1:3, 2:4] = 7
    view = View.from_box((0, 0, 6, 4), 8, 12)
    channels = conditioner.render(Annotation(4, 6, 1.0, images={"labels": labels}), view)
    assert set(np.unique(channels)) == {-1, 1}
    np.testing.assert_array_equal((channels == 1).sum(axis=0), 1)
    np.testing.assert_array_equal(channels.argmax(axis=0), np.kron(labels, np.ones((2, 2), int)))


def test_selfie_backend_has_two_classes_with_voc_ids() -> None:
    conditioner = load_conditioner("segmentation", {"backend": "selfie"})
    assert conditioner.num_channels == 2
    assert [(label_class.id, label_class.name) for label_class in conditioner.classes()] == [
        (0, "background"),
        (15, "person"),
    ]


def test_classes_used_maps_other_classes_to_background() -> None:
    conditioner = load_conditioner("segmentation", {"classes_used": "person, bicycle"})
    assert (conditioner.num_channels, len(conditioner.classes())) == (3, 21)
    labels = np.array([[0, 7, 15, 2]], np.uint8)
    annotation, view = Annotation(1, 4, 1.0, images={"labels": labels}), View.from_box((0, 0, 4, 1), 1, 4)
    assert conditioner.render(annotation, view).argmax(axis=0).tolist() == [[0, 0, 1, 2]]
    assert conditioner.visualize(annotation, view)[0].tolist() == [[0, 0, 0], [0, 0, 0], [192, 128, 128], [0, 128, 0]]


def test_statistics_contain_class_shares_and_subject_box() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[10:30, 20:30] = 15
    annotations = [
        Annotation(40, 60, 1.0, images={"labels": labels}),
        Annotation(40, 60, 0.0, images={"labels": labels * 0}),
    ]
    selfie_statistics = load_conditioner("segmentation", {"backend": "selfie"}).statistics(annotations)
    assert selfie_statistics["class_shares"] == pytest.approx({"background": 11 / 12, "person": 1 / 12}, abs=1e-5)
    assert selfie_statistics["subject_box"] == pytest.approx([19.5, 9, 30.5, 31])
    default_statistics = load_conditioner("segmentation", {}).statistics(annotations)
    assert default_statistics["class_shares"] == selfie_statistics["class_shares"]
    assert "subject_box" not in default_statistics


# Smoothing, batching


def flickering_frames(num_frames: int, pan: int) -> list[Any]:
    """A panning texture near the decision boundary of red, which it crosses on every fourth frame."""
    texture = np.random.default_rng(5).integers(-25, 26, (24, 60, 1)) * 2
    texture = cv2.resize(texture.astype(np.float32), (480, 192), interpolation=cv2.INTER_CUBIC)[:, :, None]
    result = []
    for index in range(num_frames):
        step = 8 if index % 4 == 3 else -8
        # The difference between red and the other channels does not depend on the texture; blue hardly affects grey.
        frame = np.concatenate([195 + texture, 98 + texture / 2, 98 + step + texture / 2], axis=2)
        result.append(np.rint(frame[:96, 100 + pan * index : 260 + pan * index]).astype(np.uint8))
    return result


def changed_share(maps: Sequence[Any]) -> float:
    return float(np.mean([(previous != current).mean() for previous, current in pairwise(maps)]))


@pytest.mark.parametrize("pan", [0, 4])
def test_smoothing_reduces_flicker(colour_network: str, pan: int) -> None:
    frames = flickering_frames(12, pan)
    plain_maps, smooth_maps = (
        label_maps(frames, weights=colour_network, num_classes=4, smoothing=smoothing) for smoothing in (0, 0.8)
    )
    assert changed_share(plain_maps) > 0.3
    assert changed_share(smooth_maps[1:]) < 0.2 * changed_share(plain_maps)


def test_smoothing_follows_motion(colour_network: str) -> None:
    frames = [make_scene(shift=6 * index) for index in range(8)]
    smooth_maps = label_maps(frames, weights=colour_network, num_classes=4, smoothing=0.9, num_tiles=2)
    for frame, label_map in zip(frames, smooth_maps, strict=True):
        assert mask_iou(label_map == 1, (frame == RED).all(axis=2)) > 0.85


def test_smoothing_resets_at_cut(colour_network: str) -> None:
    """Both shots have the same grey levels, so that only the cut detector can reset the filter."""
    light = np.random.default_rng(0).uniform(0.6, 1, (12, 20, 1)).repeat(8, axis=0).repeat(8, axis=1)
    before, after = ((light * colour).astype(np.uint8) for colour in (RED, (0, 130, 0)))
    maps = label_maps([before] * 4 + [after] * 2, weights=colour_network, num_classes=4, smoothing=0.95)
    assert [sorted(np.unique(label_map)) for label_map in maps] == [[1]] * 4 + [[2]] * 2


def test_annotate_in_batches_equals_single_frames(tmp_path: Path) -> None:
    weights, frames = write_person_network(tmp_path / "random.pth"), synthetic_clip(5)
    single_annotations, batched_annotations = (
        annotate(frames, weights=weights, input_size=64, batch_size=n) for n in (1, 3)
    )
    for single, batched in zip(single_annotations, batched_annotations, strict=True):
        np.testing.assert_array_equal(single.images["labels"], batched.images["labels"])
        assert single.quality == pytest.approx(batched.quality, abs=1e-4)


def test_deeplab_preprocessing_matches_torchvision(tmp_path: Path) -> None:
    torch, torchvision = pytest.importorskip("torch"), pytest.importorskip("torchvision")
    weights, frame = write_person_network(tmp_path / "random.pth"), synthetic_clip(1, 240, 320)[0]
    network = torchvision.models.get_model("deeplabv3_mobilenet_v3_large", weights_backbone=None, aux_loss=True).eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    transform = torchvision.transforms._presets.SemanticSegmentation(resize_size=64)
    with torch.inference_mode():
        scores = network(transform(torch.from_numpy(frame).permute(2, 0, 1))[None])["out"]
        scores = torch.nn.functional.interpolate(scores, size=frame.shape[:2], mode="bilinear")
    (label_map,) = label_maps([frame], weights=weights, input_size=64)
    assert (label_map == scores[0].argmax(0).numpy()).mean() > 0.97
    assert 0.2 < (label_map == 15).mean() < 0.9


def test_fingerprint_ignores_batch_size_and_weights_path(colour_network: str, tmp_path: Path) -> None:
    copy = tmp_path / "other.tflite"
    copy.write_bytes(Path(colour_network).read_bytes())
    fingerprint = load_conditioner("segmentation", {"weights": colour_network, "batch_size": 1}).fingerprint()
    assert fingerprint == load_conditioner("segmentation", {"weights": str(copy), "batch_size": 9}).fingerprint()
    copy.write_bytes(copy.read_bytes() + b"0")
    assert fingerprint != load_conditioner("segmentation", {"weights": str(copy), "batch_size": 1}).fingerprint()
    assert str(tmp_path) not in str(fingerprint)


# Real footage


def read_frames(video: Path, *seconds: float) -> list[Any]:
    return [next(iter(VideoReader(video, start=start))) for start in seconds]


def test_tflite_deeplab_detects_dancer(shared_data: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    weights = shared_data / "models" / "deeplabv3_257_mv_gpu.tflite"
    for annotation in annotate(read_frames(shared_data / "pose" / "dancing_woman.mp4", 0, 1.5, 3), weights=weights):
        is_person = annotation.images["labels"] == 15
        assert 0.15 < is_person.mean() < 0.35
        assert annotation.quality > 0.8
        assert is_person[200:1000, 330:390].mean() > 0.5 > is_person[:, :20].mean()


def test_tflite_deeplab_detects_cars(shared_data: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    weights = shared_data / "models" / "deeplabv3_257_mv_gpu.tflite"
    (label_map,) = label_maps(read_frames(shared_data / "street" / "bikes.mp4", 1.4), weights=weights)
    assert (label_map == VOC_CLASS_NAMES.index("car")).mean() > 0.2


def test_selfie_backend_masks_talking_man(shared_data: Path) -> None:
    pytest.importorskip("mediapipe")
    for annotation in annotate(read_frames(shared_data / "face" / "talking_man.mp4", 0, 9), backend="selfie"):
        is_person = annotation.images["labels"] == 15
        assert 0.4 < is_person.mean() < 0.65
        assert is_person[200:400, 200:300].all()
        assert not is_person[:100, :60].any()
