"""Kinds: the registered meaning of a port type, with the tensors that carry it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Field", "Kind"]

Dtype = Literal["float", "int64", "uint8", "bool", "object"]


@dataclass(frozen=True, slots=True)
class Field:
    """One tensor of a kind: its dtype, and which of the port type's dims (by position) shape it."""

    dtype: Dtype
    dims: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A registered kind.

    `dims` names each dimension ("batch", "length", "width"), for messages. A kind with one field travels as a bare
    tensor; one with several travels as `record`, a NamedTuple whose fields have the same names in the same order.
    `parent` makes it a sub-kind: it connects wherever the parent is asked for.
    """

    id: str
    summary: str
    dims: tuple[str, ...]
    fields: Mapping[str, Field]
    record: Callable[..., Any] | None = None
    parent: str | None = None

    @property
    def holds_arrays(self) -> bool:
        """Whether each sample can be given as an array: there is a batch, and numbers in it."""
        return bool(self.dims) and all(field.dtype != "object" for field in self.fields.values())
