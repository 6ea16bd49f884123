"""The sound of a source, carried over to a video made from its pictures, and kept in step with them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from vid2vid_cli.core.errors import Vid2VidError
from vid2vid_cli.media.container import codec_name, first_picture_time, open_video

# What players expect in each container; anything else becomes AAC. Matroska holds everything.
HOLDS = {
    "mp4": {"aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"},
}
AAC_RATES = (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
AAC_BITS_PER_CHANNEL = 96_000
AAC_FRAME = 1024


class Sound:
    """Sound packets of `source` from `start` seconds after its first picture on, written up to where it is asked.

    The packets are copied as they are where the output can hold them, else decoded and encoded as AAC.
    """

    def __init__(self, source: InputContainer, output: OutputContainer, zero: Fraction) -> None:
        self.source = source
        self.output = output
        self.zero = zero  # the second of the source that is second 0 of the output
        self.stream: AudioStream = source.streams.audio[0]
        held = HOLDS.get(output.format.name)
        self.copied = held is None or codec_name(self.stream) in held
        if zero > 1 and self.stream.time_base:
            source.seek(int((zero - 1) / self.stream.time_base), stream=self.stream)
        self._packets = self._copies() if self.copied else self._encodes()
        self._next: Packet[AudioStream] | None = None

    def write_until(self, second: Fraction) -> None:
        """Write the packets that begin before `second` of the output. Called with growing seconds."""
        while True:
            if self._next is None:
                self._next = next(self._packets, None)
            packet = self._next
            if packet is None or packet.pts is None or packet.pts * packet.time_base >= second:
                return
            self._next = None
            self.output.mux(packet)

    def close(self) -> None:
        """Close the source."""
        self.source.close()

    def _copies(self) -> Iterator[Packet[AudioStream]]:
        target = self.output.add_stream_from_template(self.stream)

        def moved() -> Iterator[Packet[AudioStream]]:
            run_up: Packet[AudioStream] | None = (
                None  # decoders of MP3 and AAC need the packet before the first one heard
            )
            for packet in self._demuxed():
                if packet.pts is None or packet.time_base is None:
                    continue
                shift = round(self.zero / packet.time_base)
                packet.pts -= shift
                packet.dts = packet.pts
                packet.stream = target
                if packet.pts + (packet.duration or 0) <= 0:
                    run_up = packet
                    continue
                if run_up is not None:
                    yield run_up
                    run_up = None
                yield packet

        return moved()

    def _encodes(self) -> Iterator[Packet[AudioStream]]:
        context = self.stream.codec_context
        rate = next((rate for rate in AAC_RATES if rate <= context.sample_rate), AAC_RATES[-1])
        layout = "mono" if context.layout.nb_channels == 1 else "stereo"
        target = self.output.add_stream("aac", rate=rate, layout=layout)
        target.bit_rate = AAC_BITS_PER_CHANNEL * target.codec_context.layout.nb_channels
        resampler = av.AudioResampler("fltp", layout, rate, frame_size=AAC_FRAME)

        def encoded() -> Iterator[Packet[AudioStream]]:
            for packet in self._demuxed():
                for frame in self._decoded(packet):
                    if frame.pts is None or frame.time_base is None:
                        continue
                    frame.pts -= round(self.zero / frame.time_base)
                    if frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate) <= 0:
                        continue
                    for piece in resampler.resample(frame):
                        yield from target.encode(piece)
            for piece in resampler.resample(None):
                yield from target.encode(piece)
            yield from target.encode(None)

        return encoded()

    def _decoded(self, packet: Packet[AudioStream]) -> list[AudioFrame]:
        """The sound of a packet; none where it is damaged: a gap in the sound is no reason to lose the pictures."""
        try:
            return list(self.stream.codec_context.decode(packet))
        except FFmpegError:
            return []

    def _demuxed(self) -> Iterator[Packet[AudioStream]]:
        """The packets of the source; a damaged end ends them."""
        packets = self.source.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, FFmpegError):
                return
            if packet.size and not packet.is_corrupt:
                yield packet


def open_sound(source: Path, output: OutputContainer, start: float) -> Sound | None:
    """The sound of `source`, its stream added to `output` (before anything is written); None where there is none."""
    try:
        first = _first_picture(source)
        container = av.open(f"file:{source}", mode="r")
    except (FFmpegError, OSError, Vid2VidError):  # a folder of pictures, a picture: no sound
        return None
    if not container.streams.audio or container.streams.audio[0].codec_context is None:
        container.close()
        return None
    return Sound(container, output, first + Fraction(start))


def _first_picture(source: Path) -> Fraction:
    with open_video(source) as (container, stream):
        frame = next(container.decode(stream), None)
        return Fraction(0) if frame is None else first_picture_time(container, frame)
