"""The segmentation plugin: the contract for each of its networks, label maps, windows and smoothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from helpers.tiny_networks import colour_network, person_network
from vid2vid_segmentation.backend import Look, Looks
from vid2vid_segmentation.classes import VOC
from vid2vid_segmentation.label_fusion import planes
from vid2vid_segmentation.tiling import canvas

from vid2vid_cli.conditioning import Annotation, View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.synthetic import drawn_clip
from vid2vid_cli.testing import ConditionerContract

RED, GREEN, GREY = (255, 0, 0), (0, 255, 0), (128, 128, 128)


class TestPerson(ConditionerContract):
    name = "segmentation"
    options: ClassVar = {"backend": "person"}
    other_options: ClassVar = {"threshold": "0.9"}
    drawing_options: ClassVar = {"keep": "person"}


class TestTorchvision(ConditionerContract):
    name = "segmentation"
    options: ClassVar = {"size": "64", "batch": "2"}
    other_options: ClassVar = {"size": "96"}
    drawing_options: ClassVar = {"keep": "person,car"}

    def files(self, folder: Path) -> Mapping[str, Any]:
        return {"weights": str(person_network(folder / "random.pth"))}


class TestLite(ConditionerContract):
    name = "segmentation"
    options: ClassVar = {"classes": "4", "smooth": "0.6"}
    other_options: ClassVar = {"smooth": "0"}
    drawing_options: ClassVar = {"keep": "2"}

    def files(self, folder: Path) -> Mapping[str, Any]:
        return {"weights": str(colour_network(folder / "colours.tflite"))}

    def clip(self) -> Sequence[Any]:
        return [scene(shift=3 * index) for index in range(5)]


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real TFLite network that knows red, green and blue."""
    pytest.importorskip("ai_edge_litert")
    return str(colour_network(tmp_path_factory.mktemp("networks") / "colours.tflite"))


def scene(shift: int = 0, height: int = 96, width: int = 160) -> Any:
    """Textured grey with a red box and, at the right end, a green one."""
    texture = np.random.default_rng(3).integers(-30, 31, (height, width, 1)).repeat(3, axis=2)
    frame = np.clip(np.array(GREY) + texture, 0, 255)
    frame[24:72, 20 + shift : 68 + shift] = RED
    frame[30:80, width - 30 : width - 4] = GREEN
    return frame.astype(np.uint8)


def annotate(frames: Sequence[Any], **options: object) -> list[Annotation]:
    return list(load_conditioner("segmentation", options).annotate(frames))


def maps(frames: Sequence[Any], **options: object) -> list[Any]:
    return [one.images["labels"] for one in annotate(frames, **options)]


def overlap(some: Any, others: Any) -> float:
    return float((some & others).sum() / max((some | others).sum(), 1))


# Label maps


def test_labels_lie_where_the_colours_are(colours: str) -> None:
    for height, width in ((96, 160), (96, 400), (400, 90)):
        frame = scene(0, height, width)
        (found,) = maps([frame], weights=colours, classes=4, tiles=2)
        for label, colour in ((1, RED), (2, GREEN)):
            assert overlap(found == label, (frame == colour).all(axis=2)) > 0.85, (height, width, label)


def test_more_tiles_see_smaller_things(colours: str) -> None:
    frame = np.full((320, 640, 3), 128, np.uint8)
    frame[::40, ::40] = frame[1::40, ::40] = frame[::40, 1::40] = frame[1::40, 1::40] = RED
    coarse, fine = (np.count_nonzero(maps([frame], weights=colours, classes=4, tiles=n)[0]) for n in (1, 8))
    assert coarse == 0
    assert fine > 100


def test_quality_is_zero_for_specks(colours: str) -> None:
    frame = np.full((96, 96, 3), 128, np.uint8)
    frame[50:53, 50:53] = RED
    (few,) = annotate([frame], weights=colours, classes=4, tiles=3)
    assert 0 < np.count_nonzero(few.images["labels"]) < 0.001 * 96 * 96
    assert few.quality == 0
    (many,) = annotate([scene()], weights=colours, classes=4)
    assert many.quality > 0.9


@pytest.mark.parametrize("window", [(257, 257), (256, 144), (33, 65)])
@pytest.mark.parametrize("frame", [(512, 512), (512, 910), (910, 512), (97, 61), (64, 4000), (3, 3), (1080, 1920)])
def test_windows_cover_the_canvas(window: tuple[int, int], frame: tuple[int, int]) -> None:
    for tiles in (0, 1, 2, 5):
        plan = canvas(frame, window, tiles)
        for length, inside, places in ((plan.height, window[0], plan.tops), (plan.width, window[1], plan.lefts)):
            seen = np.zeros(length, bool)
            for place in places:
                assert 0 <= place <= length - inside
                seen[place : place + inside] = True
            assert seen.all()
        if tiles == 0:
            assert (plan.height, plan.width) == window
    wide = canvas((512, 512 * 2), (257, 257), 1)
    assert wide.width / wide.height == pytest.approx(2, rel=0.2)


