"""Which column each input reads: by its own name, or as the user says; values that are the same for all rows beside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Protocol

from composer.problems import InputError, nearest
from composer.problems.suggest import unknown
from composer.rows.file_rows import FILE
from composer.rows.media_root import MediaRoot
from composer.rows.row import GivenRow, RowError, RowSource

__all__ = ["AskedRow", "ColumnMap", "Columns", "MappedInput", "column_map"]

Columns = str | Sequence[str]
"""A column, or several that make the list of an input."""

ID = "id"
LOOKED_AT = 100
"""Rows that are looked at to learn the columns, where the file does not say them."""


class MappedInput(Protocol):
    """What has to be known of an input."""

    @property
    def names_files(self) -> bool:
        """Whether a text that is given as its value is the path of a file."""

    @property
    def may_be_absent(self) -> bool:
        """Whether a sample may come without it."""

    @property
    def is_list(self) -> bool:
        """Whether a sample may have several values, in a list."""


MAP_CURE = "say `--map {0}=COLUMN`"


@dataclass(frozen=True)
class AskedRow:
    """A row as a task is asked it: the value of every input, or why it cannot be."""

    number: int
    id: object = None
    kept: Mapping[str, object] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    fault: RowError | None = None
    columns: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict, repr=False)
    """The columns that inputs read."""

    def column_of(self, name: str) -> str | None:
        """The column that an input reads, where it is one."""
        found = [one for key, one in self.columns.items() if key.partition(".")[0] == name]
        return found[0] if len(found) == 1 and isinstance(found[0], str) else None


@dataclass(frozen=True)
class ColumnMap:
    """Input to column, and what else is taken from a row."""

    columns: Mapping[str, str | tuple[str, ...]]
    """Those of an input of which a row has several values together; `prompt.question` is an entry of a map."""
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

    @cached_property
    def read(self) -> tuple[str, ...]:
        """The columns of which an answer, or what stands beside it, is made."""
        used = {each for columns in self.columns.values() for each in _several(columns)}
        return tuple(sorted({*used, *self.kept, *([] if self.id is None else [self.id])}))

    def asked(self, row: GivenRow) -> AskedRow:
        """The row as the task is asked it; a value that is missing or cannot be used is its fault."""
        if row.fault:
            return AskedRow(row.number, fault=RowError(row.fault))
        id_, kept = None, {}
        try:
            id_ = row.value(self.id) if self.id is not None else None
            kept = {name: row.value(name) for name in self.kept}
            return AskedRow(row.number, id_, kept, self._values(row), columns=self.columns)
        except RowError as fault:
            return AskedRow(row.number, id_, kept, fault=fault)

    def _values(self, row: GivenRow) -> dict[str, object]:
        values = dict(self.constants)
        for name, column in self.columns.items():
            if not isinstance(column, str):
                found = [self._value(name, each, row) for each in column]
                values[name] = [each for each in found if each is not None]
                continue
            value = self._value(name, column, row)
            whole, _, part = name.partition(".")
            if part:
                entries = values.get(whole)
                values[whole] = {**(entries if isinstance(entries, Mapping) else {}), part: value}
            else:
                values[name] = value
        return values

    def _value(self, name: str, column: str, row: GivenRow) -> object:
        """The value of a column; None for one that an input can be without. Raises RowError."""
        value = row.value(column)
        empty = value is None or (name in self.files and isinstance(value, str) and not value)
        if empty and name in self.may_be_absent:
            return None  # tables have no other way to leave a file out
        if column not in row.values:
            used = {each for columns in self.columns.values() for each in _several(columns)}
            guess = nearest(column, [key for key in row.values if key not in used])
            hint = f"; did you mean `{guess}`?" if guess is not None else ""
            raise RowError(f"it has no column `{column}`{hint}", column)
        if value is None:
            raise RowError(f"its column `{column}` has no value", column)
        return value if self.root is None or name not in self.files else self.root.held(value, column)


def _several(columns: str | tuple[str, ...]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else columns


def column_map(
    source: RowSource,
    inputs: Mapping[str, MappedInput],
    task: str,
    *,
    given: Mapping[str, Columns],
    constants: Mapping[str, object],
    id_: str | None,
    kept: Collection[str],
    root: MediaRoot | None,
    cure: str = MAP_CURE,
) -> ColumnMap:
    """Decide which column each input reads.

    Raises InputError for an input that the task does not have, and for a column that no row has.
    """
    owner = f"task `{task}`"
    strange = [name for name in (*given, *constants) if name.partition(".")[0] not in inputs]
    if strange:
        raise unknown("input", strange, inputs, owner)
    chosen = {name: one if isinstance(one, str) else tuple(one) for name, one in given.items()}
    _check_given(chosen, constants, inputs)
    known = _columns(source)
    columns: dict[str, str | tuple[str, ...]] = {}
    for name in inputs:
        columns |= _of_input(name, chosen, constants, known or ())
    asked = [name for name in columns if name not in chosen]
    if source.names_files and len(asked) == 1:
        columns = {**columns, asked[0]: FILE}
    absent = [name for name in columns if name in inputs and inputs[name].may_be_absent]
    used = {each for name in columns for each in _several(columns[name])}
    if known is not None:
        needed = {name: one for name, one in columns.items() if name not in absent or name in chosen}
        _check(source, known, needed, id_, kept, owner, cure)
    id_ = id_ if id_ is not None else _id(source, known)
    used |= set(getattr(source, "own_columns", ()))  # what it reads itself, such as the split of a row
    return ColumnMap(
        columns,
        constants,
        id_,
        tuple(kept),
        [name for name in columns if name in inputs and inputs[name].names_files],
        root,
        tuple(
            name for name in known or () if name not in {*used, *kept} and (name != id_ or source.names_files)
        ),
        absent,
    )


def _of_input(
    name: str,
    chosen: Mapping[str, str | tuple[str, ...]],
    constants: Mapping[str, object],
    known: Collection[str],
) -> dict[str, str | tuple[str, ...]]:
    """What an input reads: a column, or a column for each entry of a map, as `prompt.question` and `prompt.context`."""
    if name in chosen:
        return {name: chosen[name]}
    fixed = constants.get(name)
    entries = {key: one for key, one in chosen.items() if key.startswith(f"{name}.")}
    if name not in known and (fixed is None or isinstance(fixed, Mapping)):
        beside = {f"{name}.{part}" for part in fixed or ()}
        own = [column for column in known if column.startswith(f"{name}.") and column not in beside]
        entries = {**{column: column for column in own}, **entries}
    if entries or name in constants:
        return entries
    return {name: name}


def _check_given(
    chosen: Mapping[str, str | tuple[str, ...]],
    constants: Mapping[str, object],
    inputs: Mapping[str, MappedInput],
) -> None:
    """Raise InputError for an input that is given twice, and for several columns where a row has one value."""
    for name, column in chosen.items():
        whole, _, part = name.partition(".")
        fixed = constants.get(whole)
        if whole in constants and (not part or not isinstance(fixed, Mapping) or part in fixed):
            shown = " and ".join(_several(column))
            raise InputError(f"input `{name}` is read from the column `{shown}` and given beside: do one")
        if not isinstance(column, str) and not (name in inputs and inputs[name].is_list):
            raise InputError(
                f"input `{name}` takes one value of a row, and is to be read from the columns {', '.join(column)}"
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
    columns: Mapping[str, str | tuple[str, ...]],
    id_: str | None,
    kept: Collection[str],
    owner: str,
    cure: str,
) -> None:
    missing = [(name, each) for name, one in columns.items() for each in _several(one) if each not in known]
    used = {each for one in columns.values() for each in _several(one)}
    if missing:
        free = [name for name in known if name not in used]
        error = unknown("column", [each for _, each in missing], known, source.name, likely=free)
        name = missing[0][0]
        only = next(iter(known), "")
        if len(known) == 1 and any(sign in only for sign in ",;|\t"):
            error = InputError(
                f"{source.name} has one column, {only!r}: put commas between columns in a .csv, tabs in a .tsv"
            )
        raise InputError(f"{error}; {owner} reads its input `{name}` there, or {cure.format(name)}")
    for name in (*kept, *([id_] if id_ is not None else [])):
        if name not in known:
            raise unknown("column", name, known, source.name)
