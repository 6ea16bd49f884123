"""The ids and colours in a sample of the label images, from which `auto` options are resolved."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vid2vid_cli.conditioning import LabelClass
from vid2vid_labels.label_reader import MAX_SAMPLED_IMAGES, LabelReader
from vid2vid_labels.label_values import PaletteRecord, colour_codes, pack_rgb, to_grey, used_palette_colours

MAX_COLOURS = 256
"""Colours beyond this number are not collected: no class list has so many."""


@dataclass
class SampledValues:
    """The values that occur in sampled label images."""

    num_images: int = 0
    ids: set[int] = field(default_factory=set)
    """Values of grey images and indices of indexed ones."""
    max_ids_per_image: int = 0
    colours: set[int] = field(default_factory=set)
    """Packed colours; of indexed images those of the palette."""
    palette_colours: set[tuple[int, int]] = field(default_factory=set)
    """(index, packed colour) of the indexed images."""
    has_colour_images: bool = False
    """Whether an image that is stored as RGB is not grey."""
    has_palette_conflict: bool = False
    """Whether an index has different colours in two images."""
    has_repeated_colours: bool = False
    """Whether an image has two indices of one colour: its colours do not distinguish what its indices do."""

    @property
    def has_palettes(self) -> bool:
        """Whether an image is indexed."""
        return bool(self.palette_colours)

    def are_palettes_of(self, classes: tuple[LabelClass, ...]) -> bool:
        """Whether the palettes contain colours of the classes only, and at indices that are not their ids."""
        codes = {code for _, code in self.palette_colours}
        expected_pairs = {(label_class.id, code) for label_class in classes for code in colour_codes((label_class,))}
        return (
            codes <= set(colour_codes(classes))
            and not self.has_repeated_colours
            and not self.palette_colours <= expected_pairs
        )


def sample_values(reader: LabelReader, max_images: int = MAX_SAMPLED_IMAGES) -> SampledValues:
    """Read a sample of the images. Raises the errors of `LabelReader`."""
    values, palettes = SampledValues(), PaletteRecord()
    for name, image in reader.sample_images(max_images):
        values.num_images += 1
        ids = to_grey(image)
        if ids is None:
            values.has_colour_images = True
        else:
            image_ids = np.unique(ids).tolist()
            values.ids.update(image_ids)
            values.max_ids_per_image = max(values.max_ids_per_image, len(image_ids))
        used_colours = used_palette_colours(image)
        values.palette_colours.update(used_colours.items())
        values.has_repeated_colours |= len(set(used_colours.values())) < len(used_colours)
        values.has_palette_conflict |= palettes.add(image, name) is not None
        if used_colours:
            values.colours.update(used_colours.values())
        elif len(values.colours) <= MAX_COLOURS:
            values.colours.update(np.unique(pack_rgb(image.rgb)).tolist())
    return values
