"""Which column each input reads: by its own name, or as the user says; values that are the same for all rows beside."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice

from composer.execution import InputFacts
from composer.problems import InputError, nearest
from composer.problems.suggest import unknown
from composer.rows.file_rows import FILE
from composer.rows.media_root import MediaRoot
from composer.rows.row import GivenRow, RowError, RowSource

__all__ = ["AskedRow", "ColumnMap", "column_map"]

ID = "id"
LOOKED_AT = 100
"""Rows that are looked at to learn the columns, where the file does not say them."""


@dataclass(frozen=True)
class AskedRow:
    """A row as a task is asked it: the value of every input, or why it cannot be."""

    number: int
    id: object = None
    kept: Mapping[str, object] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    fault: RowError | None = None


@dataclass(frozen=True)
class ColumnMap:
    """Input to column, and what else is taken from a row."""

    columns: Mapping[str, str]
    constants: Mapping[str, object]
    """Input to the value that it has in every row."""
    id: str | None
    """The column that names a row."""
    kept: tuple[str, ...]
    """Columns that stand beside the answers."""
    files: Collection[str]
    """Inputs whose values name files."""
    root: MediaRoot | None
    """Where these lie; None where they are the caller's own."""
    ignored: tuple[str, ...] = ()
    """Columns that nothing reads."""
    may_be_absent: Collection[str] = ()
    """Inputs that a row may leave out, or have no value for."""

    def asked(self, row: GivenRow) -> AskedRow:
        """The row as the task is asked it; a value that is missing or cannot be used is its fault."""
        id_ = row.values.get(self.id) if self.id is not None else None
        kept = {name: row.values.get(name) for name in self.kept}
        if row.fault:
            return AskedRow(row.number, fault=RowError(row.fault))
        try:
            return AskedRow(row.number, id_, kept, self._values(row.values))
        except RowError as fault:
            return AskedRow(row.number, id_, kept, fault=fault)

    def _values(self, row: Mapping[str, object]) -> dict[str, object]:
        values = dict(self.constants)
        for name, column in self.columns.items():
            empty = (
                (None, "") if name in self.files else (None,)
            )  # tables have no other way to leave a file out
            if name in self.may_be_absent and row.get(column) in empty:
                values[name] = None
                continue
            if column not in row:
                guess = nearest(column, [key for key in row if key not in self.columns.values()])
                hint = f"; did you mean `{guess}`?" if guess is not None else ""
                raise RowError(f"it has no column `{column}`{hint}", column)
            value = row[column]
            if value is None:
                raise RowError(f"its column `{column}` has no value", column)
            values[name] = (
                value if self.root is None or name not in self.files else self.root.held(value, column)
            )
        return values


def column_map(
    source: RowSource,
    inputs: Mapping[str, InputFacts],
    task: str,
    *,
    given: Mapping[str, str],
    constants: Mapping[str, object],
    id_: str | None,
    kept: Collection[str],
    root: MediaRoot | None,
) -> ColumnMap:
    """Decide which column each input reads.

    Raises InputError for an input that the task does not have, and for a column that no row has.
    """
    owner = f"task `{task}`"
    strange = [name for name in (*given, *constants) if name not in inputs]
    if strange:
        raise unknown("input", strange, inputs, owner)
    twice = [name for name in given if name in constants]
    if twice:
        raise InputError(
            f"input `{twice[0]}` is read from the column `{given[twice[0]]}` and given beside: do one"
        )
    asked = [name for name in inputs if name not in constants]
    columns = {name: given.get(name, name) for name in asked}
    if source.names_files and len(asked) == 1 and asked[0] not in given:
        columns = {asked[0]: FILE}
    known = _columns(source)
    absent = [name for name in asked if inputs[name].may_be_absent and name not in given]
    if known is not None:
        needed = {name: column for name, column in columns.items() if name not in absent}
        _check(source, known, needed, id_, kept, owner)
    id_ = id_ if id_ is not None else _id(source, known)
    return ColumnMap(
        columns,
        constants,
        id_,
        tuple(kept),
        [name for name in asked if inputs[name].names_files],
        root,
        tuple(name for name in known or () if name not in {*columns.values(), id_, *kept}),
        absent,
    )


def _id(source: RowSource, known: Collection[str] | None) -> str | None:
    if source.names_files:
        return FILE
    return ID if known is None or ID in known else None


def _columns(source: RowSource) -> tuple[str, ...] | None:
    """The columns of the rows; of a file that does not say them, those of its first rows. None: nothing is known."""
    if source.columns is not None:
        return source.columns
    if source.folder is None:
        return None  # rows of Python may come from an iterator, which is read once
    rows = [row for row in islice(source.rows(), LOOKED_AT) if not row.fault]
    return tuple(dict.fromkeys(name for row in rows for name in row.values)) if rows else None


def _check(
    source: RowSource,
    known: Collection[str],
    columns: Mapping[str, str],
    id_: str | None,
    kept: Collection[str],
    owner: str,
) -> None:
    missing = {name: column for name, column in columns.items() if column not in known}
    free = [name for name in known if name not in columns.values()]
    if missing:
        error = unknown("column", list(missing.values()), known, source.name, likely=free)
        name = next(iter(missing))
        raise InputError(f"{error}; {owner} reads its input `{name}` there, or say `--map {name}=COLUMN`")
    for name in (*kept, *([id_] if id_ is not None else [])):
        if name not in known:
            raise unknown("column", name, known, source.name)
