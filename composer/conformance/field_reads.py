"""The promise of a config: each of its fields is read by something while its entry is tried."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, replace
from inspect import get_annotations, getsource
from types import FrameType, new_class
from typing import Any, TypeVar

from composer.conformance.report import Failure
from composer.plugin.declarations import Config, Dataset, Metric, Modality, ModuleType, SearchPolicy

__all__ = ["Configured", "FieldReads"]

Configured = TypeVar("Configured", Dataset, Metric, Modality, ModuleType, SearchPolicy)
WHOLE = frozenset({"__dict__", "model_dump", "model_dump_json", "model_copy", "__iter__"})
"""What gives every field at once, so that nobody sees which are used."""


class FieldReads:
    """Which fields of an entry's config are read, by name, or all at once by a plugin.

    What is only shown does not count. Fields that classes of `composer` declare are read there.
    """

    def __init__(self, model: type[Config]) -> None:
        own = [each for each in model.__mro__ if _is_own(each)]
        names = {name for each in own for name in get_annotations(each)}
        self._own = names & set(model.model_fields)
        self._seen: set[str] = set()

    def of(self, entry: Configured) -> Configured:
        """The same entry, whose configs tell what is read of them."""
        return replace(entry, config=self._watched(entry.config)) if self._own else entry

    def check(self, entry: Configured) -> str:
        """Ask the functions of the declaration as well. Raises Failure for fields that nothing read by then."""
        self._ask(entry)
        unread = [name for name in entry.config.model_fields if name in self._own - self._seen]
        if unread:  # a field may count beside another, or for unusual values alone: then some line names it
            named = set(_attributes(entry.config))
            unread = [name for name in unread if name not in named]
        if unread:
            names = ", ".join(f"`{name}`" for name in unread)
            raise Failure(
                f"nothing reads {names} of {entry.config.__name__}, with any of its examples or in any other line: "
                "use what it says, or take it away"
            )
        return ""

    def _ask(self, entry: Configured) -> None:
        """Ask what the kit holds nowhere, such as `ranges`. What goes wrong here goes wrong in the checker as well."""
        for example in entry.examples or ({},):
            with suppress(Exception):
                config = entry.config.model_validate(example)
                for function in _functions(entry):
                    for arguments in ((config,), (config, None)):
                        with suppress(Exception):
                            function(*arguments)

    def _watched(self, model: type[Config]) -> type[Config]:
        def read(config: Config, name: str) -> Any:
            if name in self._own:
                self._seen.add(name)
            elif name in WHOLE and not _is_ours(sys._getframe(1)):
                self._seen |= self._own
            return model.__getattribute__(config, name)

        body = {
            "__module__": model.__module__,
            "__qualname__": model.__qualname__,
            "__doc__": model.__doc__,
            "__getattribute__": read,
        }
        return new_class(model.__name__, (model,), exec_body=lambda space: space.update(body))


def _functions(entry: object) -> Iterator[Callable[..., object]]:
    for field in fields(entry):  # type: ignore[arg-type] # a declaration is a dataclass
        value = getattr(entry, field.name)
        if callable(value) and not isinstance(value, type):
            yield value


def _attributes(model: type[Config]) -> Iterator[str]:
    """Names of attributes that are read in the modules of a config's package that speak of it, or of a base of it."""
    package = model.__module__.partition(".")[0]
    names = [each.__name__ for each in model.__mro__ if _is_own(each)]
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").partition(".")[0] != package:
            continue
        with suppress(OSError, TypeError, SyntaxError):
            source = getsource(module)
            if any(name in source for name in names):
                yield from filter(None, map(_attribute, ast.walk(ast.parse(source))))


def _attribute(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
            return name
    return ""


def _is_own(model: type) -> bool:
    return model.__module__.partition(".")[0] not in ("composer", "pydantic", "builtins")


def _is_ours(frame: FrameType | None) -> bool:
    """Whether the kit or the checker asks, and no plugin."""
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "pydantic":
        frame = frame.f_back
    return frame is None or frame.f_globals.get("__name__", "").partition(".")[0] == "composer"
