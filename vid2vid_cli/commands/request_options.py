"""Turns the fields of a request dataclass into the options of a Typer command.

A command has a parameter `request` of a request class. `expand_request` replaces it by one parameter per annotated
field, in place, and builds the request from the typed values. Fields without an Option or Argument keep their default.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from vid2vid_cli.commands.completion import choose_completer
from vid2vid_cli.requests.option import Argument, Option


@dataclass(frozen=True)
class _Parameter:
    """One command-line parameter of a request field."""

    name: str
    annotation: Any
    default: Any
    convert: Callable[[Any], Any]
    """Converts the value from Typer to the value of the field."""


def expand_request(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with its parameter `request` replaced by the options of the request's fields."""
    signature, hints = inspect.signature(command), get_type_hints(command, include_extras=True)
    request_class = hints["request"]
    request_parameters = list(_iter_parameters(request_class))
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name == "request":
            parameters += [
                inspect.Parameter(p.name, inspect.Parameter.KEYWORD_ONLY, default=p.default, annotation=p.annotation)
                for p in request_parameters
            ]
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name]))

    @functools.wraps(command)
    def run(**values: Any) -> None:
        request_values = {p.name: p.convert(values.pop(p.name)) for p in request_parameters}
        command(request=_build(request_class, request_values), **values)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _iter_parameters(request_class: Any) -> Iterator[_Parameter]:
    """The parameters of all annotated fields, those of nested option groups included.

    Fields that can be given by position come first, as in the request's __init__, also if a base class has others.
    """
    for field in sorted(fields(request_class), key=lambda field: bool(field.kw_only)):
        if is_dataclass(field.type):
            yield from _iter_parameters(field.type)
        elif get_origin(field.type) is Annotated:
            value_type, metadata = get_args(field.type)[:2]
            yield (
                _argument(field, value_type, metadata)
                if isinstance(metadata, Argument)
                else _option(field, value_type, metadata)
            )


def _build(request_class: Any, values: dict[str, Any]) -> Any:
    """An instance of the class from the values of its parameters and those of its nested groups."""
    arguments = {field.name: values[field.name] for field in fields(request_class) if field.name in values}
    for field in fields(request_class):
        if is_dataclass(field.type):
            arguments[field.name] = _build(field.type, values)
    return request_class(**arguments)


def _argument(field: Field[Any], value_type: Any, argument: Argument) -> _Parameter:
    info = typer.Argument(
        metavar=argument.metavar,
        help=argument.help,
        show_default=False,
        autocompletion=choose_completer((), argument.metavar),
    )
    if get_origin(value_type) is tuple:
        return _Parameter(field.name, Annotated[list[get_args(value_type)[0]], info], _default(field), tuple)  # type: ignore[misc]
    return _Parameter(field.name, Annotated[value_type, info], _default(field), _identity)


def _option(field: Field[Any], value_type: Any, option: Option) -> _Parameter:
    is_repeated = get_origin(value_type) is tuple and get_args(value_type)[-1] is Ellipsis
    convert: Callable[[Any], Any] = _identity
    default = _default(field)
    if option.collect is not None or is_repeated:
        collect = option.collect or tuple
        is_required = default is inspect.Parameter.empty
        value_type, default = (list[str], default) if is_required else (list[str] | None, None)
        convert = functools.partial(_collect, collect, option.flags[0])
    elif option.parse is not None:
        value_type = str | None if default is None else str
    info = typer.Option(
        *option.flags,
        metavar=option.metavar,
        help=option.help,
        rich_help_panel=option.panel,
        parser=None if option.parse is None else functools.partial(_parse, option.parse),
        min=option.min,
        max=option.max,
        autocompletion=choose_completer(option.flags, option.metavar),
        show_default=option.show_default if default not in (None, inspect.Parameter.empty) else False,
    )
    return _Parameter(field.name, Annotated[value_type, info], default, convert)


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return inspect.Parameter.empty if field.default_factory is MISSING else None


def _identity(value: Any) -> Any:
    return value


def _parse(parse: Callable[[Any], Any], text: Any) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _collect(collect: Callable[[Sequence[str]], Any], flag: str, texts: Sequence[str] | None) -> Any:
    try:
        return collect(texts or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from error
