"""The options of `composer evaluate`: what is scored, by what, and what is kept."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.options import assignment, positive, whole
from composer.cli.running_rows import add_reading

if TYPE_CHECKING:
    from composer.evaluation.what_is_scored import AskedMetric

__all__ = ["add_data", "add_kept", "add_scores", "metric_of"]


def add_data(parser: argparse.ArgumentParser) -> None:
    """The data that are asked about."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data",
        metavar="DATA",
        help="a file of rows (.jsonl, .csv, .tsv, .parquet), whose columns map to inputs by their names; a folder with "
        "a folder of files for each class; a data set that `datasets` saved; annotation files of a benchmark as "
        "FORMAT:FILE[,FILE]; or the id of a registered dataset",
    )
    data.add_argument(
        "--split", metavar="NAME", help="the split of a dataset or a folder (default: test, or its only one)"
    )
    data.add_argument(
        "--split-by",
        metavar="COLUMN",
        help="the column that says the split of a row (of annotation files: `split`); --split names the one that is "
        "scored",
    )
    data.add_argument(
        "--with",
        dest="options",
        metavar="NAME=VALUE",
        type=assignment,
        action="append",
        default=[],
        help="an option of a dataset; may be repeated",
    )
    add_reading(data)


def add_scores(parser: argparse.ArgumentParser) -> None:
    """What is scored, and compared with what."""
    scores = parser.add_argument_group(
        "scores", "what is left out is what the task's `evaluation` says, or what is plain"
    )
    scores.add_argument(
        "--output",
        dest="outputs",
        metavar="OUTPUT",
        action="append",
        default=[],
        help="the output that is scored; several are scored together, by metrics that compare them",
    )
    scores.add_argument("--reference", metavar="COLUMN", help="the column that outputs are compared with")
    scores.add_argument(
        "--metric",
        dest="metrics",
        metavar="[NAME=]METRIC[,OPTION=VALUE]",
        action="append",
        default=[],
        help="a registered metric, perhaps with a name for its score and options: top5=core.top_k_accuracy,k=5; "
        "may be repeated",
    )
    scores.add_argument(
        "--resamples", type=positive, default=1000, metavar="N", help="draws of an interval (default: 1000)"
    )
    scores.add_argument(
        "--draws",
        type=whole,
        default=0,
        metavar="SEED",
        help="seed of what is drawn for intervals (default: 0)",
    )
    scores.add_argument(
        "--worst",
        type=whole,
        default=5,
        metavar="N",
        help="how many of the worst samples are listed (default: 5)",
    )
    scores.add_argument(
        "--against",
        metavar="RUN",
        nargs="+",
        default=[],
        help="compare with an evaluation that was kept by --out, on the same samples; two of them without DOC:TASK",
    )


def add_kept(parser: argparse.ArgumentParser) -> None:
    """Where the evaluation is kept."""
    kept = parser.add_argument_group("what is kept")
    kept.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="the folder of predictions.jsonl and report.json; however it ends, the same command goes on where it was "
        "(default: nothing is kept)",
    )
    kept.add_argument("--overwrite", action="store_true", help="begin anew, whatever evaluation --out holds")
    kept.add_argument(
        "--resume",
        action="store_true",
        help="go on although rows came to the file, or on another device; never with another model or other options",
    )
    kept.add_argument(
        "--retry", action="store_true", help="ask rows again that failed, and keep the others' answers"
    )


def metric_of(text: str) -> AskedMetric:
    """Read `NAME=METRIC,OPTION=VALUE`. Raises InputError for an option without a value."""
    from composer.evaluation.what_is_scored import AskedMetric
    from composer.language.parameters import read_value
    from composer.problems import InputError

    head, *options = text.split(",")
    name, equals, uses = head.partition("=")
    config: dict[str, object] = {}
    for option in options:
        key, has_value, value = option.partition("=")
        if not has_value or not key:
            raise InputError(f"--metric {text}: {option!r} is not of the form OPTION=VALUE")
        config[key] = read_value(value)
    return AskedMetric(uses if equals else name, name if equals else "", config)
