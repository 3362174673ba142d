"""Writes docs/plugins/reference.md from the code: hooks, declarations with their fields, and contracts."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import composer.plugin
import composer.types
from composer.plugin import Config, hooks
from composer.plugin.registry import SECTIONS

PAGE = Path(__file__).parent / "plugins" / "reference.md"
HEAD = """\
# Reference of declarations and hooks

Written by `docs/make_plugin_reference.py` from the code; a test holds it to be current.
[Writing a plugin](../plugins.md) explains how these work together, the [tutorial](sound.md) shows them at work.
Import declarations and contracts from `composer.plugin`, types from `composer.types`.
"""
TYPES = ("Kind", "Field", "Signature", "Port", "PortType", "Dim", "States", "Tokens", "VocabularyIds")


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote docs/plugins/{PAGE.name}")


def page() -> str:
    parts = [
        HEAD,
        "## Hooks",
        *_hooks(),
        "## Declarations",
        "What `register(...)` takes, and what these are made of.",
    ]
    named = {name: getattr(composer.plugin, name) for name in composer.plugin.__all__}
    registered = [entry for entry in SECTIONS if entry.__module__.startswith("composer.plugin")]
    others = [each for each in named.values() if _is_declaration(each) and each not in registered]
    parts += [_class(each) for each in (*registered, *others)]
    parts += [
        "## Contracts",
        "What implementations offer: objects with these methods will do, whatever their class.",
    ]
    parts += [_class(each) for each in named.values() if _is_contract(each)]
    parts += ["## Types", "What declarations are written with, and what flows between modules."]
    parts += [_class(getattr(composer.types, name)) for name in TYPES]
    parts += [
        "## Functions",
        *(_function(name, each) for name, each in named.items() if inspect.isfunction(each)),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _hooks() -> Iterator[str]:
    for name, hook in vars(hooks).items():
        if inspect.isfunction(hook) and name in hooks.__all__:
            yield _function(name, hook)


def _is_declaration(value: object) -> bool:
    return inspect.isclass(value) and (
        dataclasses.is_dataclass(value) or (issubclass(value, Config) and value is not Config)
    )


def _is_contract(value: object) -> bool:
    return inspect.isclass(value) and getattr(value, "_is_protocol", False) and value is not Protocol


def _function(name: str, function: Callable[..., object]) -> str:
    return f"### `{name}{_signature(function)}`\n\n{_doc(function)}"


def _class(cls: type) -> str:
    """One class: what it is for, its fields with their defaults, and the methods that it offers."""
    rows = [f"### {cls.__name__}", _doc(cls)]
    fields = list(_fields(cls))
    if fields:
        rows.append("\n".join(["| field | default | |", "| --- | --- | --- |", *fields]))
    if _is_contract(cls):
        rows += list(_members(cls))
    return "\n\n".join(row for row in rows if row)


def _fields(cls: type) -> Iterator[str]:
    told = _field_docs(cls)
    for name, annotation, default in _declared(cls):
        text = " ".join(told.get(name, "").split()).replace("|", "\\|")
        shown = f"`{annotation}`".replace("|", "\\|")
        yield f"| `{name}`: {shown} | {default} | {text} |"


def _declared(cls: type) -> Iterator[tuple[str, str, str]]:
    if issubclass(cls, Config):
        for name, field in cls.model_fields.items():
            default = (
                "required" if field.is_required() else _shown(field.get_default(call_default_factory=True))
            )
            yield field.alias or name, _type(field.annotation), default
    elif dataclasses.is_dataclass(cls):
        for each in dataclasses.fields(cls):
            if each.init and each.name != "plugin":
                given = each.default is not dataclasses.MISSING
                made = each.default_factory is not dataclasses.MISSING
                default = _shown(each.default) if given else "empty" if made else "required"
                yield each.name, str(each.type), default
    elif issubclass(cls, tuple):
        for name in cls._fields:  # type: ignore[attr-defined]
            default = _shown(cls._field_defaults[name]) if name in cls._field_defaults else "required"  # type: ignore[attr-defined]
            yield (
                name,
                str(cls.__annotations__[name]).removeprefix("ForwardRef('").removesuffix("')"),
                default,
            )


def _type(annotation: Any) -> str:
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__
    return str(annotation).replace("typing.", "").replace("composer.plugin.declarations.search.", "")


def _shown(value: object) -> str:
    if isinstance(value, types.FunctionType):
        return "a function of the config"
    return f"`{value!r}`" if value not in ((), {}, []) else "empty"


def _field_docs(cls: type) -> dict[str, str]:
    """The texts below the fields of a class and of its bases."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("composer."):
            continue
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        body = getattr(node, "body", [])
        for one, other in pairwise(body):
            text = other.value if isinstance(other, ast.Expr) else None
            if (
                isinstance(one, ast.AnnAssign)
                and isinstance(one.target, ast.Name)
                and isinstance(text, ast.Constant)
            ):
                found[one.target.id.removesuffix("_")] = str(text.value)
    return found


def _members(cls: type) -> Iterator[str]:
    for name, member in vars(cls).items():
        if name.startswith("_") and name != "__call__":
            continue
        if isinstance(member, property):
            yield f"- `{name}`: {_doc(member) or 'an attribute'}"
        elif inspect.isfunction(member):
            yield f"- `{name}{_signature(member)}`: {_doc(member) or 'as above'}"


def _signature(function: Callable[..., object]) -> str:
    return str(inspect.signature(function)).replace("'", "").replace("(self, ", "(").replace("(self)", "()")


def _doc(value: object) -> str:
    own = value.__dict__.get("__doc__") if inspect.isclass(value) else getattr(value, "__doc__", None)
    text = inspect.cleandoc(own) if own else ""
    return "" if text.startswith(f"{getattr(value, '__name__', '')}(") else text


if __name__ == "__main__":
    main()
