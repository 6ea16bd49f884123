"""Tone mapping of HLG, PQ and wide-gamut frames to BT.709, by the published transfer functions.

Code values -> linear light of the display (ITU-R BT.2100: PQ EOTF, HLG inverse OETF and OOTF; BT.1886 for SDR)
-> highlights above the SDR range are compressed (EETF of ITU-R BT.2390) -> primaries BT.2020 to BT.709 (ITU-R BT.2087)
-> BT.1886. The reference white of 203 cd/m2 (ITU-R BT.2408) is the peak of SDR.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Transfer = Literal["PQ", "HLG", "SDR"]
Floats = NDArray[np.float64]

SDR_PEAK, HLG_PEAK, DEFAULT_PQ_PEAK, MAX_PQ = 203.0, 1000.0, 1000.0, 10000.0
"""cd/m2. A PQ video without MaxCLL is taken to be mastered for 1000 cd/m2, as most are."""
SDR_GAMMA = 2.4
HLG_SYSTEM_GAMMA = 1.2
"""For a display of 1000 cd/m2."""
BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], dtype=np.float32
)
TABLE_SIZE = 4096


@dataclass(frozen=True)
class ToneMapper:
    """Maps frames of one transfer function, in BT.2020, to BT.709."""

    transfer: Transfer
    peak: float
    """Brightest light of the video in cd/m2."""

    def __call__(self, frame: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """R'G'B' (h, w, 3) uint16, full range -> (h, w, 3) uint8."""
        light = self._linear_table[frame >> 4]
        if self.transfer == "HLG":
            luminance = light @ BT2020_LUMA
            light *= np.power(luminance, np.float32(HLG_SYSTEM_GAMMA - 1))[:, :, None]
        if self.transfer != "SDR":
            brightest = np.minimum(light.max(axis=2), 1)
            light *= self._gain_table[_fourth_root_index(brightest)][:, :, None]
        mapped = light.reshape(-1, 3) @ BT2020_TO_BT709.T
        index = np.sqrt(np.clip(mapped, 0, 1, out=mapped), out=mapped)
        index *= TABLE_SIZE - 1
        codes: NDArray[np.uint8] = _encode_table()[np.rint(index, out=index).astype(np.uint16)]
        return codes.reshape(frame.shape)

    @cached_property
    def _linear_table(self) -> NDArray[np.float32]:
        """Code value -> light as a share of the peak; of HLG, light of the scene as a share of its peak."""
        code = np.linspace(0, 1, TABLE_SIZE)
        if self.transfer == "PQ":
            light = np.minimum(pq_to_light(code) / self.peak, 1)
        elif self.transfer == "HLG":
            light = hlg_to_scene_light(code)
        else:
            light = code**SDR_GAMMA
        return light.astype(np.float32)

    @cached_property
    def _gain_table(self) -> NDArray[np.float32]:
        """Fourth root of the brightest channel -> factor on all channels, so that the hue does not change."""
        light = np.linspace(0, 1, TABLE_SIZE)[1:] ** 4 * self.peak
        gain = compress_highlights(light, self.peak, SDR_PEAK) / light * (self.peak / SDR_PEAK)
        return np.concatenate([gain[:1], gain]).astype(np.float32)


@lru_cache(maxsize=8)
def tone_mapper(transfer: Transfer, max_content_light: int) -> ToneMapper:
    """The mapper of a transfer function; `max_content_light`: MaxCLL in cd/m2, 0 if the video does not state it."""
    if transfer != "PQ":
        return ToneMapper(transfer, HLG_PEAK if transfer == "HLG" else SDR_PEAK)
    return ToneMapper("PQ", float(np.clip(max_content_light or DEFAULT_PQ_PEAK, SDR_PEAK, MAX_PQ)))


def pq_to_light(code: Floats) -> Floats:
    """PQ EOTF: code value in [0, 1] -> cd/m2 (BT.2100, table 4)."""
    root = np.power(code, 32 / 2523)
    return MAX_PQ * np.power(np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root), 16384 / 2610)


def light_to_pq(light: Floats) -> Floats:
    """Inverse PQ EOTF: cd/m2 -> code value in [0, 1]."""
    root = np.power(light / MAX_PQ, 2610 / 16384)
    return np.power((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root), 2523 / 32)


def hlg_to_scene_light(code: Floats) -> Floats:
    """Inverse HLG OETF: code value in [0, 1] -> light of the scene in [0, 1] (BT.2100, table 5)."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)


def compress_highlights(light: Floats, source_peak: float, target_peak: float) -> Floats:
    """EETF of BT.2390, section 5.4.1, with black at 0: cd/m2 up to `source_peak` -> cd/m2 up to `target_peak`.

    Light below the knee is unchanged; above, a Hermite spline in PQ leads to the peak.
    """
    source_code = float(light_to_pq(np.array(source_peak)))
    max_level = float(light_to_pq(np.array(target_peak))) / source_code
    if max_level >= 1:
        return light
    level = light_to_pq(light) / source_code
    knee = 1.5 * max_level - 0.5
    t = np.clip((level - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * max_level
    return pq_to_light(np.where(level < knee, level, spline) * source_code)


def _fourth_root_index(light: NDArray[np.float32]) -> NDArray[np.uint16]:
    index: NDArray[np.uint16] = np.rint(np.sqrt(np.sqrt(light)) * (TABLE_SIZE - 1)).astype(np.uint16)
    return index


@lru_cache(maxsize=1)
def _encode_table() -> NDArray[np.uint8]:
    """Square root of light -> code value of BT.1886."""
    return np.rint(np.linspace(0, 1, TABLE_SIZE) ** (2 / SDR_GAMMA) * 255).astype(np.uint8)