def test_overlapping_windows_fade_into_each_other() -> None:
    low, high = (Look(0, left, np.full((2, 8, 10), value, np.float32)) for left, value in ((0, -1), (6, 3)))
    low.scores[0] = high.scores[0] = 0
    joined = planes(Looks(8, 16, (low, high)), (0, 1)).values
    scores = np.log(joined[1] / joined[0])
    np.testing.assert_allclose(scores[:, :6], -1, atol=1e-5)
    np.testing.assert_allclose(scores[:, 10:], 3, atol=1e-5)
    assert (np.diff(scores[4, 5:11]) > 0).all()


# render, picture, classes, statistics


def test_one_channel_for_each_class() -> None:
    conditioner = load_conditioner("segmentation", {})
    assert conditioner.channels == len(conditioner.classes()) == 21
    assert [one.name for one in conditioner.classes()] == list(VOC)
    assert conditioner.classes()[15].colour == (192, 128, 128)
    labels = np.zeros((4, 6), np.uint8)
    labels[1:3, 2:4] = 7
    view = View.of_box((0, 0, 6, 4), 8, 12)
    channels = conditioner.render(Annotation(4, 6, 1.0, images={"labels": labels}), view)
    assert set(np.unique(channels)) == {-1, 1}
    np.testing.assert_array_equal((channels == 1).sum(axis=0), 1)
    np.testing.assert_array_equal(channels.argmax(axis=0), np.kron(labels, np.ones((2, 2), int)))


def test_person_has_two_channels_and_the_ids_of_voc() -> None:
    conditioner = load_conditioner("segmentation", {"backend": "person"})
    assert conditioner.channels == 2
    assert [(one.id, one.name) for one in conditioner.classes()] == [(0, "background"), (15, "person")]


def test_keep_gives_all_other_classes_to_the_background() -> None:
    conditioner = load_conditioner("segmentation", {"keep": "person, bicycle"})
    assert (conditioner.channels, len(conditioner.classes())) == (3, 21)
    labels = np.array([[0, 7, 15, 2]], np.uint8)
    one, view = Annotation(1, 4, 1.0, images={"labels": labels}), View.of_box((0, 0, 4, 1), 1, 4)
    assert conditioner.render(one, view).argmax(axis=0).tolist() == [[0, 0, 1, 2]]
    assert conditioner.picture(one, view)[0].tolist() == [[0, 0, 0], [0, 0, 0], [192, 128, 128], [0, 128, 0]]


def test_statistics_name_shares_and_focus() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[10:30, 20:30] = 15
    some = [Annotation(40, 60, 1.0, images={"labels": labels}), Annotation(40, 60, 0.0, images={"labels": labels * 0})]
    person = load_conditioner("segmentation", {"backend": "person"}).statistics(some)
    assert person["shares"] == pytest.approx({"background": 11 / 12, "person": 1 / 12}, abs=1e-5)
    assert person["focus"] == pytest.approx([19.5, 9, 30.5, 31])
    every = load_conditioner("segmentation", {}).statistics(some)
    assert every["shares"] == person["shares"]
    assert "focus" not in every


# Smoothing, batching


def flickering(frames: int, pan: int) -> list[Any]:
    """A textured scene, at the border between red and nothing and on every fourth frame beyond it, that pans."""
    texture = np.random.default_rng(5).integers(-25, 26, (24, 60, 1)) * 2
    texture = cv2.resize(texture.astype(np.float32), (480, 192), interpolation=cv2.INTER_CUBIC)[:, :, None]
    result = []
    for index in range(frames):
        step = 8 if index % 4 == 3 else -8
        # Red less green and blue is the same wherever the texture is brighter or darker; blue is hardly seen in grey.
        frame = np.concatenate([195 + texture, 98 + texture / 2, 98 + step + texture / 2], axis=2)
        result.append(np.rint(frame[:96, 100 + pan * index : 260 + pan * index]).astype(np.uint8))
    return result


def changes(found: Sequence[Any]) -> float:
    return float(np.mean([(one != other).mean() for one, other in pairwise(found)]))


