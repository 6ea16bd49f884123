"""The densepose plugin: the contract over IUV files, what is drawn, and retargeting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from vid2vid_densepose.parts import mirrored, without

from vid2vid_cli.conditioning import Annotation, Conditioner, Footage, View
from vid2vid_cli.conditioning.registry import load_conditioner
from vid2vid_cli.core.errors import FilesMismatchError, LabelFilesError, MissingFileError
from vid2vid_cli.media.images import load_png, save_png
from vid2vid_cli.pipelines.prepare import PrepareRequest, prepare
from vid2vid_cli.testing import ConditionerContract

HEIGHT, WIDTH = 60, 80


def person(left: int = 20, top: int = 10, tall: int = 40, height: int = HEIGHT, width: int = WIDTH) -> Any:
    """A box of a person: head, torso and legs, U across and V down."""
    iuv = np.zeros((height, width, 3), np.uint8)
    wide = tall // 2
    part = np.repeat([23, 24, 1, 2, 7, 8, 11, 12], tall // 8)[:, None]
    u = np.linspace(30, 255, wide)[None]
    body = np.stack(np.broadcast_arrays(part, u, np.linspace(60, 255, len(part))[:, None]), axis=2)
    iuv[top : top + len(part), left : left + wide] = body.astype(np.uint8)
    return iuv


def save(folder: Path, pictures: list[Any], order: str = "vui") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, iuv in enumerate(pictures):
        save_png(folder / f"{index}.png", iuv[:, :, ["iuv".index(letter) for letter in order]])
    return folder


class TestFiles(ConditionerContract):
    name = "densepose"
    other_options: ClassVar = {"order": "iuv"}
    drawing_options: ClassVar = {"drop": "0.4"}

    def clip(self) -> list[Any]:
        return [np.full((HEIGHT, WIDTH, 3), 30 * index, np.uint8) for index in range(6)]

    def files(self, folder: Path) -> Mapping[str, Any]:
        # On one of them nobody is.
        return {"iuv_dir": save(folder, [person(10 + 3 * index) * (index != 4) for index in range(6)])}


def densepose(**options: Any) -> Conditioner:
    return load_conditioner("densepose", options)


def annotate(conditioner: Conditioner, count: int = 1, height: int = HEIGHT, width: int = WIDTH) -> list[Annotation]:
    return list(conditioner.annotate([np.zeros((height, width, 3), np.uint8)] * count))


def whole(height: int = HEIGHT, width: int = WIDTH, times: float = 1) -> View:
    return View.of_box((0, 0, width, height), round(height * times), round(width * times))


def of(iuv: Any) -> Annotation:
    return Annotation(*iuv.shape[:2], 1.0 if iuv.any() else 0.0, images={"iuv": iuv})


# Files


@pytest.mark.parametrize("order", ["iuv", "uiv", "vui"])
def test_the_channel_of_the_parts_is_found(tmp_path: Path, order: str) -> None:
    save(tmp_path, [person() * 0, person(), person(5)], order)
    found = annotate(densepose(iuv_dir=tmp_path), 3)
    assert [one.quality for one in found] == [0, 1, 1]
    assert np.array_equal(found[2].images["iuv"], person(5))


@pytest.mark.parametrize("order", ["ivu", "uvi"])
def test_other_orders_can_be_said(tmp_path: Path, order: str) -> None:
    save(tmp_path, [person()], order)
    (one,) = annotate(densepose(iuv_dir=tmp_path, order=order))
    assert np.array_equal(one.images["iuv"], person())


def test_an_order_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    faint = np.minimum(person(), 24)
    save(tmp_path, [faint, faint])
    with pytest.raises(LabelFilesError, match="does not show which channel is the part: 3 of them") as caught:
        annotate(densepose(iuv_dir=tmp_path), 2)
    assert "densepose.order=iuv" in caught.value.hint
    assert len(annotate(densepose(iuv_dir=tmp_path, order="vui"), 2)) == 2


def test_what_is_no_iuv_picture_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a", [person() + 25])
    with pytest.raises(LabelFilesError, match=r"0\.png is no IUV picture"):
        annotate(densepose(iuv_dir=tmp_path / "a"))
    late = person()
    late[3, 7, 0] = 40
    save(tmp_path / "b", [person(), late])
    with pytest.raises(LabelFilesError, match=r"1\.png holds the part 40 at x=7, y=3"):
        annotate(densepose(iuv_dir=tmp_path / "b"), 2)
    save_png(tmp_path / "a" / "0.png", person()[:, :, 0])
    with pytest.raises(LabelFilesError, match=r"0\.png has 8 bits and 1 channel"):
        annotate(densepose(iuv_dir=tmp_path / "a"))
    with pytest.raises(MissingFileError):
        annotate(densepose(iuv_dir=tmp_path / "c"))


def test_counts_and_shapes_must_fit(tmp_path: Path) -> None:
    folder = save(tmp_path, [person()] * 3)
    view = whole(30, 40)
    four = Footage(Path("clip.mp4"), HEIGHT, WIDTH, 4, 25, view, 25)  # type: ignore[arg-type]
    with pytest.raises(FilesMismatchError, match=r"holds 3 pictures, and clip\.mp4 has 4 frames"):
        annotate(densepose(iuv_dir=folder).of(four))
    with pytest.raises(FilesMismatchError, match="is 80 x 60, and the video 60 x 60"):
        annotate(densepose(iuv_dir=folder), width=60)


def test_files_of_the_real_data_set(shared_data: Path) -> None:
    folder = shared_data / "pose" / "openpose_densepose_5frames"
    files = sorted((folder / "pose_maps-densepose" / "001_001").glob("*.png"))
    found = annotate(densepose(iuv_dir=files[0].parent), 5, 270, 480)
    conditioner = densepose()
    for one, path in zip(found, files, strict=True):
        assert one.quality == 1
        assert set(np.unique(one.images["iuv"][:, :, 0])) <= set(np.unique(load_png(path)[:, :, 2]))
        height = conditioner.statistics([one])["tall"]
        assert 0.5 * 270 < height < 0.7 * 270, "as the OpenPose points of the same frame have it"


# Drawing


def test_channels_by_hand() -> None:
    iuv = np.zeros((1, 3, 3), np.uint8)
    iuv[0, 1], iuv[0, 2] = (24, 255, 0), (12, 51, 204)
    drawn = densepose().render(of(iuv), whole(1, 3))
    assert np.allclose(drawn[:, 0], [[-1, 1, 0], [-1, 1, -0.6], [-1, -1, 0.6]])


def test_nothing_blends_across_the_border_of_parts() -> None:
    exact = set(map(tuple, person().reshape(-1, 3).tolist()))
    for times in (0.3, 0.77, 2.6):
        drawn = densepose().render(of(person()), whole(times=times))
        back = np.stack([(drawn[0] + 1) * 12, (drawn[1] + 1) * 127.5, (drawn[2] + 1) * 127.5], axis=2)
        assert set(map(tuple, np.rint(back).astype(int).reshape(-1, 3).tolist())) <= exact


def test_a_head_that_is_left_out_is_so_in_training_and_afterwards() -> None:
    """vid2vid removes it in training alone, and meets at test what it never saw."""
    conditioner = densepose(remove_face=True)
    bare = densepose().render(of(without(person(), (23, 24))), whole())
    assert np.array_equal(conditioner.render(of(person()), whole()), bare)
    (varied,) = conditioner.augment([of(person())], np.random.default_rng(0))
    assert np.array_equal(conditioner.render(varied, whole()), bare)
    assert not conditioner.picture(of(person()), whole())[10:20, 20:40].any()


def test_parts_are_dropped_from_the_whole_clip() -> None:
    conditioner = densepose(drop=0.5)
    clip = [of(person(left)) for left in (5, 15, 25)]
    varied = conditioner.augment(clip, np.random.default_rng(3))
    kept = [set(np.unique(one.images["iuv"][:, :, 0])) for one in varied]
    assert kept[0] == kept[1] == kept[2]
    assert 0 < len(kept[0] - {0}) < 8
    everything = densepose(drop=1).augment(clip, np.random.default_rng(3))
    assert not any(one.images["iuv"].any() for one in everything)


def test_parts_have_colours_of_their_own() -> None:
    iuv = np.zeros((1, 25, 3), np.uint8)
    iuv[0, :, 0], iuv[0, 1:, 1:] = np.arange(25), 255
    colours = densepose().picture(of(iuv), whole(1, 25))[0]
    assert len(np.unique(colours, axis=0)) == 25
    assert colours[0].tolist() == [0, 0, 0]


# Retargeting


def box_of(one: Annotation) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(one.images["iuv"][:, :, 0])
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_a_small_person_takes_the_place_of_a_tall_one() -> None:
    conditioner = densepose()
    source = [of(person(10 + 2 * index, 30, 24)) for index in range(5)]
    target = [of(person(40, 50, 48, 120, 160))] * 3
    statistics = conditioner.statistics(source), conditioner.statistics(target)
    moved = list(conditioner.retarget(source, *statistics))
    boxes = [box_of(one) for one in moved]
    assert all((one.height, one.width, one.quality) == (120, 160, 1) for one in moved)
    assert {y1 for _, _, _, y1 in boxes} == {98}, "the feet stand where the target's do"
    assert {y1 - y0 for _, y0, _, y1 in boxes} == {48}
    middles = [(x0 + x1) / 2 for x0, _, x1, _ in boxes]
    assert middles[2] == pytest.approx(52, abs=1), "the middle of the way is the target's place"
    assert np.allclose(np.diff(middles), 4), "a step grows with the person"


def test_equal_statistics_change_nothing_and_nothing_comes_from_outside() -> None:
    conditioner = densepose()
    one = of(person(0, 20))  # at the left border
    statistics = conditioner.statistics([one])
    (same,) = conditioner.retarget([one], statistics, statistics)
    assert np.array_equal(same.images["iuv"], one.images["iuv"])
    (right,) = conditioner.retarget([one], statistics, {**statistics, "middle": statistics["middle"] + 30})
    assert box_of(right)[0] == 30, "what touches the border is not drawn out"


def test_focus_holds_the_person() -> None:
    clip = [of(person(10 + 3 * index)) for index in range(6)]
    x0, y0, x1, y1 = densepose().statistics(clip)["focus"]
    assert x0 < 11
    assert y0 < 10
    assert x1 > 44
    assert y1 > 50


def test_prepare_with_files_needs_no_package(tmp_path: Path, film: Path) -> None:
    folder = save(tmp_path / "iuv", [person(10 + index, 5, 32, 40, 56) for index in range(24)])
    request = PrepareRequest((film,), ("densepose",), tmp_path / "out", {"densepose": {"iuv_dir": str(folder)}})
    made = prepare(request, lambda event: None)
    assert made.found == {"densepose": (24, 24)}
    stored = load_png(tmp_path / "out" / "clips" / "000" / "densepose" / "iuv" / "000007.png")
    assert np.array_equal(stored, person(17, 5, 32, 40, 56))


def test_left_parts_are_right_parts_in_the_mirror() -> None:
    """Charts of a pair mirror each other; V runs across the torso, U across the head."""
    row = [(0, 0, 0), (1, 10, 20), (2, 10, 20), (3, 10, 20), (4, 11, 21), (22, 12, 22), (23, 13, 23), (24, 14, 24)]
    found = mirrored(np.array([row], np.uint8))
    turned = [(0, 0, 0), (1, 10, 235), (2, 10, 235), (4, 10, 20), (3, 11, 21), (21, 12, 22), (24, 242, 23)]
    assert found[0, ::-1].tolist() == [list(pixel) for pixel in (*turned, (23, 241, 24))]
    assert found.dtype == np.uint8


def test_the_mirror_continues_real_charts(shared_data: Path) -> None:
    """Across a real body U and V rise and fall in the mirror as on the other side of the body itself."""
    files = sorted((shared_data / "pose" / "openpose_densepose_5frames").glob("pose_maps-densepose/*/*.png"))
    iuv = np.ascontiguousarray(load_png(files[0])[:, :, ::-1])  # written by OpenCV as I, U, V
    turned = mirrored(iuv)
    for part, channel in ((2, 2), (9, 2), (10, 2), (15, 2), (16, 2), (21, 1), (22, 1), (23, 1), (24, 1)):
        slopes = []
        for picture in (iuv, turned):
            y, x = np.nonzero(picture[:, :, 0] == part)
            slopes.append(np.polyfit(x, picture[y, x, channel].astype(float), 1)[0])
        assert np.sign(slopes[0]) == np.sign(slopes[1]), (part, slopes)
