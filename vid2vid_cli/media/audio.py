"""Copies the audio track of a source into a video made from its frames, in sync with them."""

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
from vid2vid_cli.media.container import codec_name, first_frame_time, open_video
from vid2vid_cli.media.tracks import choose_audio_track

# Codecs that players support in each container; others are encoded as AAC, in WebM as Opus. Matroska accepts all.
SUPPORTED_AUDIO_CODECS = {
    "mp4": {"aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le"},
    "webm": {"opus", "vorbis"},
}
AAC_SAMPLE_RATES = (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
BITS_PER_CHANNEL = 96_000
AAC_FRAME_SIZE, OPUS_FRAME_SIZE, OPUS_SAMPLE_RATE = 1024, 960, 48000


class AudioCopier:
    """Writes the packets of `stream`, an audio track of `source`, to `output`, beginning at `start_time`.

    Packets are copied if the output container supports their codec; otherwise they are encoded as AAC or Opus.
    """

    def __init__(
        self, source: InputContainer, stream: AudioStream, output: OutputContainer, start_time: Fraction
    ) -> None:
        self.source = source
        self.output = output
        self.start_time = start_time  # time on the source's clock that becomes time 0 of the output
        self.stream = stream
        supported_codecs = SUPPORTED_AUDIO_CODECS.get(output.format.name)
        self.is_copied = supported_codecs is None or codec_name(self.stream) in supported_codecs
        if start_time > 1 and self.stream.time_base:
            source.seek(int((start_time - 1) / self.stream.time_base), stream=self.stream)
        self._packets = self._copy_packets() if self.is_copied else self._encode_packets()
        self._pending_packet: Packet[AudioStream] | None = None

    def write_until(self, end_seconds: Fraction) -> None:
        """Write the packets that begin before `end_seconds` of the output. Successive calls must not decrease it."""
        while True:
            if self._pending_packet is None:
                self._pending_packet = next(self._packets, None)
            packet = self._pending_packet
            if packet is None or packet.pts is None or packet.pts * packet.time_base >= end_seconds:
                return
            self._pending_packet = None
            self.output.mux(packet)

    def close(self) -> None:
        """Close the source."""
        self.source.close()

    def _copy_packets(self) -> Iterator[Packet[AudioStream]]:
        output_stream = self.output.add_stream_from_template(self.stream)

        def shift_packets() -> Iterator[Packet[AudioStream]]:
            # MP3 and AAC decoders need the packet before the first audible one.
            preroll_packet: Packet[AudioStream] | None = None
            for packet in self._demux_packets():
                if packet.pts is None or packet.time_base is None:
                    continue
                shift = round(self.start_time / packet.time_base)
                packet.pts -= shift
                packet.dts = packet.pts
                packet.stream = output_stream
                if packet.pts + (packet.duration or 0) <= 0:
                    preroll_packet = packet
                    continue
                if preroll_packet is not None:
                    yield preroll_packet
                    preroll_packet = None
                yield packet

        return shift_packets()

    def _encode_packets(self) -> Iterator[Packet[AudioStream]]:
        context = self.stream.codec_context
        sample_rate = next((rate for rate in AAC_SAMPLE_RATES if rate <= context.sample_rate), AAC_SAMPLE_RATES[-1])
        layout = "mono" if context.layout.nb_channels == 1 else "stereo"
        is_opus = self.output.format.name == "webm"
        if is_opus:
            sample_rate = OPUS_SAMPLE_RATE
        output_stream = self.output.add_stream("libopus" if is_opus else "aac", rate=sample_rate, layout=layout)
        output_stream.bit_rate = BITS_PER_CHANNEL * output_stream.codec_context.layout.nb_channels
        resampler = (
            av.AudioResampler("flt", layout, sample_rate, frame_size=OPUS_FRAME_SIZE)
            if is_opus
            else av.AudioResampler("fltp", layout, sample_rate, frame_size=AAC_FRAME_SIZE)
        )

        def encode_packets() -> Iterator[Packet[AudioStream]]:
            for packet in self._demux_packets():
                for frame in self._decode_packet(packet):
                    if frame.pts is None or frame.time_base is None:
                        continue
                    frame.pts -= round(self.start_time / frame.time_base)
                    if frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate) <= 0:
                        continue
                    for resampled_frame in resampler.resample(frame):
                        yield from output_stream.encode(resampled_frame)
            for resampled_frame in resampler.resample(None):
                yield from output_stream.encode(resampled_frame)
            yield from output_stream.encode(None)

        return encode_packets()

    def _decode_packet(self, packet: Packet[AudioStream]) -> list[AudioFrame]:
        """Decode a packet; a damaged one gives no frames, because a gap in the audio must not stop the video."""
        try:
            return list(self.stream.codec_context.decode(packet))
        except FFmpegError:
            return []

    def _demux_packets(self) -> Iterator[Packet[AudioStream]]:
        """Read the packets of the source up to its end or to the first read error."""
        packets = self.source.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, FFmpegError):
                return
            if packet.size and not packet.is_corrupt:
                yield packet


def open_audio(source: Path, output: OutputContainer, start: float) -> AudioCopier | None:
    """Add the audio track of `source` that `choose_audio_track` selects to `output`, before its header is written.

    `start` is in seconds after the first video frame. Returns None if the source has no audio.
    """
    try:
        first_time = _first_frame_time(source)
        container = av.open(f"file:{source}", mode="r")
    except (FFmpegError, OSError, Vid2VidError):  # an image or a folder of images has no audio
        return None
    stream = choose_audio_track(container)
    if stream is None:
        container.close()
        return None
    return AudioCopier(container, stream, output, first_time + Fraction(start))


def _first_frame_time(source: Path) -> Fraction:
    with open_video(source) as (container, stream):
        frame = next(container.decode(stream), None)
        return Fraction(0) if frame is None else first_frame_time(container, frame)
