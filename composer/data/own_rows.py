"""A user's own rows as a data set: split, read when their turn comes, and known by file and row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from composer.data.data_columns import TaskInput, columns_of, inputs_of
from composer.data.data_faults import BadRow, DataError, told
from composer.data.opening import OpenedData, open_data
from composer.data.row_splits import VALIDATION, PlacedRows, place_rows
from composer.graph import CheckedTask
from composer.plugin import RowFormat
from composer.problems import InputError
from composer.recipes import DataRecipe, TaskRecipe
from composer.rows.column_map import ColumnMap

__all__ = ["OwnRows", "OwnSamples", "read_own"]

TRAINED = "train"
LARGEST_PART = 0.5
"""Where a larger part of the rows cannot be used, leaving them out is not what anybody means."""


@dataclass
class OwnRows:
    """Data of one task: a `composer.plugin.DatasetImplementation`."""

    name: str
    task: str
    data: DataRecipe
    recipe: TaskRecipe
    opened: OpenedData
    inputs: Mapping[str, TaskInput]
    maps: Sequence[ColumnMap]
    placed: PlacedRows
    reference: str | None = None
    """The column that answers are scored with."""
    late: dict[str, BadRow] = field(default_factory=dict)
    """Rows that were found out when their turn came, by title."""

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have rows."""
        return tuple(name for name, (_, rows) in self.placed.splits.items() if len(rows))

    @property
    def skips(self) -> bool:
        """Whether rows that cannot be used are left out."""
        return self.data.bad_rows == "skip"

    def samples(self, split: str, epoch: int = 0) -> OwnSamples:
        return OwnSamples(self, split)

    @property
    def notes(self) -> Iterator[str]:
        """What a user should know: the sizes of splits, rows that two of them have, columns that nothing reads, rows
        that are left out.
        """
        sizes = ", ".join(
            f"{len(rows):,} {name}" for name, (_, rows) in sorted(self.placed.splits.items(), key=_order)
        )
        drawn = ""
        if self.placed.share:
            held = "is held out for validation; --validation-share 0 holds out none"
            alike = "for validation holds out none: rows that hold the same stay together"
            drawn = (
                f" (a share of {self.placed.share:g} {held if VALIDATION in self.placed.splits else alike})"
            )
        yield f"{self.name}: {sizes}{drawn}"
        trained = len(self.placed.splits.get(TRAINED, ((), ()))[1])
        for name, shared in self.placed.shared.items():
            yield (
                f"{shared.count:,} of {trained:,} rows of split `{TRAINED}` are rows of split `{name}` too, the first "
                f"of them {shared.first} and {shared.there}: scores on these say nothing of new rows"
            )
        ignored = dict.fromkeys(name for mapped in self.maps for name in mapped.ignored)
        ignored.pop(self.reference or "", None)
        if ignored:
            names = ", ".join(f"`{name}`" for name in ignored)
            yield f"nothing reads the column{'s' if len(ignored) > 1 else ''} {names}"
        yield from self.opened.notes
        if self.placed.bad:
            yield f"left out: {told(self.placed.bad, self.placed.rows)}"

    def leave_out_late(self, title: str, reason: str) -> None:
        """Keep in mind that a row could not be used when its turn came."""
        self.late.setdefault(title, BadRow(title, None, reason.removeprefix(f"{title}, ")))

    def hold_good(self) -> None:
        """Raise DataError (C412) where rows are at fault and are not to be left out, or are too many."""
        bad, rows = self.placed.bad, self.placed.rows
        if not bad:
            return
        if len(bad) == rows or (self.skips and len(bad) > LARGEST_PART * rows):
            raise DataError(
                told(bad, rows), "C412", "files", helps=("mend the data: that is more than half of them",)
            )
        if not self.skips:
            help_ = "mend them, or leave them out with --bad-rows skip (bad_rows: skip)"
            raise DataError(told(bad, rows), "C412", "files", helps=(help_,))

    def record(self) -> dict[str, Any]:
        """What the record of a run says of the data."""
        files = []
        for split, table in self.opened:
            count, digest = table.survey()
            files.append(
                {
                    "file": Path(table.name).name,
                    **({"split": split} if split else {}),
                    "rows": count,
                    "sha256": digest,
                }
            )
        left_out = [str(row) for row in (*self.placed.bad, *self.late.values())]
        return {
            "files": files,
            "columns": dict(self.maps[0].columns),
            "splits": {name: len(rows) for name, (_, rows) in self.placed.splits.items()},
            "also_trained": {name: shared.count for name, shared in self.placed.shared.items()},
            "left_out": {"rows": len(left_out), "first": left_out[:20]},
        }


