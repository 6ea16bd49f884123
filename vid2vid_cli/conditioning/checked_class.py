"""Classes of plugins in which the result of every method is checked, and every fault is a PluginError."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import cache, wraps
from typing import Any

from vid2vid_cli.conditioning import plugin_results as results
from vid2vid_cli.conditioning.conditioner import Annotation, Conditioner
from vid2vid_cli.conditioning.plugin_calls import plugin_call, plugin_fault

Method = Callable[..., Any]
FindProblem = Callable[..., str]
"""(conditioner, result, arguments of the method) -> what is wrong with the result, or ""."""
_END = object()
_CHECKED_MARK = "_is_checked"


@cache
def checked_class(plugin_class: type[Conditioner]) -> type[Conditioner]:
    """The subclass of a plugin's class whose methods raise PluginError for exceptions and invalid results."""
    checked_methods = {
        name: wrap(getattr(plugin_class, name))
        for name, wrap in _WRAPPERS.items()
        if getattr(plugin_class, name) is not getattr(Conditioner, name)
    }
    attributes = {"__module__": plugin_class.__module__, "__doc__": plugin_class.__doc__, _CHECKED_MARK: True}
    return type(plugin_class.__name__, (plugin_class,), {**attributes, **checked_methods})


def checked_conditioner(conditioner: Conditioner) -> Conditioner:
    """A copy of a conditioner of any class, of the checked class."""
    if _CHECKED_MARK in vars(type(conditioner)):
        return conditioner
    checked = copy(conditioner)
    checked.__class__ = checked_class(type(conditioner))
    return checked


def _wrap_method(find_problem: FindProblem | None = None) -> Callable[[Method], Method]:
    """A wrapper for a method whose result is returned at once."""

    def wrap(method: Method) -> Method:
        @wraps(method)
        def call(self: Conditioner, *arguments: Any, **keywords: Any) -> Any:
            name = self.spec.name
            with plugin_call(name, method.__name__):
                result = method(self, *arguments, **keywords)
                problem = find_problem(self, result, *arguments, **keywords) if find_problem is not None else ""
            if problem:
                raise plugin_fault(name, method.__name__, problem)
            return result

        return call

    return wrap


def _wrap_property(find_problem: FindProblem) -> Callable[[Any], property]:
    """A wrapper for a property."""
    return lambda inner: property(_wrap_method(find_problem)(inner.fget))


def _wrap_annotate(method: Method) -> Method:
    @wraps(method)
    def annotate(self: Conditioner, frames: Iterable[Any]) -> Iterator[Annotation]:
        layout: dict[str, Any] = {}

        def find_problem(annotation: Any, frame: Any) -> str:
            problem = results.annotation_problem(annotation, frame.rgb.shape[:2])
            return problem or results.layout_problem(annotation, layout)

        return _check_stream(self.spec.name, "annotate", lambda items: method(self, items), frames, find_problem)

    return annotate


def _wrap_retarget(method: Method) -> Method:
    @wraps(method)
    def retarget(
        self: Conditioner, annotations: Iterable[Annotation], source: Any, target: Any
    ) -> Iterator[Annotation]:
        return _check_stream(
            self.spec.name,
            "retarget",
            lambda items: method(self, items, source, target),
            annotations,
            lambda annotation, _: results.annotation_problem(annotation),
        )

    return retarget


def _wrap_subject_masks(method: Method) -> Method:
    @wraps(method)
    def subject_masks(self: Conditioner, images: Iterable[Any]) -> Iterator[Any]:
        return _check_stream(
            self.spec.name, "subject_masks", lambda items: method(self, items), images, results.mask_problem
        )

    return subject_masks


class _Source:
    """The input of a stream: the items that have no result yet, and the exceptions that reading them has raised."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.iterator = iter(items)
        self.pending: deque[Any] = deque()
        self.errors: list[BaseException] = []

    def read(self) -> Iterator[Any]:
        try:
            for item in self.iterator:
                self.pending.append(item)
                yield item
        except GeneratorExit:
            raise
        except BaseException as error:
            self.errors.append(error)
            raise


def _check_stream(
    name: str, method_name: str, call: Callable[[Iterator[Any]], Any], items: Iterable[Any], find_problem: FindProblem
) -> Iterator[Any]:
    """Yield the results of a method that returns one result for each item, in order."""
    source = _Source(items)
    with plugin_call(name, method_name, source.errors):
        stream = iter(call(source.read()))
    try:
        while True:
            with plugin_call(name, method_name, source.errors):
                result = next(stream, _END)
                if result is _END:
                    break
                problem = find_problem(result, source.pending.popleft()) if source.pending else "too many results"
            if problem:
                raise plugin_fault(name, method_name, problem)
            yield result
        if source.pending or next(source.iterator, _END) is not _END:
            raise plugin_fault(name, method_name, "it did not return one result for each frame")
    finally:
        if hasattr(stream, "close"):
            with plugin_call(name, method_name):
                stream.close()


def _augment_problem(conditioner: Conditioner, augmented: Any, annotations: Any, rng: Any) -> str:
    if len(augmented) != len(annotations):
        return f"{len(augmented)} annotations for {len(annotations)} frames"
    return next(filter(None, map(results.annotation_problem, augmented)), "")


def _count_problem(conditioner: Conditioner, count: Any) -> str:
    return "" if isinstance(count, int) and count > 0 else f"a positive integer is needed, not {count!r}"


def _errors_problem(conditioner: Conditioner, errors: Any, detected: Any, reference: Any) -> str:
    is_valid = isinstance(errors, dict) and all(isinstance(value, (int, float)) for value in errors.values())
    return "" if is_valid else f"a dict of numbers is needed, not {errors!r}"


_WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "__init__": _wrap_method(),
    "bind": _wrap_method(),
    "input_paths": _wrap_method(),
    "num_channels": _wrap_property(_count_problem),
    "annotate": _wrap_annotate,
    "render": _wrap_method(
        lambda self, result, annotation, view: results.channels_problem(result, self.num_channels, view)
    ),
    "visualize": _wrap_method(lambda self, result, annotation, view: results.rgb_problem(result, view)),
    "augment": _wrap_method(_augment_problem),
    "hflip": _wrap_method(
        lambda self, result, annotation: results.annotation_problem(result, (annotation.height, annotation.width))
    ),
    "region_boxes": _wrap_method(
        lambda self, result, annotation, view: results.boxes_problem(result, self.region_names)
    ),
    "subject_masks": _wrap_subject_masks,
    "describe": _wrap_method(lambda self, result, annotation, view: results.descriptor_problem(result)),
    "bones": _wrap_method(lambda self, result: results.bones_problem(result)),
    "classes": _wrap_method(lambda self, result: results.classes_problem(result)),
    "class_channels": _wrap_method(),
    "statistics": _wrap_method(lambda self, result, annotations: results.statistics_problem(result)),
    "retarget": _wrap_retarget,
    "errors": _wrap_method(_errors_problem),
    "measure": _wrap_method(lambda self, result, annotation: results.measurements_problem(result)),
    "fingerprint": _wrap_method(lambda self, result: results.json_problem(result)),
}
"""Method -> wrapper; only methods that a plugin overrides are wrapped."""
