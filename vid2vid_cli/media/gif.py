"""Writes a GIF from lossless video files, with one palette for all frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.error import EOFError as EOFErrorFFmpeg
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame


def write_gif(segments: Sequence[Path], path: Path, fps: Fraction) -> None:
    """Write the frames of video files, one after another, as one GIF that repeats for ever.

    The files are decoded twice: the palette of 256 colours is computed from all frames. GIF stores times in hundredths
    of a second. Raises OSError and FFmpegError.
    """
    palette = _compute_palette(segments)
    with av.open(f"file:{path}", mode="w", format="gif", options={"loop": "0"}) as output:
        stream = output.add_stream("gif", rate=fps)
        palette_filter: _PaletteFilter | None = None
        for index, frame in enumerate(_decode(segments)):
            frame.pts, frame.time_base = index, 1 / fps
            if palette_filter is None:
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "pal8"
                palette_filter = _PaletteFilter(frame, palette, fps)
            for indexed_frame in palette_filter.map_frame(frame):
                output.mux(stream.encode(indexed_frame))
        if palette_filter is not None:
            for indexed_frame in palette_filter.map_frame(None):
                output.mux(stream.encode(indexed_frame))
        output.mux(stream.encode(None))


def _decode(segments: Sequence[Path]) -> Iterator[VideoFrame]:
    for segment in segments:
        with av.open(f"file:{segment}") as source:
            yield from source.decode(video=0)


def _pull(sink: FilterContext) -> Iterator[VideoFrame]:
    """The frames that a filter graph has ready."""
    while True:
        try:
            frame = sink.pull()
        except (BlockingIOError, EOFErrorFFmpeg):
            return
        assert isinstance(frame, VideoFrame)
        yield frame


def _compute_palette(segments: Sequence[Path]) -> VideoFrame:
    """The palette of all frames, as an image of 256 pixels."""
    graph = Graph()
    frames: FilterContext | None = None
    sink = graph.add("buffersink")
    for frame in _decode(segments):
        if frames is None:
            frames = _add_buffer(graph, frame, Fraction(25))
            graph.link_nodes(frames, graph.add("palettegen", "reserve_transparent=0"), sink).configure()
        frames.push(frame)
    assert frames is not None, "there are frames in every file"
    frames.push(None)
    return next(_pull(sink))


class _PaletteFilter:
    """Maps frames to a palette. It holds the filter graph, which its inputs and outputs do not keep alive."""

    def __init__(self, frame: VideoFrame, palette: VideoFrame, fps: Fraction) -> None:
        self._graph = Graph()
        self._frames, palettes = _add_buffer(self._graph, frame, fps), _add_buffer(self._graph, palette, fps)
        use_palette, self._sink = self._graph.add("paletteuse", "dither=sierra2_4a"), self._graph.add("buffersink")
        self._frames.link_to(use_palette, 0, 0)
        palettes.link_to(use_palette, 0, 1)
        use_palette.link_to(self._sink)
        self._graph.configure()
        palette.pts, palette.time_base = 0, 1 / fps
        palettes.push(palette)
        palettes.push(None)

    def map_frame(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        """Add a frame, or None at the end, and yield the frames that are ready."""
        self._frames.push(frame)
        return _pull(self._sink)


def _add_buffer(graph: Graph, frame: VideoFrame, fps: Fraction) -> FilterContext:
    return graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=1 / fps)
