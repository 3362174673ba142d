"""What `composer evaluate --data` names: rows of a file, a folder, a format of annotations or a registered dataset."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.running_rows import annotated_rows

if TYPE_CHECKING:
    from composer.data.tables import Table
    from composer.plugin import Registry
    from composer.rows.rows_run import Rows

__all__ = ["EvaluatedData", "evaluated_data"]

SPLIT = "split"
"""The column of annotation files that says the split of a sample."""


@dataclass
class EvaluatedData:
    """What is to be scored on, and how its columns are read where nobody says it."""

    rows: Rows
    registry: Registry
    file: str | None = None
    """The column that the one input which takes files reads."""
    reference: str | None = None
    """The column that outputs are compared with."""


def evaluated_data(args: argparse.Namespace) -> EvaluatedData:
    """The data, opened. Raises InputError for what is not there."""
    from composer.plugin import load_registry
    from composer.problems import InputError
    from composer.rows.row_sources import opened

    registry = load_registry()
    path = Path(args.data)
    if args.data in registry.datasets and not path.exists():
        if args.split_by:
            raise InputError(f"--split-by belongs to rows, and {args.data} is a registered dataset")
        return EvaluatedData(_of_dataset(args, registry), registry)
    if args.options:
        raise InputError(f"--with belongs to a registered dataset, and {args.data} is none")
    if path.is_dir():
        return _of_folder(args, path, registry)
    table = annotated_rows(args.data, args.media_root)
    if table is not None:
        by = args.split_by or (SPLIT if args.split and SPLIT in (table.columns or ()) else None)
        return EvaluatedData(_narrowed(args, table, by), registry)
    try:
        source = opened(args.data)
    except InputError as error:
        known = ", ".join(sorted(registry.datasets)) or "none"
        formats = ", ".join(sorted(registry.formats)) or "none"
        more = f"{error}; registered datasets: {known}; formats of annotations (FORMAT:FILE): {formats}"
        raise error if path.exists() else InputError(more) from None
    if args.split or args.split_by:
        return EvaluatedData(_narrowed(args, source, args.split_by), registry)
    return EvaluatedData(args.data, registry)


def _narrowed(args: argparse.Namespace, source: Rows, by: str | None) -> Rows:
    """The rows of one split, which a column says."""
    from composer.evaluation.dataset_rows import SplitRows
    from composer.problems import InputError
    from composer.recipes import split_name
    from composer.rows.row import RowSource

    if by is None and args.split is None:
        return source
    if by is None:
        raise InputError(
            f"--split {args.split}: say which column of {args.data} holds the split of a row, by --split-by COLUMN"
        )
    assert isinstance(source, RowSource)
    return SplitRows(source, by, args.split or "test", split_name)


def _of_folder(args: argparse.Namespace, path: Path, registry: Registry) -> EvaluatedData:
    """A folder with a folder of files for each class, or a data set on disk; one split where it has several."""
    from composer.data.class_folders import CLASS, FILE, ClassFolders
    from composer.data.opening import open_data
    from composer.problems import InputError
    from composer.problems.suggest import unknown
    from composer.recipes import data_recipe

    found = open_data(data_recipe({"files": str(path)}), Path())
    splits: Mapping[str, list[Table]] = {name: tables for name, tables in found.tables.items() if name}
    if not splits and args.split_by:
        (table,) = found.tables[""]
        return EvaluatedData(_narrowed(args, _named(table), args.split_by), registry)
    split = args.split or ("test" if "test" in splits else next(iter(splits)) if len(splits) == 1 else "")
    if (split and split not in splits) or (splits and not split):
        if not splits:
            raise InputError(
                f"{path} has no splits: leave --split out, or say which column holds them (--split-by)"
            )
        raise unknown("split", split or "test", splits, str(path))
    (table,) = found.tables[split]
    if isinstance(table, ClassFolders):
        return EvaluatedData(table, registry, FILE, CLASS)
    return EvaluatedData(_named(table), registry)


def _named(table: Table) -> Rows:
    from composer.evaluation.dataset_rows import NamedRows

    return NamedRows(table, table.class_names) if table.class_names else table


def _of_dataset(args: argparse.Namespace, registry: Registry) -> Rows:
    """The samples of a split of a registered dataset."""
    from composer.evaluation.dataset_rows import DatasetRows
    from composer.evaluation.what_is_scored import given_config
    from composer.language.parameters import read_value
    from composer.plugin.declarations import config_text
    from composer.problems.suggest import unknown
    from composer.training.samples import build_source

    entry = registry.datasets[args.data]
    config = given_config(entry, "dataset", {name: read_value(text) for name, text in args.options})
    source = build_source(args.task, entry, config)
    scored = [split for split in source.splits if split != "train"] or list(source.splits)
    split = args.split or ("test" if "test" in scored else scored[0] if len(scored) == 1 else None)
    if split is None or split not in source.splits:
        raise unknown("split", split or "test", source.splits, f"dataset `{args.data}`")
    made_of = f"{entry.id} {split} {config_text(config, fallback=str)}"
    return DatasetRows(f"{entry.id} ({split})", made_of, source.draw(split))
