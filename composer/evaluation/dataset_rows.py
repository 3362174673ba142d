"""The samples of a dataset as rows, and rows whose classes are named by the data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from composer.rows.row import GivenRow, RowSource

__all__ = ["DatasetRows", "NamedRows"]


@dataclass(frozen=True)
class DatasetRows:
    """The samples of a split, each read when its turn comes. What makes them stands for their digest."""

    name: str
    made_of: str
    """The dataset, its config and the split: other samples are made of something else."""
    samples: Sequence[Mapping[str, object]] = field(repr=False)
    columns: tuple[str, ...] | None = None
    names_files: bool = False
    folder: Path | None = None

    def survey(self) -> tuple[int | None, str]:
        return len(self.samples), hashlib.sha256(self.made_of.encode()).hexdigest()

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        for index in count(skipped):
            if index >= len(self.samples):
                return
            yield GivenRow(index + 1, self.samples[index])


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
