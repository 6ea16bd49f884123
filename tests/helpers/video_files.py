"""Short videos with known frames and audio, written with PyAV and the FFmpeg binary."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

SAMPLE_RATE = 48000
RED = (180, 40, 60)


def numbered_frame(index: int, height: int = 64, width: int = 96) -> np.ndarray:
    """An image that encodes its index in eight vertical bars: white for 1, dark for 0."""
    bits = np.array([index >> bit & 1 for bit in range(8)], np.uint8) * 200 + 20
    return np.ascontiguousarray(np.broadcast_to(bits[np.arange(width) * 8 // width][None, :, None], (height, width, 3)))


def frame_number(frame: np.ndarray) -> int:
    """The index that `numbered_frame` encodes."""
    width = frame.shape[1]
    return sum(int(frame[:, (2 * bit + 1) * width // 16].mean() > 120) << bit for bit in range(8))


def frame_numbers(frames: Sequence[np.ndarray]) -> list[int]:
    return [frame_number(frame) for frame in frames]


def solid_frame(colour: tuple[int, int, int], height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def click_track(seconds: float, click_times: Sequence[float], sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Silence with a loud 10 ms tone at each of `click_times`, float32 (samples,)."""
    audio = np.zeros(int(seconds * sample_rate), np.float32)
    tone = 0.9 * np.sin(2 * np.pi * 1000 * np.arange(sample_rate // 100) / sample_rate)
    for time in click_times:
        start = int(time * sample_rate)
        audio[start : start + len(tone)] = tone[: len(audio) - start]
    return audio


def find_clicks(path: Path) -> list[float]:
    """Start times of the tones of `click_track`, in seconds on the file's clock."""
    blocks, start_time = [], None
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        for frame in container.decode(audio=0):
            if start_time is None:
                start_time = float(frame.pts * frame.time_base)
            blocks += [block.to_ndarray()[0] for block in resampler.resample(frame)]
        blocks += [block.to_ndarray()[0] for block in resampler.resample(None)]
    loud_times = np.flatnonzero(np.abs(np.concatenate(blocks)) > 0.3) / SAMPLE_RATE + (start_time or 0.0)
    previous_times = [-1.0, *loud_times]
    return [float(time) for time, previous in zip(loud_times, previous_times, strict=False) if time - previous > 0.1]


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    fps: Fraction | int = 25,
    *,
    timestamps: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    pixel_aspect_ratio: Fraction | None = None,
    matrix: int = 1,
    is_full_range: bool = False,
    is_tagged: bool = True,
    audio: np.ndarray | None = None,
    audio_codec: str = "aac",
    options: dict[str, str] | None = None,
) -> Path:
    """Write RGB frames; `timestamps` in units of `time_base` give a variable frame rate."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(fps))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        if codec == "libx264":
            stream.options = {"crf": "10", "preset": "veryfast"}
        if pixel_aspect_ratio is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect_ratio
        if time_base is not None:
            stream.codec_context.time_base = time_base
        if is_tagged and pixel_format.startswith("yuv"):
            stream.codec_context.colorspace = matrix
            stream.codec_context.color_range = 2 if is_full_range else 1
        audio_stream = None if audio is None else container.add_stream(audio_codec, rate=SAMPLE_RATE, layout="mono")
        for index, frame in enumerate(frames):
            if pixel_format == "yuv420p":
                video_frame = av.VideoFrame.from_ndarray(to_yuv420(frame, matrix, is_full_range), format=pixel_format)
                if is_tagged:
                    video_frame.colorspace, video_frame.color_range = matrix, 2 if is_full_range else 1
            else:
                video_frame = av.VideoFrame.from_ndarray(frame, format="rgb24")
            video_frame.pts = index if timestamps is None else timestamps[index]
            video_frame.time_base = time_base or 1 / Fraction(fps)
            container.mux(stream.encode(video_frame))
        container.mux(stream.encode(None))
        if audio_stream is not None and audio is not None:
            write_audio(container, audio_stream, audio)
    return path


def square_image(height: int, width: int) -> np.ndarray:
    """A centred white square on grey, half the height wide."""
    image = np.full((height, width, 3), 60, np.uint8)
    image[height // 4 : 3 * height // 4, width // 2 - height // 4 : width // 2 + height // 4] = 230
    return image


def write_sizes(path: Path, sizes: Sequence[tuple[int, int]], num_frames: int = 10) -> Path:
    """An MPEG-TS stream whose pictures change size (height, width): `num_frames` of `square_image` of each."""
    parts = []
    for index, (height, width) in enumerate(sizes):
        part = path.with_name(f"part{index}.ts")
        write_video(part, [square_image(height, width)] * num_frames, 25)
        parts.append(part.read_bytes())
        part.unlink()
    path.write_bytes(b"".join(parts))
    return path


def write_audio(container: av.container.OutputContainer, stream: av.AudioStream, audio: np.ndarray) -> None:
    context = stream.codec_context
    if not context.is_open:
        context.open()
    resampler = av.AudioResampler(context.format.name, "mono", SAMPLE_RATE, frame_size=context.frame_size or 1024)
    audio_frame = av.AudioFrame.from_ndarray(audio[None, :], format="flt", layout="mono")
    audio_frame.sample_rate, audio_frame.pts, audio_frame.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
    for block in [*resampler.resample(audio_frame), *resampler.resample(None)]:
        container.mux(stream.encode(block))
    container.mux(stream.encode(None))


def to_yuv420(frame: np.ndarray, matrix: int, is_full_range: bool) -> np.ndarray:
    """Convert RGB to stacked YUV planes with the formulas of ITU-T H.273, independent of any library."""
    red, blue = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    r, g, b = np.moveaxis(frame / 255.0, 2, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    height, width = y.shape
    chroma = np.stack([(b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)])
    chroma = chroma.reshape(2, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    y, chroma = (255 * y, 255 * chroma) if is_full_range else (16 + 219 * y, 224 * chroma)
    planes = np.concatenate([y.ravel(), (128 + chroma).ravel()])
    return np.rint(planes).clip(0, 255).astype(np.uint8).reshape(height * 3 // 2, width)


def run_ffmpeg(*arguments: str | Path) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=600)
