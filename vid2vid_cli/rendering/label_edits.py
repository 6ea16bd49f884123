"""Edits of label maps before rendering: --replace and --remove."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from vid2vid_cli.conditioning import Conditioner, LabelClass, Statistics
from vid2vid_cli.conditioning.combine import join_names
from vid2vid_cli.conditioning.conditioner import LABELS_KEY
from vid2vid_cli.conditioning.label_editing import LabelEdit, LabelEditor
from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.core.suggest import suggest_names
from vid2vid_cli.engine.events import EventHandler, WarningEvent
from vid2vid_cli.rendering.frames import AnnotatedFrame
from vid2vid_cli.rendering.parse_edits import ParsedEdit, parse_edits
from vid2vid_cli.rendering.source_video import SourceVideo

RARE_CLASS_SHARE = 0.0005
"""Share of the training pixels below which a class counts as rare."""
LIST_CLASSES_HINT = "`vid2vid inspect CKPT` lists the classes."


class LabelEdits:
    """The edits of one output video. Its clips are edited in order, and frames are counted over all of them."""

    def __init__(self, edits: Sequence[ParsedEdit], conditioners: Sequence[Conditioner], fps: Fraction) -> None:
        """`fps`: frame rate of the output video.

        Raises ConfigError for conditioners without label maps and for an unknown class.
        """
        self.edits, self.fps, self.num_frames = tuple(edits), fps, 0
        self._changed_pixels = [0] * len(self.edits)
        self._num_unfilled_frames = 0
        classes = {
            index: conditioner.classes()
            for index, conditioner in enumerate(conditioners)
            if conditioner.spec.output == "labels"
        }
        self._classes = {index: label_classes for index, label_classes in classes.items() if label_classes}
        if self.edits and not self._classes:
            names = join_names(conditioners)
            raise ConfigError(
                f"{self.edits[0].text}: {names} has no label maps to edit.",
                "Remove --replace and --remove, or use a model that was trained with labels or segmentation.",
            )
        self._edit_ids = {index: self._resolve_ids(label_classes) for index, label_classes in self._classes.items()}
        for edit_index, edit in enumerate(self.edits):
            if not any(edit_index in class_ids for class_ids in self._edit_ids.values()):
                raise self._unknown_class_error(edit)

    def check_boxes(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Raise ConfigError if a box extends beyond frames of one of these sizes (height, width)."""
        for edit in self.edits:
            for height, width in sizes:
                edit.edit_region(height, width, self.fps)

    def dry_run_rows(self) -> tuple[tuple[str, str], ...]:
        """Rows for --dry-run."""
        return tuple(("edit", edit.text.removeprefix("--")) for edit in self.edits)

    def warn_rare_classes(self, training_statistics: Sequence[Statistics], emit: EventHandler) -> None:
        """Warn about new classes that are rare in the training data; one `Statistics` per conditioner."""
        for index, ids in self._edit_ids.items():
            class_shares = training_statistics[index].get("class_shares")
            class_names = {label_class.id: label_class.name for label_class in self._classes[index]}
            for edit_index, (_, new_id) in ids.items():
                if new_id is None or not class_shares:
                    continue
                if class_shares.get(class_names[new_id], 0.0) < RARE_CLASS_SHARE:
                    edit_text = self.edits[edit_index].text
                    emit(
                        WarningEvent(
                            f"{edit_text}: {class_names[new_id]} is rare in the training data; expect poor quality."
                        )
                    )

    def edit_clip(
        self, annotated_frames: Iterable[AnnotatedFrame], frame_size: tuple[int, int], num_given_frames: int = 0
    ) -> Iterator[AnnotatedFrame]:
        """Yield the edited frames of the next clip; boxes are in pixels of frames of `frame_size` (height, width).

        The first `num_given_frames`, which have no output frame, are edited like the first output frame.
        """
        regions = [edit.edit_region(*frame_size, self.fps) for edit in self.edits]
        editors: dict[int, tuple[list[int], LabelEditor]] = {}
        for index, ids in self._edit_ids.items():
            edits = [LabelEdit(*pair, regions[edit_index]) for edit_index, pair in ids.items()]
            class_ids = [label_class.id for label_class in self._classes[index]]
            editors[index] = (list(ids), LabelEditor(edits, class_ids))
        try:
            for clip_index, annotated_frame in enumerate(annotated_frames):
                annotations = list(annotated_frame.annotations)
                for index, (_, editor) in editors.items():
                    images = annotations[index].images
                    if LABELS_KEY in images:
                        annotations[index] = replace(annotations[index], images=editor(images, self.num_frames))
                self.num_frames += clip_index >= num_given_frames
                yield replace(annotated_frame, annotations=tuple(annotations))
        finally:
            for edit_indices, editor in editors.values():
                self._num_unfilled_frames += editor.num_unfilled_frames
                for edit_index, num_pixels in zip(edit_indices, editor.changed_pixels, strict=True):
                    self._changed_pixels[edit_index] += num_pixels

    def report(self, emit: EventHandler) -> None:
        """Warn about edits without effect and about frames where a class could not be removed."""
        for edit, num_pixels in zip(self.edits, self._changed_pixels, strict=True):
            if not num_pixels:
                emit(WarningEvent(f"{edit.text} had no effect: {self._explain_no_change(edit)}."))
        if self._num_unfilled_frames:
            emit(
                WarningEvent(
                    f"{self._num_unfilled_frames} of {self.num_frames} frames: the class fills the whole label map and "
                    "could not be removed."
                )
            )

    def _explain_no_change(self, edit: ParsedEdit) -> str:
        if edit.frame_bounds(self.fps)[0] >= self.num_frames:
            return f"the video has {self.num_frames} frames, {float(self.num_frames / self.fps):.2f} s"
        is_limited = bool(edit.box or edit.frame_range or edit.time_range)
        return f"no pixel of the class {edit.old_class}" + (" in this range" if is_limited else "")

    def _resolve_ids(self, classes: Sequence[LabelClass]) -> dict[int, tuple[int, int | None]]:
        """Index of an edit -> ids of its classes (old, new), for the edits whose classes all exist in `classes`."""
        ids: dict[int, tuple[int, int | None]] = {}
        for edit_index, edit in enumerate(self.edits):
            old_id, new_id = (
                find_class_id(classes, edit.old_class),
                None if edit.new_class is None else find_class_id(classes, edit.new_class),
            )
            if old_id is not None and (edit.new_class is None or new_id is not None):
                if old_id == new_id:
                    raise ConfigError(
                        f"{edit.text}: both names are class {old_id}.",
                        "Use two different classes. " + LIST_CLASSES_HINT,
                    )
                ids[edit_index] = (old_id, new_id)
        return ids

    def _unknown_class_error(self, edit: ParsedEdit) -> ConfigError:
        all_classes = [label_class for classes in self._classes.values() for label_class in classes]
        unknown_name = next(
            (
                name
                for name in (edit.old_class, edit.new_class)
                if name is not None and find_class_id(all_classes, name) is None
            ),
            None,
        )
        if unknown_name is None:
            return ConfigError(
                f"{edit.text}: {edit.old_class} and {edit.new_class} belong to different conditioners.",
                LIST_CLASSES_HINT,
            )
        suggestion = suggest_names(unknown_name, (label_class.name for label_class in all_classes), min_similarity=0.5)
        return ConfigError(
            f"{edit.text}: unknown class {unknown_name!r}.", f"{suggestion} {LIST_CLASSES_HINT}".lstrip()
        )


def build_label_edits(
    sources: Sequence[SourceVideo], replace_texts: Sequence[str], remove_texts: Sequence[str]
) -> LabelEdits:
    """The edits of one output video that is rendered from these sources. Raises ConfigError."""
    label_edits = LabelEdits(parse_edits(replace_texts, remove_texts), sources[0].conditioners, sources[0].reader.fps)
    label_edits.check_boxes([source_frame_size(source) for source in sources])
    return label_edits


def source_frame_size(source: SourceVideo) -> tuple[int, int]:
    """(height, width) of the video's frames before they are reduced."""
    return source.reader.probe.height, source.reader.probe.width


def find_class_id(classes: Sequence[LabelClass], name_or_id: str) -> int | None:
    """The id of the class with this name (case-insensitive) or id; None if there is none."""
    ids_by_name = {label_class.name.lower(): label_class.id for label_class in reversed(classes)}
    ids_by_text = {str(label_class.id): label_class.id for label_class in classes}
    return ids_by_name.get(name_or_id.lower(), ids_by_text.get(name_or_id))
