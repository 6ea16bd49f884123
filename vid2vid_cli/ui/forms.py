"""The forms of the page: the options that they show, and the command line that their values make."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, get_args

from vid2vid_cli.core.errors import ConfigError
from vid2vid_cli.data.dataset import DATASETS_FOLDER
from vid2vid_cli.engine.hub import HUB_PREFIX, parse_hub_reference
from vid2vid_cli.requests.batch import TransferBatchRequest
from vid2vid_cli.requests.option import Argument, Option
from vid2vid_cli.requests.prepare import PrepareRequest
from vid2vid_cli.requests.train import TrainRequest
from vid2vid_cli.ui.listing import RUNS_FOLDER
from vid2vid_cli.ui.project import OutsideProjectError, Project

Kind = Literal["video", "dataset", "target", "run", "preset", "conditioners", "text", "flag"]
PATH_KINDS = ("video", "dataset", "target", "run")
OUTPUT_FOLDERS = (str(DATASETS_FOLDER), str(RUNS_FOLDER))
"""Commands write here; a link would lead them out of the project."""
EXTRA_OPTIONS = "extra"
"""Name of the field for all other options, as typed in a shell."""
MAX_VALUE_CHARACTERS = 4000


class FieldError(ValueError):
    """A value of a form cannot be used. The text of the exception is for the user."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class FormField:
    """One option of a form."""

    name: str
    label: str
    kind: Kind
    help: str
    flag: str
    """The flag of the option; "" for a positional argument."""
    is_required: bool
    placeholder: str
    option: Option | Argument
    is_integer: bool

    def to_words(self, value: object, project: Project) -> list[str]:
        """The words of a command line for a value: a text, a list of texts or a bool. Raises FieldError."""
        if self.kind == "flag":
            return [self.flag] if value is True else []
        values = value if isinstance(value, list) else [] if value in (None, "") else [value]
        if self.is_required and not values:
            raise FieldError(self.name, f"{self.label}: choose one.")
        return [word for item in values for word in self._join(self._checked_text(item, project))]

    def _checked_text(self, value: object, project: Project) -> str:
        if not isinstance(value, str) or len(value) > MAX_VALUE_CHARACTERS:
            raise FieldError(self.name, f"{self.label}: the value is not a text, or too long.")
        text = value.strip()
        if self.kind == "target" and text.startswith(HUB_PREFIX):
            return self._checked_reference(text)
        if self.kind in PATH_KINDS:
            return self._checked_path(text, project)
        if isinstance(self.option, Option):
            self._check_value(text, self.option)
        try:
            project.check_words([text])  # a preset may be a file, and a conditioner may name one
        except OutsideProjectError as error:
            raise FieldError(self.name, f"{self.label}: {error}") from error
        return text

    def _checked_reference(self, text: str) -> str:
        try:
            return str(parse_hub_reference(text))
        except ConfigError as error:
            raise FieldError(self.name, f"{self.label}: {error.message} {error.hint}") from error

    def _checked_path(self, text: str, project: Project) -> str:
        try:
            if not project.resolve(text).exists():
                raise FieldError(self.name, f"{self.label}: {text} does not exist in {project.root}.")
            return project.relative(text)
        except OutsideProjectError as error:
            raise FieldError(self.name, f"{self.label}: {error}") from error

    def _check_value(self, text: str, option: Option) -> None:
        try:
            if option.parse is not None:
                option.parse(text)
            elif self.is_integer and int(text) < (option.min or 0):
                raise ValueError(f"it must be at least {option.min}.")
        except ValueError as error:
            reason = f"{text} is not a whole number." if "invalid literal" in str(error) else str(error)
            raise FieldError(self.name, f"{self.label}: {reason}") from error

    def _join(self, text: str) -> list[str]:
        if not self.flag:
            return [text]
        return [f"{self.flag}={text}"] if text.startswith("-") else [self.flag, text]


