"""The tables that a recipe or a command names, by split as far as files and folders say one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from composer.data.class_folders import ClassFolders
from composer.data.data_faults import DataError
from composer.data.format_table import format_table
from composer.data.tables import Table, opened_table
from composer.plugin import RowFormat
from composer.problems import InputError
from composer.recipes import DataRecipe, split_name
from composer.rows.arrow_folder import saved_splits

__all__ = ["UNDECIDED", "OpenedData", "open_data"]

UNDECIDED = ""
"""Stands for the split of rows that a column or a share decides on."""
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class OpenedData:
    """Tables by split, and what a user should know of them."""

    tables: dict[str, list[Table]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[str, Table]]:
        return ((split, table) for split, tables in self.tables.items() for table in tables)

    @property
    def columns(self) -> dict[str, None]:
        """The columns of all tables that say them."""
        return dict.fromkeys(name for _, table in self for name in table.columns or ())


def open_data(
    data: DataRecipe, folder: Path, formats: Mapping[str, RowFormat] = MappingProxyType({})
) -> OpenedData:
    """Open every file; `formats` are those that `FORMAT:FILE` may name. Raises DataError (C410) for the first that
    holds no rows.
    """
    opened = OpenedData()
    for split, files in data.files.items():
        for file in files:
            key = ("files", split) if split else ("files",)
            try:
                annotated = format_table(file, folder, data.media_root, formats)
                if annotated is not None:
                    opened.tables.setdefault(split, []).append(annotated)
                    continue
                for name, path in _parts(folder / file, split):
                    table = opened_table(path)
                    opened.tables.setdefault(name, []).append(table)
                    opened.notes.extend(_notes(table))
            except DataError:
                raise
            except InputError as error:
                raise DataError(str(error), "C410", *key) from None
    return opened


def _parts(path: Path, split: str) -> list[tuple[str, Path]]:
    """A file or folder, or the parts of a folder that holds several splits."""
    saved = saved_splits(path)
    parts = _split_folders(path) if saved is None else {split_name(name): path / name for name in saved}
    if not parts:
        return [(split, path)]
    if split:
        if split in parts:
            return [(split, parts[split])]
        raise InputError(
            f"{path} holds several splits ({', '.join(parts)}), and none is `{split}`: name one of them"
        )
    return list(parts.items())


def _split_folders(path: Path) -> dict[str, Path]:
    """The folders `train`, `test`, ... where a folder has these and no others."""
    if not path.is_dir() or (path / "state.json").is_file():
        return {}
    found = {
        entry.name: Path(entry.path) for entry in os.scandir(path) if entry.is_dir() and entry.name[0] != "."
    }
    named = {split_name(name): place for name, place in sorted(found.items())}
    return named if "train" in named and set(named) <= set(SPLITS) and len(named) == len(found) else {}


def _notes(table: Table) -> Iterator[str]:
    if isinstance(table, ClassFolders) and table.loose:
        count, first = len(table.loose), table.loose[0]
        noun = "file lies" if count == 1 else "files lie"
        yield f"{table.name}: {count:,} {noun} beside the folders of the classes, in none of them ({first})"