class OwnSamples(Sequence[Mapping[str, Any]]):
    """The rows of one split: of each, the values of the inputs by their names, and its columns."""

    def __init__(self, own: OwnRows, split: str) -> None:
        if split not in own.splits:
            raise InputError(f"{own.name} has no rows of split `{split}` (splits: {', '.join(own.splits)})")
        self.own, self.split = own, split
        self._tables, self._rows = own.placed.splits[split]
        self._opened = [table for _, table in own.opened]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> dict[str, Any]:  # type: ignore[override]
        number = self._tables[index]
        table, mapped = self._opened[number], self.own.maps[number]
        row = table.row(self._rows[index])
        asked = mapped.asked(row)
        if asked.fault is not None:
            raise InputError(str(BadRow(self.title(index), asked.fault.column, asked.fault.reason)))
        sample = {
            **row.values,
            **{
                name: self._value(name, value, mapped, table.class_names)
                for name, value in asked.values.items()
            },
        }
        sample.update(
            {field: sample[name] for name, field in self.own.recipe.fields.items() if name in asked.values}
        )
        return sample

    def _value(
        self, name: str, value: object, mapped: ColumnMap, named: Mapping[str, Sequence[str]]
    ) -> object:
        """The value of an input: of a class that the data name themselves, the name."""
        column = mapped.columns.get(name)
        names = named.get(column, ()) if isinstance(column, str) else ()
        item = self.own.inputs.get(name)
        if names and item is not None and item.classes is not None and isinstance(value, int):
            return names[value] if 0 <= value < len(names) else value
        return value

    def title(self, index: int) -> str:
        """What messages call a sample."""
        return self._opened[self._tables[index]].title(self._rows[index])

    def column(self, index: int, name: str) -> str | None:
        """The column that an input reads, where it is one."""
        found = self.own.maps[self._tables[index]].columns.get(name)
        return found if isinstance(found, str) else None

    def place(self, index: int, name: str) -> str:
        """What messages call a value: `train.csv, row 3, column `label``."""
        column = self.column(index, name)
        return f"{self.title(index)}, " + (f"column `{column}`" if column is not None else f"input `{name}`")


def read_own(
    task: CheckedTask,
    recipe: TaskRecipe,
    data: DataRecipe,
    folder: Path,
    formats: Mapping[str, RowFormat] = MappingProxyType({}),
) -> OwnRows:
    """Open the data of a task and split them: every row is read once, no file that it names.

    Raises DataError for data that cannot be used as they are asked for; which rows are bad `hold_good` tells.
    """
    inputs = inputs_of(task, recipe)
    opened = open_data(data, folder, formats)
    maps = [columns_of(table, inputs, task.name, data, recipe, folder) for _, table in opened]
    files = [name for name, item in inputs.items() if item.names_files]
    asked = [name for name in sorted(inputs) if not inputs[name].training]
    placed = place_rows(opened, maps, data, files, asked)
    names = ", ".join(dict.fromkeys(file for each in data.files.values() for file in each))
    return OwnRows(names, task.name, data, recipe, opened, inputs, maps, placed)


def _order(item: tuple[str, object]) -> tuple[int, str]:
    usual = ("train", "validation", "test")
    return (usual.index(item[0]) if item[0] in usual else len(usual), item[0])