@dataclass(frozen=True)
class Form:
    """One command with the fields of its form."""

    name: str
    words: tuple[str, ...]
    """The command itself."""
    fields: tuple[FormField, ...]

    def build_arguments(self, values: Mapping[str, object], project: Project) -> list[str]:
        """The arguments of `vid2vid` for the values of the form. Positional arguments come last.

        Raises FieldError.
        """
        for folder in OUTPUT_FOLDERS:
            try:
                project.resolve(folder)
            except OutsideProjectError as error:
                raise FieldError("", str(error)) from error
        options: list[str] = []
        positional: list[str] = []
        for field in self.fields:
            words = field.to_words(values.get(field.name), project)
            if field.flag:
                options += words
            else:
                positional += words
        return [*self.words, *options, *split_extra_options(values.get(EXTRA_OPTIONS), project), *positional]

    def to_json(self) -> dict[str, object]:
        """What the page needs to show the form."""
        names = ("name", "label", "kind", "help", "flag", "is_required", "placeholder")
        shown = [{name: getattr(field, name) for name in names} for field in self.fields]
        return {"name": self.name, "fields": shown}


def split_extra_options(value: object, project: Project) -> list[str]:
    """The words of the other options, quoted as in a shell; nothing in them is expanded. Raises FieldError."""
    if not isinstance(value, (str, type(None))) or len(value or "") > MAX_VALUE_CHARACTERS:
        raise FieldError(EXTRA_OPTIONS, "Other options: the value is not a text, or too long.")
    try:
        words = shlex.split(value or "")
        project.check_words(words)
    except OutsideProjectError as error:
        raise FieldError(EXTRA_OPTIONS, f"Other options: {error}") from error
    except ValueError as error:
        raise FieldError(EXTRA_OPTIONS, "Other options: a quotation mark is not closed.") from error
    return words


def _options_of(request_class: Any) -> Iterator[tuple[str, Any, Option | Argument]]:
    """(name, type, metadata) of all options of a request, those of nested groups included."""
    for field in fields(request_class):
        if is_dataclass(field.type):
            yield from _options_of(field.type)
        elif arguments := get_args(field.type):
            metadata = next((item for item in arguments if isinstance(item, (Option, Argument))), None)
            if metadata is not None:
                yield field.name, arguments[0], metadata


def _make_fields(request_class: Any, shown: Sequence[tuple[str, str, Kind]]) -> tuple[FormField, ...]:
    """The fields of the named options, with the help and the checks of the command line."""
    options = {name: (value_type, metadata) for name, value_type, metadata in _options_of(request_class)}
    made = []
    for name, label, kind in shown:
        value_type, metadata = options[name]
        is_option = isinstance(metadata, Option)
        flag = (metadata.flags or (f"--{name.replace('_', '-')}",))[0] if isinstance(metadata, Option) else ""
        made.append(
            FormField(
                name=name,
                label=label,
                kind=kind,
                help=metadata.help,
                flag=flag,
                is_required=not is_option or kind in ("target", "conditioners"),
                placeholder=metadata.metavar or "" if is_option else "",
                option=metadata,
                is_integer=value_type is int or int in get_args(value_type),
            )
        )
    return tuple(made)


RUN_FIELD = FormField(
    "run", "Run", "run", "Run to continue.", "--resume", True, "", Option("Run to continue.", ("--resume",)), False
)
FORMS: dict[str, Form] = {
    "prepare": Form(
        "prepare",
        ("prepare",),
        _make_fields(
            PrepareRequest,
            (
                ("videos", "Video", "video"),
                ("conditioners", "Conditioners", "conditioners"),
                ("start", "Start", "text"),
                ("end", "End", "text"),
                ("max_frames", "Maximum number of frames", "text"),
                ("max_short_side", "Short side", "text"),
            ),
        ),
    ),
    "train": Form(
        "train",
        ("train",),
        _make_fields(
            TrainRequest,
            (
                ("data", "Dataset", "dataset"),
                ("preset", "Preset", "preset"),
                ("max_seconds", "Time limit", "text"),
                ("max_steps", "Steps", "text"),
            ),
        ),
    ),
    "transfer": Form(
        "transfer",
        ("transfer",),
        _make_fields(
            TransferBatchRequest,
            (
                ("sources", "Driving video", "video"),
                ("targets", "Target", "target"),
                ("start", "Start", "text"),
                ("end", "End", "text"),
                ("max_frames", "Maximum number of frames", "text"),
                ("keep_size", "Full size of the driving video", "flag"),
            ),
        ),
    ),
    "resume": Form("resume", ("train",), (RUN_FIELD,)),
}
