"""What `auto` means for the pictures at hand, decided once and then kept: a model's channels never change."""

from __future__ import annotations

import cv2
import numpy as np

from vid2vid_cli.conditioning import LabelClass, LabelFilesError
from vid2vid_labels.classes import SETS, VOID, Choice, classes_of, some
from vid2vid_labels.label_reader import LabelPictures, Picture, holds_pictures
from vid2vid_labels.options import Kind, LabelOptions

LOOKS = 16
"""Pictures that are looked at, spread over the video."""
LIKELY = 2
"""Colours of a known set that must occur, and nothing else, before colours are taken for its classes."""
SHADES = 64
"""More greys in one picture are a drawing; nothing shows as many classes at once."""


def settle(options: LabelOptions) -> tuple[LabelOptions, tuple[str, ...]]:
    """The options without `auto`, and what was assumed, for people; unchanged where there are no pictures yet.

    Raises: LabelFilesError (ids or colours whose classes must be named), and what reading a picture raises.
    """
    update: dict[str, object] = {}
    if options.edges is None and (options.dir or options.instances):
        update["edges"] = options.instances is not None
    said: tuple[str, ...] = ()
    open_ends = options.kind == "auto" or (options.kind != "rgb" and options.classes == "auto")
    if open_ends and options.dir is not None and holds_pictures(options.dir.expanduser()):
        pictures = LabelPictures(options.dir, "labels.dir")
        try:
            kind, classes, said = _decide(options, pictures)
        finally:
            pictures.close()
        update |= {"kind": kind, "classes": classes}
    return (options.model_copy(update=update) if update else options), said


def _decide(options: LabelOptions, pictures: LabelPictures) -> tuple[str, Choice, tuple[str, ...]]:
    kind, classes, auto = options.kind, options.classes, options.kind == "auto"
    if auto:
        kind = _kind(pictures.read(0), pictures, named=classes != "auto")
    if kind == "ids" and classes == "auto":
        raise _unnamed_ids(pictures)
    if kind == "colours" and classes == "auto":
        classes = _known_colours(pictures)
        if not classes and not auto:
            raise _unnamed_colours(pictures)
        kind, classes = ("colours", classes) if classes else ("rgb", "auto")
    words = {
        "ids": f"holds label ids ({_amount(classes)})",
        "colours": f"holds the colours of classes ({_amount(classes)})",
        "rgb": "is taken as it is, in three channels (labels.kind=rgb)",
    }
    return kind, classes, (f"{pictures.path} {words[kind]}.",)


def _kind(first: Picture, pictures: LabelPictures, *, named: bool) -> Kind:
    """What the first picture seems to be; `named`: classes were given, so it is no drawing."""
    flat = grey(first)
    if named:
        return "colours" if flat is None else "ids"
    if not pictures.exact:
        return "rgb"
    if flat is None:
        return "colours"
    return "ids" if len(np.unique(flat)) <= SHADES else "rgb"


def _amount(classes: Choice) -> str:
    count = f"{len(classes_of(classes))} classes"
    return f"{count}, {classes}" if isinstance(classes, str) else count


def _known_colours(pictures: LabelPictures) -> str:
    """The well-known set whose colours, and no others, occur; "" if there is none."""
    found: set[int] = set()
    for _, picture in pictures.looks(LOOKS):
        if picture.ndim != 3 or len(found) > 256:
            return ""
        found |= set(np.unique(packed(picture)).tolist())
    fitting = (name for name, classes in SETS.items() if found <= set(colour_codes(classes)))
    return next(fitting, "") if len(found) >= LIKELY else ""


def grey(picture: Picture) -> Picture | None:
    """(h, w) of a picture in grey, also of one saved as RGB; None for one with colours."""
    if picture.ndim == 2:
        return picture
    same = (picture[:, :, 0] == picture[:, :, 1]).all() and (picture[:, :, 0] == picture[:, :, 2]).all()
    return picture[:, :, 0] if same else None


def packed(picture: Picture) -> Picture:
    """RGB (h, w, 3) as one number per pixel, (h, w) int32."""
    joined = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGRA)
    code: Picture = joined.view("<u4")[:, :, 0].astype(np.int32) & 0xFFFFFF
    return code


def colour_codes(classes: tuple[LabelClass, ...]) -> dict[int, int]:
    """Packed colour -> id; of classes that share a colour the first."""
    codes: dict[int, int] = {}
    for one in classes:
        red, green, blue = one.colour
        codes.setdefault(red << 16 | green << 8 | blue, one.id)
    return codes


def _unnamed_ids(pictures: LabelPictures) -> LabelFilesError:
    """Names the ids that occur, and the options that would fit them."""
    found: set[int] = set()
    looked = 0
    for _, picture in pictures.looks(LOOKS):
        looked += 1
        flat = grey(picture)
        found |= set() if flat is None else set(np.unique(flat).tolist())
    ids = sorted(found)
    real = [label for label in ids if label != VOID]
    number = max(real, default=0) + 1
    void = f" labels.ignore={VOID}" if VOID in found else ""
    fitting = [name for name, rows in SETS.items() if set(real) <= {one.id for one in rows}]
    ways = [f"labels.classes={name}" for name in fitting[:1] if number > 2]
    ways.append(f"labels.classes={number}{void} (no names)")
    where = f"{looked} of its {pictures.count} pictures" if looked < pictures.count else "its pictures"
    return LabelFilesError(
        f"{pictures.path} holds label ids, and it is not said what they stand for. In {where}: {some(ids)}.",
        f"--option {', or '.join(ways)}, or a file of names and colours; of a drawing in grey: labels.kind=rgb.",
    )


def _unnamed_colours(pictures: LabelPictures) -> LabelFilesError:
    name, picture = next(iter(pictures.looks(1)))
    if picture.ndim != 3:
        return LabelFilesError(f"{name} holds label ids, not colours.", "--option labels.kind=ids")
    codes = np.unique(packed(picture)).tolist()
    colours = [f"({code >> 16}, {code >> 8 & 255}, {code & 255})" for code in codes]
    return LabelFilesError(
        f"It is not said which classes the colours of {pictures.path} stand for. In {name}: {some(colours, 8)}.",
        '--option labels.classes=FILE, with a line such as "road 128 64 128" for each class.',
    )
