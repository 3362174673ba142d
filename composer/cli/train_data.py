"""`composer train --data`: a user's own rows, with the options that say how they are read and split."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from composer.cli.options import columns_given
from composer.cli.readers import positive
from composer.cli.running_rows import add_columns

__all__ = ["add_course", "add_data", "data_of", "misused_data"]

ONLY_DATA = {
    "--map": "columns",
    "--id": "id",
    "--split-by": "split_by",
    "--validation-share": "validation_share",
    "--test-share": "test_share",
    "--split-seed": "split_seed",
    "--media-root": "media_root",
    "--bad-rows": "bad_rows",
    "--absent-classes": "absent_classes",
}
"""Options that say something of the data, with their keys in a recipe."""


def add_data(parser: argparse.ArgumentParser, verb: str) -> None:
    """The options of a user's own data; `verb` is what a task is with them."""
    data = parser.add_argument_group("your own data")
    data.add_argument(
        "--data",
        metavar="[SPLIT=]FILE",
        action="append",
        default=[],
        help=f"rows that the task is {verb} with: a table (.csv, .tsv, .jsonl, .parquet), a folder with a folder of "
        "pictures for each class, a data set that `datasets` saved, or annotation files of a benchmark as "
        "FORMAT:FILE[,FILE]; train=a.csv and validation=b.csv give each its "
        "own; may be repeated",
    )
    add_columns(data, "id; no two rows have one name")
    data.add_argument("--split-by", metavar="COLUMN", help="the column that says the split of a row")
    data.add_argument(
        "--validation-share",
        type=_share,
        metavar="PART",
        help="hold out so many of the rows for validation (default: 0.1 of 50 rows or more, where no other "
        "split is there)",
    )
    data.add_argument(
        "--test-share", type=_share, metavar="PART", help="hold out so many of the rows for a test"
    )
    data.add_argument(
        "--split-seed", type=int, metavar="N", help="draws which rows are held out (default: 0)"
    )
    data.add_argument(
        "--bad-rows",
        choices=("stop", "skip"),
        help="what becomes of rows that cannot be used: stop before the run begins, or leave them out (default: stop)",
    )
    data.add_argument(
        "--absent-classes",
        choices=("stop", "allow"),
        help="what becomes of a run where a class that the document names does not occur (default: stop)",
    )


def add_course(parser: argparse.ArgumentParser) -> None:
    """What is chosen where there is no recipe, and replaces the values of one that is there."""
    parser.add_argument(
        "--batch-size",
        dest="batch",
        type=positive,
        metavar="N",
        help="samples in a batch, in place of the recipe's",
    )
    parser.add_argument(
        "--learning-rate", type=_rate, metavar="RATE", help="highest learning rate, in place of the recipe's"
    )


def data_of(args: argparse.Namespace) -> Mapping[str, Any] | None:
    """The data as a recipe has them under `data`; None where none are given."""
    if not args.data:
        return None
    files: dict[str, list[str]] = {}
    for text in args.data:
        split, file = _split_of(text)
        files.setdefault(split, []).append(file)
    options: dict[str, Any] = {"files": files}
    for key in ONLY_DATA.values():
        value = getattr(args, key)
        if value is not None and value != []:
            options[key] = str(value) if isinstance(value, Path) else value
    if args.columns:
        options["columns"] = columns_given(args.columns)
    return options


def misused_data(args: argparse.Namespace) -> str | None:
    """What is wrong with the options as they are given together."""
    if args.data:
        return None
    if args.write_recipe is not None:
        return "--write-recipe belongs to --data"
    given = [flag for flag, key in ONLY_DATA.items() if getattr(args, key) not in (None, [])]
    return f"{given[0]} belongs to --data" if given else None


def _split_of(text: str) -> tuple[str, str]:
    """The split and the file; a file may have an equals sign in its name."""
    split, sign, file = text.partition("=")
    named = bool(sign and file) and split.isidentifier() and not Path(text).exists()
    return (split, file) if named else ("", text)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(
            f"{text} is not a share: write a number from 0 up and below 1, such as 0.1"
        )
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(
            f"{text} is not a learning rate: write a number above 0, such as 1e-3"
        )
    return value
