"""Small clips made on the spot, by PyAV and by the FFmpeg program, so that tests know every frame in them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

RATE = 48000
RED = (180, 40, 60)


def numbered(index: int, height: int = 64, width: int = 96) -> np.ndarray:
    """A picture that says which one it is: eight bars, white for a one."""
    bits = np.array([index >> bit & 1 for bit in range(8)], np.uint8) * 200 + 20
    return np.ascontiguousarray(np.broadcast_to(bits[np.arange(width) * 8 // width][None, :, None], (height, width, 3)))


def number_of(frame: np.ndarray) -> int:
    """The index in a picture by `numbered`."""
    width = frame.shape[1]
    return sum(int(frame[:, (2 * bit + 1) * width // 16].mean() > 120) << bit for bit in range(8))


def numbers(frames: Sequence[np.ndarray]) -> list[int]:
    return [number_of(frame) for frame in frames]


def flat(colour: tuple[int, int, int], height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def clicks(seconds: float, at: Sequence[float], rate: int = RATE) -> np.ndarray:
    """Silence with a loud 10 ms tone at each of some times, float32 (samples,)."""
    sound = np.zeros(int(seconds * rate), np.float32)
    tone = 0.9 * np.sin(2 * np.pi * 1000 * np.arange(rate // 100) / rate)
    for second in at:
        first = int(second * rate)
        sound[first : first + len(tone)] = tone[: len(sound) - first]
    return sound


def click_times(path: Path) -> list[float]:
    """When the tones of `clicks` begin, in seconds of the file's clock."""
    pieces, begin = [], None
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", RATE)
        for frame in container.decode(audio=0):
            if begin is None:
                begin = float(frame.pts * frame.time_base)
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
        pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    loud = np.flatnonzero(np.abs(np.concatenate(pieces)) > 0.3) / RATE + (begin or 0.0)
    return [float(time) for time, before in zip(loud, [-1.0, *loud], strict=False) if time - before > 0.1]


def make_clip(
    path: Path,
    frames: Sequence[np.ndarray],
    fps: Fraction | int = 25,
    *,
    ticks: Sequence[int] | None = None,
    clock: Fraction | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    aspect: Fraction | None = None,
    matrix: int = 1,
    full: bool = False,
    tagged: bool = True,
    sound: np.ndarray | None = None,
    sound_codec: str = "aac",
    options: dict[str, str] | None = None,
) -> Path:
    """Write RGB frames; `ticks` of `clock` are their time stamps where they are not at a constant rate."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(fps))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        if codec == "libx264":
            stream.options = {"crf": "10", "preset": "veryfast"}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if clock is not None:
            stream.codec_context.time_base = clock
        if tagged and pixels.startswith("yuv"):
            stream.codec_context.colorspace = matrix
            stream.codec_context.color_range = 2 if full else 1
        speaker = None if sound is None else container.add_stream(sound_codec, rate=RATE, layout="mono")
        for index, frame in enumerate(frames):
            if pixels == "yuv420p":
                picture = av.VideoFrame.from_ndarray(to_yuv420(frame, matrix, full), format=pixels)
                if tagged:
                    picture.colorspace, picture.color_range = matrix, 2 if full else 1
            else:
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = index if ticks is None else ticks[index]
            picture.time_base = clock or 1 / Fraction(fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if speaker is not None and sound is not None:
            write_sound(container, speaker, sound)
    return path


def write_sound(container: av.container.OutputContainer, speaker: av.AudioStream, sound: np.ndarray) -> None:
    context = speaker.codec_context
    if not context.is_open:
        context.open()
    resampler = av.AudioResampler(context.format.name, "mono", RATE, frame_size=context.frame_size or 1024)
    block = av.AudioFrame.from_ndarray(sound[None, :], format="flt", layout="mono")
    block.sample_rate, block.pts, block.time_base = RATE, 0, Fraction(1, RATE)
    for piece in [*resampler.resample(block), *resampler.resample(None)]:
        container.mux(speaker.encode(piece))
    container.mux(speaker.encode(None))


def to_yuv420(frame: np.ndarray, matrix: int, full: bool) -> np.ndarray:
    """The planes of a picture below each other, by the formulas of ITU-T H.273 and by no library."""
    red, blue = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    r, g, b = np.moveaxis(frame / 255.0, 2, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    height, width = y.shape
    chroma = np.stack([(b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)])
    chroma = chroma.reshape(2, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    y, chroma = (255 * y, 255 * chroma) if full else (16 + 219 * y, 224 * chroma)
    planes = np.concatenate([y.ravel(), (128 + chroma).ravel()])
    return np.rint(planes).clip(0, 255).astype(np.uint8).reshape(height * 3 // 2, width)


def ffmpeg(*arguments: str | Path) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=600)
