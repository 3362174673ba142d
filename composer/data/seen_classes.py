"""What a first document can be made of: the classes that data name, and the column beside them that has a class."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from composer.data.class_folders import ClassFolders
from composer.data.data_faults import DataError
from composer.data.opening import open_data
from composer.data.tables import Table
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.recipes import data_recipe
from composer.rows.media_root import path_below
from composer.rows.row import GivenRow, RowError
from composer.types.class_numbers import class_name

__all__ = ["SeenClasses", "see_classes"]

MOST = 10_000
NAMES = ("label", "class", "category", "target")
"""Columns that hold a class where nobody says which does."""
PICTURES = re.compile(r"\.(png|jpe?g|webp|bmp|gif|tiff?)$", re.IGNORECASE)
BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
"""Of the content of pictures."""
FRACTION = re.compile(r"[-+]?\d*[.,]\d+(e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class SeenClasses:
    """The classes in the order of their names, and the columns of the class and of what has it."""

    classes: tuple[str, ...]
    label: str
    value: str
    pictures: bool
    """Whether the values are pictures; otherwise they are texts."""


def see_classes(data: str, label: str | None = None) -> SeenClasses:
    """Look at data for their classes. Raises InputError where they cannot be told."""
    try:
        opened = open_data(data_recipe(data), Path())
    except DataError as error:
        raise InputError(str(error)) from None
    tables = [table for _, table in opened]
    if isinstance(tables[0], ClassFolders):
        if label is not None:
            raise InputError(
                f"{data} is a folder of classes, and --label names a column of a table: leave it out"
            )
        folders = [table for table in tables if isinstance(table, ClassFolders)]
        found = {class_name(name) for table in folders for name in table.classes}
        return _held(SeenClasses(tuple(sorted(found)), "label", "photo", pictures=True), data)
    columns = _columns(tables[0])
    column = _label(columns, label, data)
    names: set[str] = set()
    value, pictures = "", False
    for table in tables:
        own = table.class_names.get(column)
        for index, row in enumerate(table.rows()):
            each = _class_in(row, column, table, index)
            if isinstance(each, float) or (isinstance(each, str) and FRACTION.fullmatch(class_name(each))):
                raise InputError(
                    f"column `{column}` of {data} holds numbers such as {each}, which are no classes, and this "
                    "writes a document that tells classes: write your own, with an input of modality `array` as target"
                )
            if own is not None and isinstance(each, int):
                each = own[each]
            if isinstance(each, (str, int)) and class_name(each):
                names.add(class_name(each))
            if not value and not row.fault:
                value, pictures = _value(row.values, column, table, data)
            if len(names) > MOST:
                raise InputError(
                    f"column `{column}` of {data} has more than {MOST:,} values: it is not a class"
                )
    named = next((table.class_names[column] for table in tables if column in table.class_names), ())
    ordered = tuple(dict.fromkeys(map(class_name, named)))
    return _held(SeenClasses(ordered or tuple(sorted(names, key=_in_order)), column, value, pictures), data)


def _class_in(row: GivenRow, column: str, table: Table, index: int) -> object:
    try:
        return row.value(column)
    except RowError as error:
        raise InputError(f"{table.title(index)}: {error.reason}") from None


def _in_order(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isascii() and name.isdecimal() else (1, 0, name)


def _held(seen: SeenClasses, data: str) -> SeenClasses:
    if len(seen.classes) < 2:
        shown = f"one class, `{seen.classes[0]}`" if seen.classes else "no class"
        raise InputError(f"{data} has {shown} in `{seen.label}`: a class is told from others")
    for name in seen.classes:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise InputError(f"{data} has a class that is not valid Unicode, {name!a}: give it another name")
    return seen


def _columns(table: Table) -> list[str]:
    if table.columns is not None:
        return list(table.columns)
    return list(next((row.values for row in table.rows() if not row.fault), {}))


def _label(columns: list[str], label: str | None, data: str) -> str:
    if label is not None:
        if label not in columns:
            raise unknown("column", label, columns, data)
        return label
    found = next((name for name in NAMES if name in columns), None)
    if found is None:
        raise InputError(
            f"name the column of the class with --label: {data} has {', '.join(f'`{name}`' for name in columns)}"
        )
    return found


def _value(row: object, label: str, table: Table, data: str) -> tuple[str, bool]:
    """The column that has the class, and whether it holds pictures."""
    values = dict(row) if hasattr(row, "keys") else {}  # type: ignore[call-overload]
    values.pop(label, None)
    pictures = [name for name, value in values.items() if _is_picture(value, table)]
    texts = [name for name, value in values.items() if isinstance(value, str) and name != "id"]
    if pictures:
        return pictures[0], True
    if texts:
        return max(texts, key=lambda name: len(values[name])), False
    raise InputError(f"{data} has no column with pictures or texts beside `{label}`")


def _is_picture(value: object, table: Table) -> bool:
    if isinstance(value, dict):
        return "bytes" in value and "path" in value
    if isinstance(value, bytes):
        return value.startswith(BEGINNINGS)
    if not isinstance(value, str) or not PICTURES.search(value):
        return False
    return os.path.isfile(path_below(str(table.folder or ""), value))
