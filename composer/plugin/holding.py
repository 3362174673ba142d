"""Holding a declaration to its form while it is registered, so that nobody later meets a field of the wrong type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from composer.plugin.declarations import GenerateOptions, Generation, Method, ModuleType
from composer.types import Field, Kind

__all__ = ["hold_declaration"]

_REFERENCE = re.compile(r"[\w.]+:[\w.]+")

Test = Callable[[object], bool]


def _model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _reference(value: object) -> bool:
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def _optional(test: Test) -> Test:
    return lambda value: value is None or test(value)


def _is(*types: type) -> Test:
    return lambda value: isinstance(value, types)


def _references(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_reference, value.values()))


def _texts(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(item, str) for item in value)


def _counts(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(type(item) is int and item > 0 for item in value)


def _methods(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(item, Method) for item in value.values())


def _fields(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(item, Field) for item in value.values())


_MODEL = "a pydantic model: a class that inherits `composer.plugin.Config`"
_A_REFERENCE = 'a text such as "package.module:Name"'
_FORMS: Mapping[str, tuple[Test, str]] = {
    "id": (lambda value: isinstance(value, str) and bool(value.strip()), "a name"),
    "summary": (_is(str), "a text"),
    "config": (_model, _MODEL),
    "methods": (_methods, "a map of `Method`s by name"),
    "signature": (callable, "a function"),
    "attribute": (_is(str), "a text"),
    "builder": (_reference, _A_REFERENCE),
    "loader": (_reference, _A_REFERENCE),
    "reader": (_reference, _A_REFERENCE),
    "file_names": (_texts, "a tuple of texts"),
    "media": (_texts, "a tuple of texts"),
    "processor": (_reference, _A_REFERENCE),
    "implementation": (_reference, _A_REFERENCE),
    "prepare": (_optional(_reference), _A_REFERENCE),
    "sample": (_optional(_reference), _A_REFERENCE),
    "combine": (_optional(_reference), _A_REFERENCE),
    "per_sample": (_is(bool), "true or false"),
    "alone": (_is(bool), "true or false"),
    "needs_reference": (_is(bool), "true or false"),
    "for_training": (_is(bool), "true or false"),
    "higher_is_better": (_is(bool), "true or false"),
    "outputs": (_counts, "a tuple of whole numbers from 1 on"),
    "usual_for": (_texts, "a tuple of texts"),
    "folder": (_optional(_reference), _A_REFERENCE),
    "transforms": (_references, f"a map by name to {_A_REFERENCE}"),
    "generation": (_optional(_is(Generation)), "a `Generation`"),
    "adapter": (_optional(callable), "a function"),
    "names": (_references, f"a map by config field to {_A_REFERENCE}"),
    "made_for": (_optional(callable), "a function"),
    "layout": (_optional(callable), "a function"),
    "examples": (_is(tuple, list), "a tuple of maps"),
    "configs": (_is(tuple, list), "a tuple of maps"),
    "shapes": (_is(Mapping), "a map from transform to two shapes"),
    "host": (_optional(callable), "a function"),
    "files": (_optional(callable), "a function"),
    "refuses": (_optional(callable), "a function"),
    "ports": (callable, "a function"),
    "vocabulary": (_optional(callable), "a function"),
    "ranges": (_optional(callable), "a function"),
    "beams": (callable, "a function"),
    "streams": (callable, "a function"),
    "prompt": (_texts, "a tuple of texts"),
    "takes": (_texts, "a tuple of texts"),
    "gives": (_texts, "a tuple of texts"),
    "packages": (_texts, "a tuple of texts"),
    "programs": (_texts, "a tuple of texts"),
    "keys": (_texts, "a tuple of texts"),
    "formerly": (_is(str), "a text"),
    "rules": (callable, "a function"),
    "parameters": (_optional(callable), "a function"),
    "roots": (_texts, "a tuple of texts"),
    "initialised": (_is(Mapping), "a map"),
    "path": (_is(Path), "a `pathlib.Path`"),
    "weights": (_optional(_is(Path)), "a `pathlib.Path`"),
    "dims": (_texts, "a tuple of texts"),
    "fields": (_fields, "a map of `Field`s by name"),
    "record": (_optional(callable), "a NamedTuple"),
    "parent": (_optional(_is(str)), "the id of a kind"),
}
"""Field of a declaration → whether a value will do, and what would. The fields of all declarations mean the same."""


def hold_declaration(entry: Any) -> None:
    """Raises TypeError that names the entry, the field and what it should be."""
    title = f"{getattr(entry, 'noun', 'kind')} {entry.id!r}"
    _hold(entry, title)
    if isinstance(entry, ModuleType):
        for name, method in entry.methods.items():
            _hold(method, f"method {name!r} of {title}")
            _hold_options(method.options, BaseModel, f"method {name!r} of {title}")
        if entry.generation is not None:
            _hold(entry.generation, f"generation of {title}")
            _hold_options(entry.generation.options, GenerateOptions, f"generation of {title}")
        if entry.stateless and "forward" not in entry.methods:
            raise TypeError(
                f"{title}: it is stateless, so that nodes use it in place: it needs a method `forward`"
            )
    if isinstance(entry, Kind):
        _hold_kind(entry, title)


def _hold(value: object, title: str) -> None:
    for name, (test, form) in _known(value):
        found = getattr(value, name)
        if not test(found):
            raise TypeError(f"{title}: `{name}` is {_shown(found)}, not {form}")


def _known(value: Any) -> Iterator[tuple[str, tuple[Test, str]]]:
    return ((name, _FORMS[name]) for name in type(value).__dataclass_fields__ if name in _FORMS)


def _hold_options(options: object, base: type[BaseModel], title: str) -> None:
    if options is not None and not (isinstance(options, type) and issubclass(options, base)):
        raise TypeError(
            f"{title}: `options` is {_shown(options)}, not a class that inherits `{base.__name__}`"
        )


def _hold_kind(kind: Kind, title: str) -> None:
    for name, field in kind.fields.items():
        if not all(isinstance(axis, int) and 0 <= axis < len(kind.dims) for axis in field.dims):
            raise TypeError(
                f"{title}: field {name!r} reads dims {field.dims}, and there are {len(kind.dims)}"
            )
    if kind.parent == kind.id:
        raise TypeError(f"{title}: it is its own parent")
    names = getattr(kind.record, "_fields", None)
    if names is not None and tuple(names) != tuple(kind.fields):
        raise TypeError(
            f"{title}: its record has the fields {', '.join(names)}, not {', '.join(kind.fields)}"
        )
    if len(kind.fields) != 1 and kind.record is None:
        raise TypeError(f"{title}: it has {len(kind.fields)} fields, so it needs a `record`")


def _shown(value: object) -> str:
    return f"the class `{value.__name__}`" if isinstance(value, type) else f"{value!r:.60}"
