"""HLG, PQ and BT.2020 video of 10 bits, written here, is read as BT.709."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vid2vid_cli.media.colour import colour_remarks
from vid2vid_cli.media.probe import probe
from vid2vid_cli.media.reader import VideoReader
from vid2vid_cli.media.tone_mapping import (
    BT2020_LUMA,
    BT2020_TO_BT709,
    compress_highlights,
    hlg_to_scene_light,
    light_to_pq,
    pq_to_light,
    tone_mapper,
)

PQ, HLG, BT709_TRANSFER = 16, 18, 1
Floats = NDArray[np.float64]


def write_10_bit(path: Path, codes: Floats, transfer: int, *, parameters: str = "", primaries: int = 9) -> Path:
    """Write two frames of vertical bars of R'G'B' codes (n, 3) in [0, 1], as BT.2020 Y'CbCr of 10 bits."""
    red, blue = codes[:, 0], codes[:, 2]
    luma = codes @ BT2020_LUMA.astype(np.float64)
    planes = [64 + 876 * luma, 512 + 896 * (blue - luma) / 1.8814, 512 + 896 * (red - luma) / 1.4746]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 32 * len(codes), "yuv420p10le"
        stream.options = {
            "x265-params": f"log-level=none:crf=2:bframes=0:frame-threads=1:pools=none{parameters}",
            "preset": "ultrafast",
        }
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = transfer, primaries, 9, 1
        for index in range(2):
            frame = VideoFrame(stream.width, 64, "yuv420p10le")
            for plane, values in zip(frame.planes, planes, strict=True):
                row = np.zeros(plane.line_size // 2, np.uint16)
                row[: plane.width] = np.rint(values).astype(np.uint16).repeat(plane.width // len(codes))
                plane.update(np.tile(row, (plane.height, 1)).tobytes())
            frame.pts, frame.time_base = index, Fraction(1, 25)
            frame.colorspace, frame.color_range = 9, 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_bars(path: Path) -> NDArray[np.int64]:
    """The colours of the bars, (n, 3)."""
    frame = next(iter(VideoReader(path)))
    return frame[20, 16::32].astype(np.int64)


def test_pq_functions_match_published_values() -> None:
    """BT.2408, table 1: code values of PQ."""
    assert pq_to_light(np.array([0.0, 0.5806, 0.7518, 1.0])) == pytest.approx([0, 203, 1000, 10000], rel=2e-3)
    light = np.array([0.01, 1, 100, 4000])
    assert pq_to_light(light_to_pq(light)) == pytest.approx(light)


def test_hlg_functions_match_published_values() -> None:
    """BT.2100 and BT.2408: half the code is a twelfth of the light, and 75 % are 203 cd/m2 on a display of 1000."""
    assert hlg_to_scene_light(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 1 / 12, 1], abs=1e-6)
    assert 1000 * hlg_to_scene_light(np.array([0.75])) ** 1.2 == pytest.approx([203], abs=1)


def test_compress_highlights_keeps_shadows_and_order() -> None:
    light = np.geomspace(0.01, 1000, 200)
    mapped = compress_highlights(light, 1000, 203)
    knee = float(
        pq_to_light(np.array((1.5 * light_to_pq(np.array(203.0)) / light_to_pq(np.array(1000.0)) - 0.5) * 0.7518))
    )
    assert mapped[light < 0.9 * knee] == pytest.approx(light[light < 0.9 * knee])
    assert (np.diff(mapped) > 0).all()
    assert mapped[-1] == pytest.approx(203)
    assert np.array_equal(compress_highlights(light, 203, 203), light)


@pytest.mark.parametrize(("transfer", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_reader_tone_maps_hdr(tmp_path: Path, transfer: int, name: str) -> None:
    """Grey of 0, 26, 203 and 1000 cd/m2: black, the tone of 26 of 203 cd/m2, almost white, white."""
    light = np.array([0.0, 26, 203, 1000])
    codes = light_to_pq(light) if name == "PQ" else np.interp((light / 1000) ** (1 / 1.2), _HLG_LIGHT, _HLG_CODES)
    path = write_10_bit(tmp_path / "hdr.mkv", codes[:, None].repeat(3, axis=1), transfer)
    bars = read_bars(path)
    assert np.ptp(bars, axis=1).max() <= 2, "grey stays grey"
    expected_grey = 255 * (26 / 203) ** (1 / 2.4)
    assert bars[:, 0].tolist() == pytest.approx([0, expected_grey, 232, 255], abs=4)
    reader = VideoReader(path)
    list(reader)
    assert reader.warnings == []
    assert any(f"({name}) is tone-mapped" in remark for remark in reader.remarks)
    assert probe(path).colour_space == f"bt2020 {name}"


_HLG_CODES = np.linspace(0, 1, 20001)
_HLG_LIGHT = hlg_to_scene_light(_HLG_CODES)


def test_reader_uses_the_brightest_light_that_a_pq_file_states(tmp_path: Path) -> None:
    codes = light_to_pq(np.array([400.0, 600.0]))[:, None].repeat(3, axis=1)
    stated = read_bars(write_10_bit(tmp_path / "a.mkv", codes, PQ, parameters=":max-cll=600,200"))
    unstated = read_bars(write_10_bit(tmp_path / "b.mkv", codes, PQ))
    assert stated[1, 0] >= 254
    assert unstated[1, 0] < stated[1, 0]


def test_reader_converts_wide_gamut_to_bt709(tmp_path: Path) -> None:
    """Colours that BT.709 contains come back; before the conversion they would be less saturated."""
    colours = np.array([(180, 60, 70), (60, 170, 80), (70, 80, 190), (128, 128, 128)])
    light = (colours / 255) ** 2.4
    wide = light @ np.linalg.inv(BT2020_TO_BT709.astype(np.float64)).T
    path = write_10_bit(tmp_path / "wide.mkv", wide ** (1 / 2.4), BT709_TRANSFER)
    assert np.abs(read_bars(path) - colours).max() <= 4
    assert any("BT.2020" in remark for remark in probe(path).remarks)


def test_colour_remarks_name_dolby_vision(tmp_path: Path) -> None:
    """By the tag of the codec in MP4; the base layer is HLG."""
    with av.open(str(write_10_bit(tmp_path / "hlg.mkv", np.full((2, 3), 0.5), HLG))) as container:
        frame = next(container.decode(video=0))
    assert any("Dolby Vision" in remark for remark in colour_remarks(frame, "dvh1"))
    assert not any("Dolby Vision" in remark for remark in colour_remarks(frame, "hvc1"))


def test_tone_mapper_keeps_hue_and_stays_in_range() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 65536, (16, 16, 3)).astype(np.uint16)
    frame[0] = 65535
    for transfer in ("PQ", "HLG", "SDR"):
        mapped = tone_mapper(transfer, 0)(frame)  # type: ignore[arg-type]
        assert mapped.shape == frame.shape
        assert (mapped[0] >= 254).all()
        assert np.array_equal(mapped, tone_mapper(transfer, 0)(frame.copy()))  # type: ignore[arg-type]
