"""The eight tasks of GLUE, as tables with tabs and as Parquet files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from composer.problems import InputError
from composer_mplug2.annotations.entries import Row, Sample, read_each, table, text_of

__all__ = ["GLUE", "GlueTask", "cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb"]

Reader = Callable[[Sequence[Path], Path], Iterator[Sample]]


@dataclass(frozen=True)
class GlueTask:
    """Where a task of GLUE has its texts and its class, in tables and in Parquet files."""

    texts: Mapping[str, tuple[str, ...]]
    """Our column to the names that it has: the first that is there is read."""
    label: tuple[str, ...] = ("label",)
    classes: tuple[str, ...] = ()
    """The names of the classes by their numbers; of a task with numbers none."""
    without_heading: tuple[str, ...] = ()
    """The columns of a table that has no heading."""


HIDDEN = ("-1", "-1.0")
"""What a test split has instead of classes, where it has their column."""
IDS = ("index", "idx", "id")
"""The columns that may name a row."""
_PAIR = {"first": ("sentence1",), "second": ("sentence2",)}
GLUE: Mapping[str, GlueTask] = {
    "sst2": GlueTask({"sentence": ("sentence",)}, classes=("negative", "positive")),
    "cola": GlueTask(
        {"sentence": ("sentence",)},
        classes=("unacceptable", "acceptable"),
        without_heading=("source", "label", "star", "sentence"),
    ),
    "mrpc": GlueTask(
        {"first": ("#1 String", "sentence1"), "second": ("#2 String", "sentence2")},
        ("Quality", "label"),
        ("different", "same"),
    ),
    "qqp": GlueTask(
        {"first": ("question1",), "second": ("question2",)}, ("is_duplicate", "label"), ("different", "same")
    ),
    "mnli": GlueTask(
        {"first": ("sentence1", "premise"), "second": ("sentence2", "hypothesis")},
        ("gold_label", "label"),
        ("entailment", "neutral", "contradiction"),
    ),
    "qnli": GlueTask(
        {"first": ("question",), "second": ("sentence",)}, classes=("entailment", "not_entailment")
    ),
    "rte": GlueTask(_PAIR, classes=("entailment", "not_entailment")),
    "stsb": GlueTask(_PAIR, ("score", "label")),
}


def _read(task: GlueTask, files: Sequence[Path], media: Path) -> Iterator[Sample]:
    path = files[0]
    found: Iterator[Mapping[str, Any]] = _parquet(path) if path.suffix == ".parquet" else _tabs(path, task)
    return read_each(enumerate(found), path, partial(_row, task, path.stem), "row")


def _row(task: GlueTask, file: str, entry: tuple[int, Mapping[str, Any]]) -> Iterator[Row]:
    number, each = entry
    row: dict[str, object] = {"id": _id(each, file, number)}
    for name, columns in task.texts.items():
        row[name] = text_of(each, next((column for column in columns if column in each), columns[0]))
    label = next((each[name] for name in task.label if each.get(name) not in (None, "")), None)
    if label is not None and str(label) not in HIDDEN:
        row["truth"] = _truth(task, label)
        if not task.classes:  # as a decoder tells it, in steps of a fifth
            row["told"] = f"{round(float(str(label)) * 5) / 5:.1f}"
    yield row


def _id(each: Mapping[str, Any], file: str, number: int) -> str:
    """`dev-7`: the file, since each counts anew, and what it calls a row; where it names none, the number from 0."""
    own = next((each[name] for name in IDS if each.get(name) not in (None, "")), number)
    return f"{file}-{own}"


def _truth(task: GlueTask, label: object) -> object:
    """The name of a class, or the number; a class is told by its name or by its number."""
    if not task.classes:
        return float(str(label))
    if label in task.classes:
        return label
    if re.fullmatch(r"\d+", str(label)) and int(str(label)) < len(task.classes):
        return task.classes[int(str(label))]
    raise ValueError(f"its class is {label!r}, and the classes are {', '.join(task.classes)}")


def _tabs(path: Path, task: GlueTask) -> Iterator[dict[str, str]]:
    """The rows of a table with tabs, in which quotation marks are text."""
    heading = next(table(path, "\t", ("heading",), quoted=False), {}).get("heading", "")
    columns = task.without_heading if task.without_heading and heading not in ("index", "sentence") else ()
    return table(path, "\t", columns, quoted=False)


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError('Parquet is read with pyarrow: pip install "multimodal-composer[rows]"') from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(1024):
                yield from batch.to_pylist()
    except (OSError, ValueError, ArithmeticError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path} cannot be read as Parquet: {reason}") from None


def _reader(name: str) -> Reader:
    return partial(_read, GLUE[name])


sst2, cola, mrpc, qqp = _reader("sst2"), _reader("cola"), _reader("mrpc"), _reader("qqp")
mnli, qnli, rte, stsb = _reader("mnli"), _reader("qnli"), _reader("rte"), _reader("stsb")
