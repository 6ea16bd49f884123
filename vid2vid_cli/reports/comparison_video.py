"""The frames of a comparison video, and where its panels lie: the report shows them apart, on the same frame."""

from __future__ import annotations

from collections.abc import Mapping

from vid2vid_cli.core.geometry import ImageArray
from vid2vid_cli.media.contact_sheet import panel_boxes, side_by_side
from vid2vid_cli.reports.report import Panel

MIN_PANEL_HEIGHT = 360
"""Smallest height of the images in pixels: smaller frames are enlarged."""


def compose_panels(images: Mapping[str, ImageArray], height: int) -> ImageArray:
    """Images (h, w, 3) uint8 RGB of any size side by side under their names, at least MIN_PANEL_HEIGHT pixels high."""
    return side_by_side(list(images.values()), list(images), max(height, MIN_PANEL_HEIGHT))


def panels_of(images: Mapping[str, ImageArray], height: int) -> list[Panel]:
    """The panels in the result of `compose_panels`."""
    sizes = [(image.shape[0], image.shape[1]) for image in images.values()]
    boxes = panel_boxes(sizes, max(height, MIN_PANEL_HEIGHT), has_labels=True)
    return [Panel(name, *box) for name, box in zip(images, boxes, strict=True)]
