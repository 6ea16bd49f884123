"""Options of the conditioner `labels`, and their parsers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from vid2vid_cli.conditioning import Options, expand_home, input_path_option
from vid2vid_labels.class_lists import normalise_classes, read_classes
from vid2vid_labels.classes import CLASS_SETS, ID_LIMIT, ClassesOption

LabelFormat = Literal["auto", "ids", "colours", "rgb"]
KNOWN_CLASS_SETS = ("auto", *CLASS_SETS)


def parse_classes(value: Any) -> Any:
    """Parse the name of a set, a number of classes, a file, or a list. Raises: ValueError."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str) and not value.strip().isdecimal():
        if value in KNOWN_CLASS_SETS:
            return value
        path = expand_home(Path(value))
        if os.path.isfile(path):  # noqa: PTH113 (Path.is_file raises OSError for a long name)
            return tuple(read_classes(path))
        raise ValueError(f"use {', '.join(KNOWN_CLASS_SETS)}, a number of classes, or an existing file")
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        num_classes = int(value)
        if not 1 <= num_classes <= ID_LIMIT:
            raise ValueError(f"the number of classes must be in 1..{ID_LIMIT}")
        return num_classes
    if isinstance(value, (Mapping, Sequence)):
        return tuple(
            normalise_classes([_to_plain_data(item) for item in value] if isinstance(value, Sequence) else value)
        )
    raise ValueError("use the name of a class set, a number of classes, a file, or a list")


def parse_ignore_ids(value: Any) -> Any:
    """Parse ids from `255`, `0,255` or a list. Raises: ValueError."""
    if value is None:
        return None
    try:
        items = value.split(",") if isinstance(value, str) else [value] if isinstance(value, int) else list(value)
        ids = sorted({int(item) for item in items if str(item).strip()})
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("use ids such as 255, or 0,255") from error
    if any(not 0 <= class_id < ID_LIMIT for class_id in ids):
        raise ValueError(f"ids must be in 0..{ID_LIMIT - 1}")
    return tuple(ids)


def _to_plain_data(item: Any) -> Any:
    return item.model_dump() if hasattr(item, "model_dump") else item


class LabelOptions(Options):
    """Options of the conditioner `labels`."""

    input_dir: Path | None = input_path_option(
        "Label images, one per frame in the order of their names: a folder, or a video (for ids: FFV1, grey)."
    )
    instances: Path | None = input_path_option(
        "Instance ids, as grey images of 8 or 16 bits: a folder, or an FFV1 video."
    )
    format: LabelFormat = Field(
        "auto",
        description="ids: one id per pixel (of indexed images, the index); colours: one colour per class; rgb: RGB "
        "images, used unchanged; colours and rgb use the palette of indexed images. auto: ids for grey images with at "
        "most 64 values, and for indexed ones unless their palettes contain colours of the classes at other indices or "
        "differ; otherwise colours if classes is set or all colours belong to a standard set; otherwise rgb.",
    )
    classes: Annotated[ClassesOption, BeforeValidator(parse_classes)] = Field(
        "auto",
        description="Classes of the ids: cityscapes (0 to 33), cityscapes_train (0 to 18), voc (0 to 20), a number N "
        "(0 to N - 1), or a file with names and colours: JSON, YAML, or lines such as road 128 64 128.",
    )
    ignore_ids: Annotated[tuple[int, ...] | None, BeforeValidator(parse_ignore_ids)] = Field(
        None,
        description="Ids without a class, such as 255: all channels are -1. "
        "Default: 255 for cityscapes_train and voc, otherwise none.",
    )
    snap_colours: bool = Field(
        False, description="Assign unknown colours to the class with the nearest colour (JPEG, H.264, soft borders)."
    )
    instance_edges: bool | None = Field(
        None, description="Add a channel with the outlines of the instances. Default: true if instances is set."
    )
