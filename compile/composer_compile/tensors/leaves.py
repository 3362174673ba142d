"""Values of a program as named tensors: records, tuples and maps taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from composer_compile.errors import CompileError

__all__ = ["named_leaves", "rebuild"]


def named_leaves(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in `value` with its place: `cache.memory.0.keys`. None holds no tensor.

    Raises:
        CompileError: something in it is neither a tensor nor a record, tuple, list or map of them.
    """
    if isinstance(value, Tensor):
        yield name, value
    elif value is not None:
        for key, item in _items(value, name):
            yield from named_leaves(item, f"{name}.{key}")


def rebuild(template: Any, take: Callable[[], Tensor]) -> Any:
    """A value built like `template`, with the tensors that `take` gives one after the other."""
    if isinstance(template, Tensor):
        return take()
    if template is None:
        return None
    if isinstance(template, Mapping):
        return type(template)((key, rebuild(item, take)) for key, item in template.items())  # type: ignore[call-arg]
    parts = [rebuild(item, take) for item in template]
    return type(template)(*parts) if hasattr(template, "_fields") else type(template)(parts)


def _items(value: Any, name: str) -> Iterator[tuple[Any, Any]]:
    if hasattr(value, "_fields"):
        return zip(value._fields, value, strict=True)
    if isinstance(value, (tuple, list)):
        return iter(enumerate(value))
    if isinstance(value, Mapping):
        return iter(value.items())
    raise CompileError(
        f"{name} is a {type(value).__name__}, which no tensor program can take or give: "
        "return tensors, or records, tuples and maps of them"
    )
