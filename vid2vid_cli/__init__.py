"""vid2vid: learn a person or a place from video and render it from label video."""

__version__ = "0.1.0"
