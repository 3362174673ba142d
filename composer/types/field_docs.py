"""Attribute docstrings of pydantic models as field descriptions, read when somebody asks for them.

pydantic can do the same while it makes a class, but parsing the source of every config model takes longer than checking
a document, which needs none of them.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import TypeVar

from pydantic import BaseModel

__all__ = ["documented", "model_at"]

Model = TypeVar("Model", bound=BaseModel)


def documented(model: type[Model]) -> type[Model]:
    """The same model, its fields described by the docstrings below them, and so for the models in its fields."""
    with suppress(Exception):  # models are foreign, and one that cannot be described can still be used
        _describe(model)
    return model


def model_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel] | None:
    """The model of the map at a path of what a model reads; None where none says the keys of what stands there."""
    return next(_models_at(model, path), None)


def _models_at(annotation: object, path: Sequence[str | int]) -> Iterator[type[BaseModel]]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not path:
            yield annotation
        for name, field in annotation.model_fields.items():
            if path and path[0] == (field.alias or name):
                yield from _models_at(field.annotation, path[1:])
    elif origin in (typing.Union, types.UnionType, typing.Annotated):
        for argument in arguments:
            yield from _models_at(argument, path)
    elif path:  # a list or a map
        for argument in arguments:
            yield from _models_at(argument, path[1:])


@cache
def _describe(model: type[BaseModel]) -> None:
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            _describe(inner)
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            texts |= dict(_docstrings(base))
    for name, field in model.model_fields.items():
        if field.description is None and name in texts:
            field.description = texts[name]
    model.model_rebuild(force=True)


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)


def _docstrings(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Name and text of every annotated attribute that a string follows; nothing where the source is not at hand."""
    try:
        source = textwrap.dedent(inspect.getsource(model))
    except (OSError, TypeError):
        return
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            yield statement.target.id, inspect.cleandoc(following.value.value)
