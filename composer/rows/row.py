"""A row and its answer: what every reader of rows gives, and every writer of answers takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from composer.problems import InputError

__all__ = ["GivenRow", "RowAnswer", "RowError", "RowSource", "hold_columns"]


@dataclass(frozen=True)
class GivenRow:
    """One row, before anything is known of a task."""

    number: int
    """Rows are counted from 1; lines without content are no rows."""
    values: Mapping[str, object] = field(default_factory=dict)
    """Its values by column."""
    fault: str = ""
    """Why it is no row, where it is none: a line that is no JSON."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Columns that have a value which is none of Python, and why; they are not among `values`."""

    def value(self, column: str) -> object:
        """The value of a column; None where there is none. Raises RowError for one that cannot be read."""
        if column in self.unreadable:
            raise RowError(f"its column `{column}` cannot be read: {self.unreadable[column]}", column)
        return self.values.get(column)


class RowError(InputError):
    """One row cannot be answered; `column` is the one at fault, where it is known."""

    def __init__(self, reason: str, column: str | None = None) -> None:
        self.reason, self.column = reason, column
        super().__init__(reason)


@dataclass(frozen=True)
class RowAnswer:
    """The answer to one row: its outputs, or why there are none."""

    row: int
    id: object = None
    """The value of the row's own name; None where it has none."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """What the task gave, by output; empty where there is an error."""
    error: RowError | None = None
    """Why there are no outputs."""
    kept: Mapping[str, object] = field(default_factory=dict)
    """Columns of the row that were asked to stand beside the answer."""

    @property
    def reason(self) -> str:
        """Why there are no outputs; empty where there are some."""
        return "" if self.error is None else self.error.reason


@runtime_checkable
class RowSource(Protocol):
    """Where rows come from. Read as a stream: a file of any size takes the memory of one row."""

    @property
    def name(self) -> str:
        """What messages call it: the path, as it was given."""

    @property
    def folder(self) -> Path | None:
        """Where relative paths in the rows begin, and what they may not leave; None where they are the caller's own."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns of every row; None where each row names its own."""

    @property
    def names_files(self) -> bool:
        """Whether the rows are files, each in the column `file`."""

    def survey(self) -> tuple[int | None, str]:
        """How many rows there are, where that can be told, and a digest of all of them."""

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        """The rows in order, after so many of them."""


def hold_columns(path: Path, columns: Sequence[str]) -> None:
    """Raise InputError where two columns have one name: which of them is read could not be told."""
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise InputError(f"{path} has several columns called `{twice[0]}`: give each a name of its own")
