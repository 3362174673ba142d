"""The options of `composer evaluate`: what is scored, by what, and what is kept."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.readers import assignment, positive, whole
from composer.cli.running_rows import add_reading

if TYPE_CHECKING:
    from composer.evaluation import Reranking
    from composer.evaluation.what_is_scored import AskedMetric

__all__ = ["add_data", "add_kept", "add_scores", "metric_of", "reranking_of"]


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
        "--rerank",
        metavar="TASK[,OPTION=VALUE...]",
        help="of retrieval: look at the best candidates of each query by another task of the document, and score the "
        "recalls again; options: top (16), output, column (the last), add (false: the similarity is added)",
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
        help="go on although rows came to the file or changed (those are asked again), or on another device; "
        "never with another model or other options",
    )
    kept.add_argument(
        "--retry", action="store_true", help="ask rows again that failed, and keep the others' answers"
    )


def metric_of(text: str) -> AskedMetric:
    """Read `NAME=METRIC,OPTION=VALUE`. Raises UsageError for an option without a value."""
    from composer.evaluation.what_is_scored import AskedMetric

    head, *options = text.split(",")
    name, equals, uses = head.partition("=")
    return AskedMetric(
        uses if equals else name, name if equals else "", _options_of("--metric", text, options)
    )


def reranking_of(text: str | None) -> Reranking | None:
    """Read `TASK,OPTION=VALUE`. Raises UsageError for an option that is none."""
    from dataclasses import fields

    from pydantic import TypeAdapter, ValidationError

    from composer.cli.usage import UsageError
    from composer.evaluation import Reranking
    from composer.problems.suggest import unknown

    if text is None:
        return None
    task, *options = text.split(",")
    given = _options_of("--rerank", text, options)
    known = [each.name for each in fields(Reranking) if each.name != "task"]
    strange = [name for name in given if name not in known]
    if strange:
        raise UsageError(str(unknown("option", strange, known, "--rerank")))
    try:
        return TypeAdapter(Reranking).validate_python({"task": task, **given})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise UsageError(f"--rerank {text}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


def _options_of(flag: str, text: str, options: Sequence[str]) -> dict[str, object]:
    """The options behind the first comma. Raises UsageError for one without a value."""
    from composer.cli.usage import UsageError
    from composer.language.parameters import read_value

    config: dict[str, object] = {}
    for option in options:
        key, has_value, value = option.partition("=")
        if not has_value or not key:
            raise UsageError(f"{flag} {text}: {option!r} is not of the form OPTION=VALUE")
        config[key] = read_value(value)
    return config