@pytest.mark.parametrize("pan", [0, 4])
def test_smoothing_ends_flicker(colours: str, pan: int) -> None:
    frames = flickering(12, pan)
    plain, smooth = (maps(frames, weights=colours, classes=4, smooth=share) for share in (0, 0.8))
    assert changes(plain) > 0.3
    assert changes(smooth[1:]) < 0.2 * changes(plain)


def test_smoothing_follows_motion(colours: str) -> None:
    frames = [scene(shift=6 * index) for index in range(8)]
    smooth = maps(frames, weights=colours, classes=4, smooth=0.9, tiles=2)
    for frame, found in zip(frames, smooth, strict=True):
        assert overlap(found == 1, (frame == RED).all(axis=2)) > 0.85


def test_smoothing_forgets_at_a_cut(colours: str) -> None:
    """Two shots of one brightness, so that only the cut says that the past is another."""
    light = np.random.default_rng(0).uniform(0.6, 1, (12, 20, 1)).repeat(8, axis=0).repeat(8, axis=1)
    before, after = ((light * colour).astype(np.uint8) for colour in (RED, (0, 130, 0)))
    found = maps([before] * 4 + [after] * 2, weights=colours, classes=4, smooth=0.95)
    assert [sorted(np.unique(one)) for one in found] == [[1]] * 4 + [[2]] * 2


def test_batches_find_what_single_frames_find(tmp_path: Path) -> None:
    weights, frames = person_network(tmp_path / "random.pth"), drawn_clip(5)
    one_by_one, together = (annotate(frames, weights=weights, size=64, batch=n) for n in (1, 3))
    for single, batched in zip(one_by_one, together, strict=True):
        np.testing.assert_array_equal(single.images["labels"], batched.images["labels"])
        assert single.quality == pytest.approx(batched.quality, abs=1e-4)


def test_frames_reach_torchvision_as_its_own_transforms_bring_them(tmp_path: Path) -> None:
    torch, torchvision = pytest.importorskip("torch"), pytest.importorskip("torchvision")
    weights, frame = person_network(tmp_path / "random.pth"), drawn_clip(1, 240, 320)[0]
    network = torchvision.models.get_model("deeplabv3_mobilenet_v3_large", weights_backbone=None, aux_loss=True).eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    prepared = torchvision.transforms._presets.SemanticSegmentation(resize_size=64)
    with torch.inference_mode():
        scores = network(prepared(torch.from_numpy(frame).permute(2, 0, 1))[None])["out"]
        scores = torch.nn.functional.interpolate(scores, size=frame.shape[:2], mode="bilinear")
    (found,) = maps([frame], weights=weights, size=64)
    assert (found == scores[0].argmax(0).numpy()).mean() > 0.97
    assert 0.2 < (found == 15).mean() < 0.9


def test_batch_and_place_of_the_weights_are_no_part_of_the_fingerprint(colours: str, tmp_path: Path) -> None:
    copy = tmp_path / "other.tflite"
    copy.write_bytes(Path(colours).read_bytes())
    one = load_conditioner("segmentation", {"weights": colours, "batch": 1}).fingerprint()
    assert one == load_conditioner("segmentation", {"weights": str(copy), "batch": 9}).fingerprint()
    copy.write_bytes(copy.read_bytes() + b"0")
    assert one != load_conditioner("segmentation", {"weights": str(copy), "batch": 1}).fingerprint()
    assert str(tmp_path) not in str(one)


# Real footage


def stills(video: Path, *seconds: float) -> list[Any]:
    return [next(iter(VideoReader(video, start=start))) for start in seconds]


def test_deeplab_finds_a_dancer(shared_data: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    weights = shared_data / "models" / "deeplabv3_257_mv_gpu.tflite"
    for one in annotate(stills(shared_data / "pose" / "dancing_woman.mp4", 0, 1.5, 3), weights=weights):
        person = one.images["labels"] == 15
        assert 0.15 < person.mean() < 0.35
        assert one.quality > 0.8
        assert person[200:1000, 330:390].mean() > 0.5 > person[:, :20].mean()


def test_deeplab_finds_cars_in_a_street(shared_data: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    weights = shared_data / "models" / "deeplabv3_257_mv_gpu.tflite"
    (found,) = maps(stills(shared_data / "street" / "bikes.mp4", 1.4), weights=weights)
    assert (found == VOC.index("car")).mean() > 0.2


def test_person_mask_of_a_talking_man(shared_data: Path) -> None:
    pytest.importorskip("mediapipe")
    for one in annotate(stills(shared_data / "face" / "talking_man.mp4", 0, 9), backend="person"):
        person = one.images["labels"] == 15
        assert 0.4 < person.mean() < 0.65
        assert person[200:400, 200:300].all()
        assert not person[:100, :60].any()
