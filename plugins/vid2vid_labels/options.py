"""What can be set with `--option labels.…`, and how it is understood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from vid2vid_cli.conditioning import Options, files_option
from vid2vid_labels.class_lists import read_classes, tidy
from vid2vid_labels.classes import LIMIT, SETS, Choice

Kind = Literal["auto", "ids", "colours", "rgb"]
KNOWN = ("auto", *SETS)


def check_classes(value: Any) -> Any:
    """A set's name, a number of classes, a file, or a list, as the options keep it. Raises: ValueError."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str) and not value.strip().isdecimal():
        if value in KNOWN:
            return value
        path = Path(value).expanduser()
        if path.is_file():
            return tuple(read_classes(path))
        raise ValueError(f"neither one of {', '.join(KNOWN)}, nor a number of classes, nor a file that exists")
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        number = int(value)
        if not 1 <= number <= LIMIT:
            raise ValueError(f"a number of classes lies between 1 and {LIMIT}")
        return number
    if isinstance(value, (Mapping, Sequence)):
        return tuple(tidy([_plain(item) for item in value] if isinstance(value, Sequence) else value))
    raise ValueError("not a set of classes")


def check_ignored(value: Any) -> Any:
    """Ids as a tuple, from `255`, `0,255` or a list. Raises: ValueError."""
    if value is None:
        return None
    words = value.split(",") if isinstance(value, str) else [value] if isinstance(value, int) else list(value)
    try:
        ids = sorted({int(word) for word in words if str(word).strip()})
    except (TypeError, ValueError) as error:
        raise ValueError("write ids such as 255, or 0,255") from error
    if any(not 0 <= label < LIMIT for label in ids):
        raise ValueError(f"ids lie between 0 and {LIMIT - 1}")
    return tuple(ids)


def _plain(item: Any) -> Any:
    return item.model_dump() if hasattr(item, "model_dump") else item


class LabelOptions(Options):
    """What can be set with `--option labels.…`."""

    dir: Path | None = files_option(
        "Label pictures, one per frame in the order of their names: a folder, or a video (of ids: FFV1, grey)."
    )
    instances: Path | None = files_option("Pictures of instance ids, grey with 8 or 16 bits: a folder, or FFV1.")
    kind: Kind = Field(
        "auto",
        description="ids: a number per pixel; colours: a colour per class; rgb: drawings, taken as they are; "
        "auto: grey and indexed pictures are ids, unless they have more than 64 shades; others are colours if classes "
        "are named or all colours are those of a well-known set; the rest is rgb.",
    )
    classes: Annotated[Choice, BeforeValidator(check_classes)] = Field(
        "auto",
        description="What ids stand for: cityscapes (0 to 33), cityscapes_train (0 to 18), voc (0 to 20), a number N "
        "(0 to N - 1), or a file of names and colours: JSON, YAML, or lines such as road 128 64 128.",
    )
    ignore: Annotated[tuple[int, ...] | None, BeforeValidator(check_ignored)] = Field(
        None,
        description="Ids that stand for nothing, such as 255: where they are, every channel is -1. "
        "Default: 255 for cityscapes_train and voc, otherwise none.",
    )
    nearest: bool = Field(
        False, description="Of colours: take that of the nearest class where none fits (JPEG, H.264, soft borders)."
    )
    edges: bool | None = Field(
        None, description="A channel more: the outlines of the instances. Default: where instances are given."
    )
