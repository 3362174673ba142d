"""Which column of a table each input of a task reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from composer.data.class_folders import CLASS, FILE, ClassFolders
from composer.data.data_faults import DataError
from composer.data.tables import Table
from composer.graph import CheckedTask
from composer.problems import InputError
from composer.recipes import DataRecipe, TaskRecipe
from composer.rows.column_map import ColumnMap, Columns, column_map
from composer.rows.media_root import MediaRoot

__all__ = ["TaskInput", "columns_of", "inputs_of"]

CURE = "say `--map {0}=COLUMN` (`columns: {{{0}: COLUMN}}` in a recipe)"


@dataclass(frozen=True)
class TaskInput:
    """What has to be known of an input of a task or of its objective."""

    modality: str
    names_files: bool
    may_be_absent: bool
    is_list: bool
    training: bool
    """Whether only the objective takes it."""
    classes: tuple[str, ...] | None = None
    """The names of its classes, where its values are classes."""


def inputs_of(task: CheckedTask, recipe: TaskRecipe) -> dict[str, TaskInput]:
    """The inputs that rows bring: all, but for the one that counts the samples of a group."""
    counts = recipe.group.counts if recipe.group is not None else None
    found = {}
    for name, item in task.inputs.items():
        if name == counts:
            continue
        several = item.several
        found[name] = TaskInput(
            item.modality.id,
            item.modality.names_files,
            item.default is not None or (several is not None and several.may_be_absent),
            several is not None and several.is_list,
            item.training,
            item.classes,
        )
    return found


def columns_of(
    table: Table,
    inputs: Mapping[str, TaskInput],
    task: str,
    data: DataRecipe,
    recipe: TaskRecipe,
    folder: Path,
) -> ColumnMap:
    """The columns that inputs read. Raises DataError (C411) for an input without one, and for one that is not there."""
    root = table.folder if data.media_root is None else folder / data.media_root
    if root is not None and not root.is_dir():
        raise DataError(
            f"{root} is not a folder",
            "C410",
            "media_root",
            helps=("--media-root (media_root:) names the one that holds the files of the rows",),
        )
    known = table.columns or ()
    given: dict[str, Columns] = {
        name: field for name, field in recipe.fields.items() if field in known
    } | dict(data.columns)
    if isinstance(table, ClassFolders):
        given = _of_folders(inputs, given)
    try:
        return column_map(
            table,
            inputs,
            task,
            given=given,
            constants={},
            id_=data.id,
            kept=(data.split_by,) if data.split_by is not None else (),
            root=None if root is None else MediaRoot(root),
            cure=CURE,
        )
    except InputError as error:
        what, _, cure = str(error).rpartition("; ")
        key = "columns" if data.columns else "files"
        raise DataError(what or cure, "C411", key, helps=(cure,) if what else ()) from None


def _of_folders(inputs: Mapping[str, TaskInput], given: Mapping[str, Columns]) -> dict[str, Columns]:
    """The file for the one input that takes files, the class for the one that is left."""
    free = {name: item for name, item in inputs.items() if name not in given and not item.may_be_absent}
    files = [name for name, item in free.items() if item.names_files]
    others = [name for name, item in free.items() if not item.names_files]
    targets = [name for name in others if inputs[name].training] or others
    found = dict(given)
    if len(files) == 1:
        found[files[0]] = FILE
    if len(targets) == 1:
        found[targets[0]] = CLASS
    return found
