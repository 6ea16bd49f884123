"""Resolves `auto` options from the label images, once: the channels of a model must not change later."""

from __future__ import annotations

import cv2
import numpy as np

from vid2vid_cli.conditioning import LabelClass, LabelFileError
from vid2vid_labels.classes import CLASS_SETS, VOID_ID, ClassesOption, abbreviate_list, resolve_classes
from vid2vid_labels.label_reader import LabelImage, LabelReader, contains_images
from vid2vid_labels.options import LabelFormat, LabelOptions

MAX_SAMPLED_IMAGES = 16
"""Number of images that are sampled from the video."""
MIN_KNOWN_COLOURS = 2
"""Minimum number of colours for the detection of a standard class set; no other colours may occur."""
MAX_GREY_IDS = 64
"""A grey image with more values is not a label map, as no image shows so many classes."""


def resolve_auto_options(options: LabelOptions) -> tuple[LabelOptions, tuple[str, ...]]:
    """Return the options without `auto`, and sentences about the assumptions; unchanged if there are no images yet.

    Raises: LabelFileError (ids or colours whose classes must be set), and the errors of `LabelReader`.
    """
    update: dict[str, object] = {}
    if options.instance_edges is None and (options.input_dir or options.instances):
        update["instance_edges"] = options.instances is not None
    assumptions: tuple[str, ...] = ()
    has_auto = options.format == "auto" or (options.format != "rgb" and options.classes == "auto")
    if has_auto and options.input_dir is not None and contains_images(options.input_dir.expanduser()):
        reader = LabelReader(options.input_dir, "labels.input_dir")
        try:
            label_format, classes, assumptions = _resolve_format(options, reader)
        finally:
            reader.close()
        update |= {"format": label_format, "classes": classes}
    return LabelOptions.model_validate({**options.model_dump(), **update}), assumptions


def _resolve_format(options: LabelOptions, reader: LabelReader) -> tuple[str, ClassesOption, tuple[str, ...]]:
    label_format, classes, is_auto_format = options.format, options.classes, options.format == "auto"
    if is_auto_format:
        label_format = _guess_format(reader.read(0), reader, has_classes=classes != "auto")
    if label_format == "ids" and classes == "auto":
        raise _unnamed_ids_error(reader)
    if label_format == "colours" and classes == "auto":
        classes = _guess_class_set(reader)
        if not classes and not is_auto_format:
            raise _unnamed_colours_error(reader)
        label_format, classes = ("colours", classes) if classes else ("rgb", "auto")
    descriptions = {
        "ids": f"contains label ids ({_describe_classes(classes)})",
        "colours": f"contains class colours ({_describe_classes(classes)})",
        "rgb": "is used as RGB, in three channels (labels.format=rgb)",
    }
    return label_format, classes, (f"{reader.path} {descriptions[label_format]}.",)


def _guess_format(image: LabelImage, reader: LabelReader, *, has_classes: bool) -> LabelFormat:
    """Return the format of the first image; with `has_classes`, the classes are set, so that it is not `rgb`."""
    grey_image = to_grey(image)
    if has_classes:
        return "colours" if grey_image is None else "ids"
    if not reader.is_exact:
        return "rgb"
    if grey_image is None:
        return "colours"
    return "ids" if len(np.unique(grey_image)) <= MAX_GREY_IDS else "rgb"


def _describe_classes(classes: ClassesOption) -> str:
    count_text = f"{len(resolve_classes(classes))} classes"
    return f"{count_text}, {classes}" if isinstance(classes, str) else count_text


def _guess_class_set(reader: LabelReader) -> str:
    """Return the standard class set that contains all colours of the images; "" if there is none."""
    colours: set[int] = set()
    for _, image in reader.sample_images(MAX_SAMPLED_IMAGES):
        if image.ndim != 3 or len(colours) > 256:
            return ""
        colours |= set(np.unique(pack_rgb(image)).tolist())
    matching_sets = (name for name, classes in CLASS_SETS.items() if colours <= set(colour_codes(classes)))
    return next(matching_sets, "") if len(colours) >= MIN_KNOWN_COLOURS else ""


def to_grey(image: LabelImage) -> LabelImage | None:
    """Return a grey image (h, w), also if it is stored as RGB; None if it has colours."""
    if image.ndim == 2:
        return image
    is_grey = (image[:, :, 0] == image[:, :, 1]).all() and (image[:, :, 0] == image[:, :, 2]).all()
    return image[:, :, 0] if is_grey else None


def pack_rgb(image: LabelImage) -> LabelImage:
    """Return RGB (h, w, 3) packed into one number per pixel, (h, w) int32."""
    bgra = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGRA)
    packed_image: LabelImage = bgra.view("<u4")[:, :, 0].astype(np.int32) & 0xFFFFFF
    return packed_image


def colour_codes(classes: tuple[LabelClass, ...]) -> dict[int, int]:
    """Return packed colour -> id; of classes with the same colour, the first."""
    codes: dict[int, int] = {}
    for label_class in classes:
        red, green, blue = label_class.colour
        codes.setdefault(red << 16 | green << 8 | blue, label_class.id)
    return codes


def _unnamed_ids_error(reader: LabelReader) -> LabelFileError:
    """Return an error with the ids that occur and the matching options."""
    found_ids: set[int] = set()
    num_sampled = 0
    for _, image in reader.sample_images(MAX_SAMPLED_IMAGES):
        num_sampled += 1
        grey_image = to_grey(image)
        found_ids |= set() if grey_image is None else set(np.unique(grey_image).tolist())
    ids = sorted(found_ids)
    class_ids = [value for value in ids if value != VOID_ID]
    num_classes = max(class_ids, default=0) + 1
    ignore_hint = f" labels.ignore_ids={VOID_ID}" if VOID_ID in found_ids else ""
    matching_sets = [name for name, classes in CLASS_SETS.items() if set(class_ids) <= {c.id for c in classes}]
    suggestions = [f"labels.classes={name}" for name in matching_sets[:1] if num_classes > 2]
    suggestions.append(f"labels.classes={num_classes}{ignore_hint} (no names)")
    sample_text = f"{num_sampled} of {reader.num_images} images" if num_sampled < reader.num_images else "all images"
    return LabelFileError(
        f"Unknown classes of the label ids in {reader.path}: labels.classes is not set. Ids in {sample_text}: "
        f"{abbreviate_list(ids)}.",
        f"--conditioner-option {', or '.join(suggestions)}, or labels.classes=FILE with names and colours; "
        "labels.format=rgb for grey images that are not labels",
    )


def _unnamed_colours_error(reader: LabelReader) -> LabelFileError:
    name, image = next(iter(reader.sample_images(1)))
    if image.ndim != 3:
        return LabelFileError(f"{name} contains label ids, not colours.", "--conditioner-option labels.format=ids")
    codes = np.unique(pack_rgb(image)).tolist()
    colours = [f"({code >> 16}, {code >> 8 & 255}, {code & 255})" for code in codes]
    return LabelFileError(
        f"Unknown class colours in {reader.path}: labels.classes is not set. Colours in {name}: "
        f"{abbreviate_list(colours, 8)}.",
        '--conditioner-option labels.classes=FILE with a line such as "road 128 64 128" for each class',
    )
