"""Kinds: the registered meaning of a port type, with the tensors that carry it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from composer.types.dims import Dim

__all__ = ["BATCH", "Field", "Kind"]

BATCH = "batch"
"""What a kind calls the dimension that counts samples, and `compile:` the free dimension that it is."""

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

    `dims` names each dimension ("batch", "length", "width"); the one called "batch", or else the first, counts samples,
    or what there are several of for each sample. A kind with one field travels as a bare tensor; one with several
    travels as `record`, a NamedTuple whose fields have the same names in the same order.
    `parent` makes it a sub-kind: it connects wherever the parent is asked for. `mask` names the field that says which
    parts of the others count (1) and which are padding (0). A `ranked` kind holds scores: the largest along its last
    dimension is a choice.
    """

    id: str
    summary: str
    dims: tuple[str, ...]
    fields: Mapping[str, Field]
    record: Callable[..., Any] | None = None
    parent: str | None = None
    mask: str | None = None
    ranked: bool = False

    def __post_init__(self) -> None:
        if self.mask is not None and (self.record is None or self.mask not in self.fields):
            raise ValueError(f"kind {self.id} has no field {self.mask!r} in a record, which its `mask` names")

    @property
    def batch_axis(self) -> int | None:
        """Which of `dims` counts samples; None for a kind that has one value for the whole batch."""
        if BATCH in self.dims:
            return self.dims.index(BATCH)
        return 0 if self.dims else None

    def batch_of(self, dims: Sequence[Dim]) -> Dim | None:
        """What counts the samples of a port with these dims; None where nothing does."""
        axis = self.batch_axis
        return None if axis is None or axis >= len(dims) else dims[axis]

    def rows(self, value: Any) -> int | None:
        """How many samples a value has, by its batch; None for a kind without one."""
        axis = self.batch_axis
        parts = value if self.record is not None else (value,)
        for field, part in zip(self.fields.values(), parts, strict=True):
            if part is not None and axis in field.dims:
                rows: int = len(part) if isinstance(part, list) else part.shape[field.dims.index(axis)]
                return rows
        return None

    @property
    def has_objects(self) -> bool:
        """Whether a part of it, such as text, is what no tensor holds, and stays on the host."""
        return any(field.dtype == "object" for field in self.fields.values())

    @property
    def holds_arrays(self) -> bool:
        """Whether each sample can be given as an array: there is a batch, and numbers in it."""
        return self.batch_axis is not None and all(field.dtype != "object" for field in self.fields.values())
