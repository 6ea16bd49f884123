"""Resolves `auto` options from the label images, once: the channels of a model must not change later."""

from __future__ import annotations

from vid2vid_cli.conditioning import LabelFileError, expand_home
from vid2vid_labels.classes import CLASS_SETS, VOID_ID, ClassesOption, abbreviate_list, resolve_classes
from vid2vid_labels.label_reader import LabelReader, contains_images
from vid2vid_labels.label_values import colour_codes, rgb_text
from vid2vid_labels.options import LabelFormat, LabelOptions
from vid2vid_labels.sampled_values import SampledValues, sample_values

MIN_KNOWN_COLOURS = 2
"""Minimum number of colours for the detection of a standard class set; no other colours may occur."""
MAX_GREY_IDS = 64
"""A grey or indexed image with more values is not a label map, as no image shows so many classes."""


def resolve_auto_options(options: LabelOptions) -> tuple[LabelOptions, tuple[str, ...]]:
    """Return the options without `auto`, and sentences about the assumptions; unchanged if there are no images yet.

    Raises: LabelFileError (ids or colours whose classes must be set), and the errors of `LabelReader`.
    """
    update: dict[str, object] = {}
    if options.instance_edges is None and (options.input_dir or options.instances):
        update["instance_edges"] = options.instances is not None
    assumptions: tuple[str, ...] = ()
    has_auto = options.format == "auto" or (options.format != "rgb" and options.classes == "auto")
    if has_auto and options.input_dir is not None and contains_images(expand_home(options.input_dir)):
        reader = LabelReader(options.input_dir, "labels.input_dir")
        try:
            label_format, classes, assumptions = _resolve_format(options, reader)
        finally:
            reader.close()
        update |= {"format": label_format, "classes": classes}
    return LabelOptions.model_validate({**options.model_dump(), **update}), assumptions


def _resolve_format(options: LabelOptions, reader: LabelReader) -> tuple[LabelFormat, ClassesOption, tuple[str, ...]]:
    label_format, classes, is_auto_format = options.format, options.classes, options.format == "auto"
    if is_auto_format and classes == "auto" and not reader.is_exact:
        return "rgb", classes, (_describe_assumption("rgb", classes, reader, SampledValues()),)
    # Lossy images are class colours if they have colours, which the first one shows.
    values = sample_values(reader) if reader.is_exact else sample_values(reader, 1)
    if is_auto_format:
        label_format = _guess_format(values, classes)
    if label_format == "ids" and classes == "auto":
        raise _unnamed_ids_error(reader, values)
    if label_format == "colours" and classes == "auto":
        classes = _find_class_set(values)
        if not classes and not is_auto_format:
            raise _unnamed_colours_error(reader, values)
        label_format, classes = ("colours", classes) if classes else ("rgb", "auto")
    return label_format, classes, (_describe_assumption(label_format, classes, reader, values),)


def _guess_format(values: SampledValues, classes: ClassesOption) -> LabelFormat:
    """Return the format of sampled images. If the classes are set, it is not `rgb`; otherwise `colours` may be RGB."""
    if values.has_colour_images:
        return "colours"
    has_classes = classes != "auto"
    if values.has_palettes and values.are_palettes_of(
        resolve_classes(classes if has_classes else _find_class_set(values))
    ):
        return "colours"
    if has_classes:
        return "ids"
    is_label_map = values.max_ids_per_image <= MAX_GREY_IDS and not values.has_palette_conflict
    return "ids" if is_label_map else "rgb"


def _describe_assumption(
    label_format: LabelFormat, classes: ClassesOption, reader: LabelReader, values: SampledValues
) -> str:
    if label_format == "rgb":
        return f"{reader.path} is used as RGB, in three channels (labels.format=rgb)."
    count_text = f"{len(resolve_classes(classes))} classes"
    class_text = f"{count_text}, {classes}" if isinstance(classes, str) else count_text
    if label_format == "ids":
        index_text = ", the indices of its indexed images" if values.has_palettes else ""
        return f"{reader.path} contains label ids ({class_text}){index_text}."
    palette_text = ", in the palettes of its indexed images" if values.has_palettes else ""
    return f"{reader.path} contains class colours ({class_text}){palette_text}."


def _find_class_set(values: SampledValues) -> str:
    """Return the standard class set that contains all colours of the images; "" if there is none."""
    matching_sets = (name for name, classes in CLASS_SETS.items() if values.colours <= set(colour_codes(classes)))
    return next(matching_sets, "") if len(values.colours) >= MIN_KNOWN_COLOURS else ""


def _unnamed_ids_error(reader: LabelReader, values: SampledValues) -> LabelFileError:
    """Return an error with the ids that occur and the matching options."""
    ids = sorted(values.ids)
    class_ids = [value for value in ids if value != VOID_ID]
    num_classes = max(class_ids, default=0) + 1
    ignore_hint = f" labels.ignore_ids={VOID_ID}" if VOID_ID in ids else ""
    matching_sets = [name for name, classes in CLASS_SETS.items() if set(class_ids) <= {c.id for c in classes}]
    suggestions = [f"labels.classes={name}" for name in matching_sets[:1] if num_classes > 2]
    suggestions.append(f"labels.classes={num_classes}{ignore_hint} (no names)")
    num_sampled = values.num_images
    sample_text = f"{num_sampled} of {reader.num_images} images" if num_sampled < reader.num_images else "all images"
    value_text = "label ids (indices)" if values.has_palettes else "label ids"
    return LabelFileError(
        f"Unknown classes of the {value_text} in {reader.path}: labels.classes is not set. Ids in {sample_text}: "
        f"{abbreviate_list(ids)}.",
        f"--conditioner-option {', or '.join(suggestions)}, or labels.classes=FILE with names and colours; "
        "labels.format=rgb for images that are not labels",
    )


def _unnamed_colours_error(reader: LabelReader, values: SampledValues) -> LabelFileError:
    if not values.has_colour_images and not values.has_palettes:
        return LabelFileError(
            f"{reader.path} contains label ids, not colours.", "--conditioner-option labels.format=ids"
        )
    colours = [rgb_text(code) for code in sorted(values.colours)]
    return LabelFileError(
        f"Unknown class colours in {reader.path}: labels.classes is not set. Colours: {abbreviate_list(colours, 8)}.",
        '--conditioner-option labels.classes=FILE with a line such as "road 128 64 128" for each class',
    )
