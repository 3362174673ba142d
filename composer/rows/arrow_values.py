"""Rows of Arrow, as Parquet files and saved data sets hold them: each column is converted on its own, so that one that
cannot be does not keep the others from being read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from composer.rows.row import GivenRow

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CONVERSION_ERRORS", "arrow_rows", "reason_of"]

CONVERSION_ERRORS = (OSError, ValueError, ArithmeticError, NotImplementedError)
"""What Arrow raises of content that it cannot read, or that is no value of Python."""


def arrow_rows(table: pa.Table | pa.RecordBatch, first: int) -> Iterator[GivenRow]:
    """The rows of a table or a batch; the first of them has the number `first`."""
    columns: dict[str, list[Any]] = {}
    unreadable: dict[str, dict[int, str]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns[name] = column.to_pylist()
        except CONVERSION_ERRORS:
            columns[name], unreadable[name] = _one_by_one(column)
    for place in range(table.num_rows):
        faults = {name: found[place] for name, found in unreadable.items() if place in found}
        values = {name: column[place] for name, column in columns.items() if name not in faults}
        yield GivenRow(first + place, values, unreadable=faults)


def _one_by_one(column: Any) -> tuple[list[Any], dict[int, str]]:
    """The values of a column, and why those cannot be read that cannot, by their places."""
    values, faults = [], {}
    for place in range(len(column)):
        try:
            values.append(column[place].as_py())
        except CONVERSION_ERRORS as error:
            values.append(None)
            faults[place] = f"{reason_of(error)} (its type is {column.type})"
    return values, faults


def reason_of(error: Exception) -> str:
    """What Arrow says, in one line."""
    return str(error).partition("\n")[0].rstrip(".")
