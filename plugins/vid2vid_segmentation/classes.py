"""Classes of the label maps: ids, names and colours."""

from __future__ import annotations

from collections.abc import Sequence

from vid2vid_cli.conditioning import LabelClass, palette

# Pascal VOC classes in the order of the challenge; id 0 is the background.
# fmt: off
VOC_CLASS_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)
# fmt: on
PERSON_ID = VOC_CLASS_NAMES.index("person")


def voc_classes() -> tuple[LabelClass, ...]:
    """Return the 21 Pascal VOC classes with their standard colours."""
    return _make_classes(list(enumerate(VOC_CLASS_NAMES)))


def person_classes() -> tuple[LabelClass, ...]:
    """Return background and person, with their Pascal VOC ids and colours."""
    return _make_classes([(0, VOC_CLASS_NAMES[0]), (PERSON_ID, VOC_CLASS_NAMES[PERSON_ID])])


def numbered_classes(num_classes: int) -> tuple[LabelClass, ...]:
    """Return numbered classes, for weights whose class names are unknown."""
    return _make_classes([(index, "background" if index == 0 else f"class {index}") for index in range(num_classes)])


def find_class_ids(classes: Sequence[LabelClass], requested_names: Sequence[str]) -> tuple[int, ...]:
    """Return the ids of the requested classes (names or ids), in the order of `requested_names`.

    Raises: ValueError (unknown class, the background, or a duplicate).
    """
    ids: list[int] = []
    for requested_name in requested_names:
        key = requested_name.strip().lower()
        class_id = next((c.id for c in classes if key in (c.name, str(c.id))), None)
        if class_id is None:
            names = ", ".join(c.name for c in classes[1:]) if len(classes) <= 21 else f"0 to {len(classes) - 1}"
            raise ValueError(f"unknown class {requested_name!r}; available: {names}")
        if class_id == 0:
            raise ValueError("the background always has a channel; remove it from the list")
        if class_id in ids:
            raise ValueError(f"duplicate class {requested_name!r}")
        ids.append(class_id)
    return tuple(ids)


def _make_classes(names: Sequence[tuple[int, str]]) -> tuple[LabelClass, ...]:
    # Pascal VOC derives the colours from the bits of the id; `palette` uses the same rule for all label maps.
    colours = palette()
    return tuple(
        LabelClass(index, name, (int(colours[index, 0]), int(colours[index, 1]), int(colours[index, 2])))
        for index, name in names
    )
