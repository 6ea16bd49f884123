"""Which classes there are: their ids in the label maps, names and colours."""

from __future__ import annotations

from collections.abc import Sequence

from vid2vid_cli.conditioning import LabelClass, palette

# The classes of the Pascal VOC challenge in its order; id 0 is everything else.
# fmt: off
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)
# fmt: on
PERSON = VOC.index("person")


def voc_classes() -> tuple[LabelClass, ...]:
    """The 21 classes of Pascal VOC in its own colours."""
    return _named(list(enumerate(VOC)))


def person_classes() -> tuple[LabelClass, ...]:
    """Background and person, with the ids and colours they have in Pascal VOC."""
    return _named([(0, VOC[0]), (PERSON, VOC[PERSON])])


def numbered_classes(count: int) -> tuple[LabelClass, ...]:
    """Classes of somebody's own weights, whose names nobody said."""
    return _named([(index, "background" if index == 0 else f"class {index}") for index in range(count)])


def chosen(classes: Sequence[LabelClass], wanted: Sequence[str]) -> tuple[int, ...]:
    """The ids of the classes named, by name or by id, in the order of `wanted`.

    Raises: ValueError (no such class, the background, one named twice).
    """
    ids: list[int] = []
    for word in wanted:
        found = next((one.id for one in classes if word.strip().lower() in (one.name, str(one.id))), None)
        if found is None:
            names = ", ".join(one.name for one in classes[1:]) if len(classes) <= 21 else f"0 to {len(classes) - 1}"
            raise ValueError(f"there is no class {word!r}; there are {names}")
        if found == 0:
            raise ValueError("the background has a channel in any case; leave it out")
        if found in ids:
            raise ValueError(f"{word!r} is named twice")
        ids.append(found)
    return tuple(ids)


def _named(names: Sequence[tuple[int, str]]) -> tuple[LabelClass, ...]:
    # Pascal VOC's colours are the bits of the id, spread: the palette of every label map here.
    colours = palette()
    return tuple(
        LabelClass(index, name, (int(colours[index, 0]), int(colours[index, 1]), int(colours[index, 2])))
        for index, name in names
    )
