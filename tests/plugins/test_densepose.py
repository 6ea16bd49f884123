"""The densepose plugin: the contract with IUV files, rendering and retargeting."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from vid2vid_densepose.parts import hflip_iuv, remove_parts

from vid2vid_cli.conditioning import Annotation, Conditioner, VideoContext, View, detect_cuts
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import InputFileMismatchError, LabelFileError, MissingFileError
from vid2vid_cli.media.images import load_png, save_png
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.testing import ConditionerContract

HEIGHT, WIDTH = 60, 80


def make_iuv(left: int = 20, top: int = 10, size: int = 40, height: int = HEIGHT, width: int = WIDTH) -> Any:
    """A rectangular person `size` pixels high: head, torso and legs, U from left to right and V downwards."""
    iuv = np.zeros((height, width, 3), np.uint8)
    part = np.repeat([23, 24, 1, 2, 7, 8, 11, 12], size // 8)[:, None]
    u = np.linspace(30, 255, size // 2)[None]
    body = np.stack(np.broadcast_arrays(part, u, np.linspace(60, 255, len(part))[:, None]), axis=2)
    iuv[top : top + len(part), left : left + size // 2] = body.astype(np.uint8)
    return iuv


def save_iuv_images(folder: Path, images: list[Any], order: str = "vui") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, iuv in enumerate(images):
        save_png(folder / f"{index}.png", iuv[:, :, ["iuv".index(letter) for letter in order]])
    return folder


class TestIuvFilesContract(ConditionerContract):
    name = "densepose"
    alternative_options: ClassVar = {"channel_order": "iuv"}
    render_options: ClassVar = {"part_dropout": "0.4"}

    def clip(self) -> list[Any]:
        return [np.full((HEIGHT, WIDTH, 3), 30 * index, np.uint8) for index in range(6)]

    def write_input_files(self, folder: Path) -> Mapping[str, Any]:
        # Frame 4 has no person.
        return {"input_dir": save_iuv_images(folder, [make_iuv(10 + 3 * index) * (index != 4) for index in range(6)])}


def load_densepose(**options: Any) -> Conditioner:
    return load_conditioner("densepose", options)


def annotate(conditioner: Conditioner, count: int = 1, height: int = HEIGHT, width: int = WIDTH) -> list[Annotation]:
    return list(conditioner.annotate(detect_cuts([np.zeros((height, width, 3), np.uint8)] * count)))


def full_view(height: int = HEIGHT, width: int = WIDTH, scale: float = 1) -> View:
    return View.from_box((0, 0, width, height), round(height * scale), round(width * scale))


def make_annotation(iuv: Any) -> Annotation:
    return Annotation(*iuv.shape[:2], 1.0 if iuv.any() else 0.0, images={"iuv": iuv})


# Files


@pytest.mark.parametrize("order", ["iuv", "uiv", "vui"])
def test_iuv_reader_guesses_channel_order(tmp_path: Path, order: str) -> None:
    save_iuv_images(tmp_path, [make_iuv() * 0, make_iuv(), make_iuv(5)], order)
    annotations = annotate(load_densepose(input_dir=tmp_path), 3)
    assert [annotation.quality for annotation in annotations] == [0, 1, 1]
    assert np.array_equal(annotations[2].images["iuv"], make_iuv(5))


@pytest.mark.parametrize("order", ["ivu", "uvi"])
def test_iuv_reader_uses_given_channel_order(tmp_path: Path, order: str) -> None:
    save_iuv_images(tmp_path, [make_iuv()], order)
    (annotation,) = annotate(load_densepose(input_dir=tmp_path, channel_order=order))
    assert np.array_equal(annotation.images["iuv"], make_iuv())


def test_iuv_reader_rejects_ambiguous_channel_order(tmp_path: Path) -> None:
    ambiguous_iuv = np.minimum(make_iuv(), 24)
    save_iuv_images(tmp_path, [ambiguous_iuv, ambiguous_iuv])
    with pytest.raises(LabelFileError, match="3 channels") as caught:
        annotate(load_densepose(input_dir=tmp_path), 2)
    assert "densepose.channel_order=iuv" in caught.value.hint
    assert len(annotate(load_densepose(input_dir=tmp_path, channel_order="vui"), 2)) == 2


def test_iuv_reader_rejects_invalid_images(tmp_path: Path) -> None:
    save_iuv_images(tmp_path / "a", [make_iuv() + 25])
    with pytest.raises(LabelFileError, match=r"0\.png"):
        annotate(load_densepose(input_dir=tmp_path / "a"))
    invalid_iuv = make_iuv()
    invalid_iuv[3, 7, 0] = 40
    save_iuv_images(tmp_path / "b", [make_iuv(), invalid_iuv])
    with pytest.raises(LabelFileError, match=r"1\.png.* 40 at x=7, y=3"):
        annotate(load_densepose(input_dir=tmp_path / "b"), 2)
    save_png(tmp_path / "a" / "0.png", make_iuv()[:, :, 0])
    with pytest.raises(LabelFileError, match=r"0\.png.*1 channel"):
        annotate(load_densepose(input_dir=tmp_path / "a"))
    with pytest.raises(MissingFileError):
        annotate(load_densepose(input_dir=tmp_path / "c"))


def test_iuv_reader_checks_count_and_aspect_ratio(tmp_path: Path) -> None:
    folder = save_iuv_images(tmp_path, [make_iuv()] * 3)
    view = full_view(30, 40)
    fps = Fraction(25)
    four_frames = VideoContext(Path("clip.mp4"), HEIGHT, WIDTH, num_frames=4, fps=fps, view=view, sampled_fps=fps)
    with pytest.raises(InputFileMismatchError, match=r"3 files.*clip\.mp4.*4 frames"):
        annotate(load_densepose(input_dir=folder).bind(four_frames))
    with pytest.raises(InputFileMismatchError, match=r"80 x 60.*60 x 60"):
        annotate(load_densepose(input_dir=folder), width=60)


def test_iuv_reader_reads_published_files(shared_data: Path) -> None:
    folder = shared_data / "pose" / "openpose_densepose_5frames"
    files = sorted((folder / "pose_maps-densepose" / "001_001").glob("*.png"))
    annotations = annotate(load_densepose(input_dir=files[0].parent), 5, 270, 480)
    conditioner = load_densepose()
    for annotation, path in zip(annotations, files, strict=True):
        assert annotation.quality == 1
        assert set(np.unique(annotation.images["iuv"][:, :, 0])) <= set(np.unique(load_png(path)[:, :, 2]))
        person_height = conditioner.statistics([annotation])["person_height"]
        assert 0.5 * 270 < person_height < 0.7 * 270, "similar to the OpenPose points of the same frame"


# Rendering


def test_render_channels_by_hand() -> None:
    iuv = np.zeros((1, 3, 3), np.uint8)
    iuv[0, 1], iuv[0, 2] = (24, 255, 0), (12, 51, 204)
    channels = load_densepose().render(make_annotation(iuv), full_view(1, 3))
    assert np.allclose(channels[:, 0], [[-1, 1, 0], [-1, 1, -0.6], [-1, -1, 0.6]])


def test_render_does_not_interpolate_parts() -> None:
    exact_values = set(map(tuple, make_iuv().reshape(-1, 3).tolist()))
    for scale in (0.3, 0.77, 2.6):
        channels = load_densepose().render(make_annotation(make_iuv()), full_view(scale=scale))
        iuv = np.stack([(channels[0] + 1) * 12, (channels[1] + 1) * 127.5, (channels[2] + 1) * 127.5], axis=2)
        assert set(map(tuple, np.rint(iuv).astype(int).reshape(-1, 3).tolist())) <= exact_values


def test_remove_face_applies_to_training_and_inference() -> None:
    """The published vid2vid removes the head in training only, so that test conditions differ from training."""
    conditioner = load_densepose(remove_face=True)
    expected = load_densepose().render(make_annotation(remove_parts(make_iuv(), (23, 24))), full_view())
    assert np.array_equal(conditioner.render(make_annotation(make_iuv()), full_view()), expected)
    (augmented,) = conditioner.augment([make_annotation(make_iuv())], np.random.default_rng(0))
    assert np.array_equal(conditioner.render(augmented, full_view()), expected)
    assert not conditioner.visualize(make_annotation(make_iuv()), full_view())[10:20, 20:40].any()


def test_augment_removes_parts_from_the_whole_clip() -> None:
    conditioner = load_densepose(part_dropout=0.5)
    clip = [make_annotation(make_iuv(left)) for left in (5, 15, 25)]
    augmented = conditioner.augment(clip, np.random.default_rng(3))
    parts = [set(np.unique(annotation.images["iuv"][:, :, 0])) for annotation in augmented]
    assert parts[0] == parts[1] == parts[2]
    assert 0 < len(parts[0] - {0}) < 8
    augmented = load_densepose(part_dropout=1).augment(clip, np.random.default_rng(3))
    assert not any(annotation.images["iuv"].any() for annotation in augmented)


def test_visualize_uses_distinct_colours() -> None:
    iuv = np.zeros((1, 25, 3), np.uint8)
    iuv[0, :, 0], iuv[0, 1:, 1:] = np.arange(25), 255
    colours = load_densepose().visualize(make_annotation(iuv), full_view(1, 25))[0]
    assert len(np.unique(colours, axis=0)) == 25
    assert colours[0].tolist() == [0, 0, 0]


# Retargeting


def person_box(annotation: Annotation) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(annotation.images["iuv"][:, :, 0])
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_retarget_scales_and_moves_the_person() -> None:
    conditioner = load_densepose()
    source = [make_annotation(make_iuv(10 + 2 * index, 30, 24)) for index in range(5)]
    target = [make_annotation(make_iuv(40, 50, 48, 120, 160))] * 3
    statistics = conditioner.statistics(source), conditioner.statistics(target)
    retargeted = list(conditioner.retarget(source, *statistics))
    boxes = [person_box(annotation) for annotation in retargeted]
    assert all((a.height, a.width, a.quality) == (120, 160, 1) for a in retargeted)
    assert {y1 for _, _, _, y1 in boxes} == {98}, "the floor is the target's"
    assert {y1 - y0 for _, y0, _, y1 in boxes} == {48}
    centres = [(x0 + x1) / 2 for x0, _, x1, _ in boxes]
    assert centres[2] == pytest.approx(52, abs=1), "the median position is the target's"
    assert np.allclose(np.diff(centres), 4), "displacements scale with the person height"


def test_retarget_with_equal_statistics_is_identity() -> None:
    conditioner = load_densepose()
    annotation = make_annotation(make_iuv(0, 20))  # at the left border
    statistics = conditioner.statistics([annotation])
    (same,) = conditioner.retarget([annotation], statistics, statistics)
    assert np.array_equal(same.images["iuv"], annotation.images["iuv"])
    shifted_statistics = {**statistics, "centre_x": statistics["centre_x"] + 30}
    (shifted,) = conditioner.retarget([annotation], statistics, shifted_statistics)
    assert person_box(shifted)[0] == 30, "pixels at the border are not repeated"


def test_statistics_subject_box_contains_the_person() -> None:
    clip = [make_annotation(make_iuv(10 + 3 * index)) for index in range(6)]
    x0, y0, x1, y1 = load_densepose().statistics(clip)["subject_box"]
    assert x0 < 11
    assert y0 < 10
    assert x1 > 44
    assert y1 > 50


def test_prepare_with_iuv_files_needs_no_package(tmp_path: Path, blob_video: Path) -> None:
    folder = save_iuv_images(tmp_path / "iuv", [make_iuv(10 + index, 5, 32, 40, 56) for index in range(24)])
    request = PrepareRequest(
        (blob_video,), ("densepose",), tmp_path / "out", options={"densepose": {"input_dir": str(folder)}}
    )
    result = prepare(request, lambda event: None)
    assert result.detection_counts == {"densepose": (24, 24)}
    stored_iuv = load_png(tmp_path / "out" / "clips" / "000" / "densepose" / "iuv" / "000007.png")
    assert np.array_equal(stored_iuv, make_iuv(17, 5, 32, 40, 56))


def test_hflip_iuv_exchanges_left_and_right_parts() -> None:
    """Left and right parts are exchanged; V is inverted on the torso, U on the head."""
    row = [(0, 0, 0), (1, 10, 20), (2, 10, 20), (3, 10, 20), (4, 11, 21), (22, 12, 22), (23, 13, 23), (24, 14, 24)]
    flipped = hflip_iuv(np.array([row], np.uint8))
    expected = [(0, 0, 0), (1, 10, 235), (2, 10, 235), (4, 10, 20), (3, 11, 21), (21, 12, 22), (24, 242, 23)]
    assert flipped[0, ::-1].tolist() == [list(pixel) for pixel in (*expected, (23, 241, 24))]
    assert flipped.dtype == np.uint8


def test_hflip_iuv_matches_opposite_parts_of_real_frame(shared_data: Path) -> None:
    """On a real frame, U and V increase in the same direction on a flipped part as on the opposite part."""
    files = sorted((shared_data / "pose" / "openpose_densepose_5frames").glob("pose_maps-densepose/*/*.png"))
    iuv = np.ascontiguousarray(load_png(files[0])[:, :, ::-1])  # written by OpenCV as I, U, V
    flipped = hflip_iuv(iuv)
    for part, channel in ((2, 2), (9, 2), (10, 2), (15, 2), (16, 2), (21, 1), (22, 1), (23, 1), (24, 1)):
        slopes = []
        for image in (iuv, flipped):
            y, x = np.nonzero(image[:, :, 0] == part)
            slopes.append(np.polyfit(x, image[y, x, channel].astype(float), 1)[0])
        assert np.sign(slopes[0]) == np.sign(slopes[1]), (part, slopes)
