"""The samples of a dataset as rows, and rows whose classes are named by the data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import NoReturn

from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.rows.row import GivenRow, RowError, RowSource

__all__ = ["DatasetRows", "NamedRows", "SplitRows"]

LOOKED_AT = 1000
"""Rows that are looked at to say what a column has instead of a split."""


@dataclass(frozen=True)
class DatasetRows:
    """The samples of a split, each read when its turn comes. What makes them stands for their digest."""

    name: str
    made_of: str
    """The dataset, its config and the split: other samples are made of something else."""
    samples: Sequence[Mapping[str, object]] = field(repr=False)
    chosen: range | None = None
    """Which of them; left out, all."""
    columns: tuple[str, ...] | None = None
    names_files: bool = False
    folder: Path | None = None

    @property
    def numbers(self) -> range:
        """The numbers of the samples that are rows, in order."""
        return range(len(self.samples)) if self.chosen is None else self.chosen

    def survey(self) -> tuple[int | None, str]:
        return len(self.numbers), hashlib.sha256(self.made_of.encode()).hexdigest()

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        numbers = self.numbers
        for place in range(skipped, len(numbers)):
            yield GivenRow(place + 1, self.samples[numbers[place]])


class NamedRows:
    """Rows of a table that numbers its classes and names them itself: their names stand where the numbers do."""

    def __init__(self, table: RowSource, names: Mapping[str, Sequence[str]]) -> None:
        self._table, self._names = table, names
        self.name, self.folder, self.columns = table.name, table.folder, table.columns
        self.names_files = table.names_files

    def survey(self) -> tuple[int | None, str]:
        return self._table.survey()

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        for row in self._table.rows(skipped):
            named = {
                column: names[value]
                for column, names in self._names.items()
                if isinstance(value := row.values.get(column), int) and 0 <= value < len(names)
            }
            yield replace(row, values={**row.values, **named}) if named else row


class SplitRows:
    """The rows of one split of a file, as a column says it. `named` gives a split its one name: `val` is `validation`.

    Raises InputError where no row has the column, or none has the split.
    """

    def __init__(self, rows: RowSource, column: str, split: str, named: Callable[[str], str]) -> None:
        self._rows, self._column, self._split, self._one_name = rows, column, named(split), named
        self.name, self.folder, self.columns = f"{rows.name} ({split})", rows.folder, rows.columns
        self.names_files = rows.names_files
        self.own_columns = (*getattr(rows, "own_columns", ()), column)
        if rows.columns is not None and column not in rows.columns:
            raise _no_column(column, rows.columns, rows.name)
        if next(self.rows(), None) is None:
            self._tell_none(split)

    def _tell_none(self, split: str) -> NoReturn:
        """Raise InputError that says what the first rows have instead."""
        name, column = self._rows.name, self._column
        first = [row.values for row in islice(self._rows.rows(), LOOKED_AT) if not row.fault]
        if not first:
            raise InputError(f"{name} has no rows that can be read")
        columns = dict.fromkeys(each for values in first for each in values)
        if column not in columns:
            raise _no_column(column, columns, name)
        found = dict.fromkeys(str(values[column]) for values in first if column in values)
        shown = ", ".join([*found][:8])
        raise InputError(f"no row of {name} has `{split}` in its column `{column}`, but {shown}")

    def survey(self) -> tuple[int | None, str]:
        _, digest = self._rows.survey()
        made = hashlib.sha256(f"{digest} {self._column} {self._split}".encode())
        return sum(1 for _ in self.rows()), made.hexdigest()

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        """The rows of the split, counted from 1 among themselves; rows that cannot be read are none of it."""
        own = (row for row in self._rows.rows() if self._is_own(row))
        for number, row in enumerate(islice(own, skipped, None), skipped + 1):
            yield replace(row, number=number)

    def _is_own(self, row: GivenRow) -> bool:
        try:
            value = row.value(self._column)
        except RowError as error:
            raise InputError(f"{self._rows.name}, row {row.number:,}: {error.reason}") from None
        return isinstance(value, str) and self._one_name(value.strip()) == self._split


def _no_column(column: str, columns: Iterable[str], name: str) -> InputError:
    told = unknown("column", column, columns, name)
    return InputError(f"{told}; --split-by (split_by) names the column that says the split of a row")
